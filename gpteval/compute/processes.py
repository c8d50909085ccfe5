"""How many processes there are, which of them this is, and how its threads wait.

Asked of environment variables, torchrun's and OpenMP's, alone.
"""

from __future__ import annotations

import os

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun sets, all of it: RANK alone is some other program's."""


WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""What decides how OpenMP's threads wait: the standard's variable, GNU's, LLVM's and Intel's."""


def launched() -> bool:
    """Whether torchrun, or what sets the same variables, started this process beside others."""
    return all(name in os.environ for name in VARIABLES)


def rank() -> int:
    """Number of this process, from 0; 0 where it was started alone."""
    return int(os.environ["RANK"]) if launched() else 0


def local_rank() -> int:
    """Number of this process on its machine, from 0."""
    return int(os.environ["LOCAL_RANK"]) if launched() else 0


def stay_alone() -> None:
    """Have this process be the only one from here on, whatever started it."""
    for name in VARIABLES:
        os.environ.pop(name, None)


def wait_passively() -> None:
    """Have OpenMP's threads sleep at a barrier instead of spinning, unless the user says otherwise.

    torch computes with GNU's OpenMP on Linux, elsewhere with LLVM's or Intel's: all obey this, and
    read it when they are loaded, with torch or scikit-learn. A thread that spins while another has
    no core burns the time that one waits for: beside two busy processes on two cores a fine-tuning
    took four to seven times as long for it, and five times the CPU.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ[WAITING[0]] = "PASSIVE"
