"""Memory that runs out: what was to be computed together is computed in parts.

A GPU, a CPU under a limit and Python itself each say it in their own way. torch need not be there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gpteval.errors import TrainingError

SAYINGS = (
    "out of memory",  # CUDA, MPS
    "DefaultCPUAllocator: can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""What stands in a RuntimeError of torch that means it."""

if TYPE_CHECKING:
    import torch

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says what a container may hold; "max" for no limit."""
MEMORY, AVAILABLE = Path("/proc/meminfo"), "MemAvailable:"
"""Where Linux says how much memory is left, in KiB."""

Item = TypeVar("Item")
Found = TypeVar("Found")


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is no memory left."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SAYINGS)


def tried(compute: Callable[[], Found]) -> Found | None:
    """What is computed; None where memory ran out, and all that was held for it is free again."""
    try:
        return compute()
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
    return None


def room(device: torch.device) -> int:
    """Bytes that a device has in all, or a container on it may hold; 0 where nobody says."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[1])
    found: list[int] = []
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit in LIMITS:
        with suppress(OSError, ValueError):
            found.append(int(Path(limit).read_text("ascii")))
    return min(found, default=0)


def in_parts(
    groups: Iterable[list[Item]],
    compute: Callable[[list[Item]], Found],
    told: Callable[[Item], str],
) -> Iterator[tuple[list[Item], Found]]:
    """Groups and what is computed of each, in order; one that does not fit in memory as halves.

    Args:
        groups: None of them empty.
        compute: What to do with a group; nothing it does may outlast its failure.
        told: An item as an error names it.

    Raises:
        TrainingError: One item alone does not fit.
    """
    waiting = list(groups)[::-1]
    while waiting:
        group = waiting.pop()
        found = tried(partial(compute, group))
        if found is not None:
            yield group, found
            continue
        if len(group) == 1:
            raise too_large(told(group[0]))
        middle = len(group) // 2
        waiting += [group[middle:], group[:middle]]


def too_large(item: str) -> TrainingError:
    """The error of what can't be computed in smaller parts."""
    return TrainingError(
        f"{item} alone does not fit in memory: use a smaller model, --device cpu, or in training "
        "--gradient-checkpointing"
    )


def refuse_beyond(size: int, item: str) -> None:
    """Refuse what would take more memory than is left: the system may end a process for it.

    Args:
        size: Bytes, roughly.
        item: As an error names it.

    Raises:
        TrainingError: There is less.
    """
    left = available()
    if left is not None and size > left:
        raise TrainingError(
            f"{item} would take about {size / 1e9:.1f} GB of memory, and there are "
            f"{left / 1e9:.1f}: take fewer rows with --limit"
        )


def available() -> int | None:
    """Bytes of memory that the system can still give; None where it does not say."""
    try:
        lines = MEMORY.read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(AVAILABLE))
    except (OSError, StopIteration):
        return None
