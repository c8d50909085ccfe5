"""How many processes there are, and which of them this is: asked of torchrun's variables alone."""

from __future__ import annotations

import os

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun sets, all of it: RANK alone is some other program's."""


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
