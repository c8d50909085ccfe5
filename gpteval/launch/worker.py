"""A worker: is told where it is, computes one unit after another, and keeps what they share.

Nothing heavy is imported before `begin`: threads and GPUs are told to libraries by variables.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from gpteval.errors import ConfigError, GptevalError
from gpteval.launch.setup import Setup
from gpteval.loading import reason
from gpteval.methods.order import Order, Outcome
from gpteval.progress import Silent

if TYPE_CHECKING:
    from gpteval.launch.bench import Bench

_bench: list[Bench] = []
"""What this process keeps; made with its first unit."""


def begin(setup: str) -> None:
    """Be where the command was given, with its variables, plug-ins and task files.

    Args:
        setup: A `Setup` as JSON.

    Raises:
        ConfigError: The directory is not there on this machine.
        GptevalError: A plug-in or a task file that can't be read here.
    """
    import msgspec

    told = msgspec.json.decode(setup, type=Setup)
    try:
        os.chdir(told.directory)
    except OSError as error:
        raise ConfigError(
            f"{told.directory} is not there on {os.uname().nodename} ({error.strerror}): workers "
            "need the directory that the command is given in, on a file system they share"
        ) from None
    os.environ.update(told.variables)
    from gpteval.compute.processes import stay_alone, wait_passively
    from gpteval.paths import user_path
    from gpteval.plugins import registry

    stay_alone()
    wait_passively()
    registry.cache_clear()
    for file in told.files:
        registry().add_file(user_path(file))


def begin_local(setup: str) -> None:
    """The same in a process that another one of this machine started, and that ends with it.

    What it prints goes to stderr; the keys that interrupt the command are not for it.
    """
    from multiprocessing import parent_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    begin(setup)


class Heard(Silent):
    """Keeps what is said for the user, and whether anything had to be done."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.new = False

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Something had to be done."""
        self.new = True

    def say(self, line: str) -> None:
        """Keep the line."""
        self.said.append(line)


def work(order: str) -> str:
    """Compute one unit; whatever fails is the outcome of this one.

    Args:
        order: An `Order` as JSON.

    Returns:
        An `Outcome` as JSON.
    """
    import msgspec

    heard, began = Heard(), time.perf_counter()
    try:
        facts = _complete(msgspec.json.decode(order, type=Order), heard)
    except GptevalError as error:
        facts = {"failed": str(error)}
    except (Exception, SystemExit) as error:
        facts = {"failed": reason(error)}
    facts |= {"said": tuple(heard.said), "new": heard.new, "seconds": time.perf_counter() - began}
    return msgspec.json.encode(Outcome(**facts)).decode()


def _complete(order: Order, heard: Heard) -> dict[str, Any]:
    from gpteval.launch.bench import Bench

    if not _bench:
        _bench.append(Bench())
    results = _bench[0].complete(order, heard)
    return {
        "results": tuple((r.key, r.task, r.split) for r in results),
        "left_out": results.left_out,
        "skipped": results.skipped,
    }


def process() -> int:
    """The number of this process; asked of a worker, it shows that it has begun."""
    sys.stderr.flush()
    return os.getpid()
