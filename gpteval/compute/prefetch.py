"""Making the next items of an iteration while the last one is in use."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

DEPTH = 2
"""Items that may be ready and wait."""

T = TypeVar("T")


def prefetch(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, none of them None, made by a thread that is `DEPTH` of them ahead.

    What making an item raises is raised where the item was due. The thread ends with the
    iteration, or when that is closed.
    """
    with ThreadPoolExecutor(1, "ahead") as thread:
        waiting = deque(thread.submit(next, items, None) for _ in range(DEPTH))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, items, None))
            yield item
