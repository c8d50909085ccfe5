"""Items made ahead of their use, and figures read after theirs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from gpteval.compute.prefetch import DEPTH, prefetch


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("ahead")]


def counted(made: list[int], stop: int) -> Iterator[int]:
    for number in range(stop):
        made.append(number)
        yield number
    if stop < 9:
        raise OSError("no more")


def test_items_come_in_order_and_the_thread_ends_with_them() -> None:
    assert list(prefetch(counted([], 9))) == list(range(9))
    assert not threads()


def test_as_many_are_made_ahead_as_said() -> None:
    made: list[int] = []
    items = prefetch(counted(made, 9))
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while len(made) < 1 + DEPTH and time.monotonic() < deadline:
        time.sleep(0.001)
    assert made == [0, 1, 2]
    assert threads()
    items.close()
    assert not threads()


def test_an_error_is_raised_where_its_item_was_due() -> None:
    items = prefetch(counted([], 3))
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="no more"):
        next(items)
    assert not threads()
