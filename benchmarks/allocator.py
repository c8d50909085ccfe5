"""Each side of a benchmark with the memory allocator it has where it runs by itself.

gpteval tells glibc to keep the memory of freed tensors; a plain loop, transformers and
lm-evaluation-harness leave it as it is: big blocks are mapped and given back each time. In one
process the settings are changed between the sides; ours then does its work once before it is timed,
since theirs has given back what it keeps.
"""

from __future__ import annotations

import ctypes
import platform

from rounds import Timed

from gpteval.compute.device import keep_freed_memory

SYSTEM = {-3: 32 << 20, -1: 64 << 20, -2: 128 << 10, -4: 65536}
"""`mallopt`'s M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX as glibc has them once the
first two, which it raises while large blocks are freed, have come to their ends."""

CHOICES = ("own", "keep", "system")
"""Each side its own; both ours; both glibc's."""


def leave_as_it_is() -> None:
    """Have glibc give freed memory back as it does untold."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in SYSTEM.items():
            mallopt(parameter, value)


def settle(choice: str, *, ours: bool) -> None:
    """Set the allocator that `choice`, one of `CHOICES`, gives our side or theirs."""
    if choice == "keep" or (choice == "own" and ours):
        keep_freed_memory()
    else:
        leave_as_it_is()


def settled(choice: str, work: Timed, *, ours: bool) -> Timed:
    """`work` with that allocator; where sides change it, ours lays out its memory untimed first."""

    def timed() -> float:
        settle(choice, ours=ours)
        if choice == "own" and ours:
            work()
        return work()

    return timed
