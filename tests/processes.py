"""Processes that a test starts and ends when it pleases.

Never by `os.fork`: what threads of the tests' own process hold, the child waits for without end.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from typing import Any

FRESH = multiprocessing.get_context("forkserver")
IMPORTED = ["torch._dynamo", "scipy.stats", "sklearn.linear_model", "matplotlib.figure"]
FRESH.set_forkserver_preload([*IMPORTED, "gpteval.cli.main", "gpteval.methods.finetune"])
"""Makes processes that have used nothing yet of what takes seconds to import."""

LONG = 600.0
"""Seconds after which nobody waits any more, on a machine however busy."""


def started(target: Callable[..., object], *arguments: object) -> ForkServerProcess:
    """A process of one thread that calls a function of a module, in this one's environment."""
    process = FRESH.Process(target=_begin, args=(dict(os.environ), target, arguments))
    process.start()
    return process


def _begin(
    environment: Mapping[str, str], target: Callable[..., object], arguments: tuple[Any, ...]
) -> None:
    import torch

    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    target(*arguments)


def until(
    happened: Callable[[], object], process: ForkServerProcess | subprocess.Popen[Any]
) -> bool:
    """Wait until something that a process does has happened; whether it has before its end.

    Raises:
        AssertionError: Neither comes.
    """
    last = time.monotonic() + LONG
    while time.monotonic() < last:
        ended = _ended(process)
        if happened():
            return True
        if ended:
            return False
        time.sleep(0.002)
    raise AssertionError(f"nothing happened within {LONG:.0f} s")


def _ended(process: ForkServerProcess | subprocess.Popen[Any]) -> bool:
    if isinstance(process, subprocess.Popen):
        return process.poll() is not None
    return not process.is_alive()
