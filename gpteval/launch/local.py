"""Workers that are processes of this machine, by `concurrent.futures`.

Each is an executor of one process: the death of a process breaks its executor whole.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from typing import NamedTuple

from gpteval.errors import GptevalError
from gpteval.launch.pool import Worker, Workers
from gpteval.launch.setup import Setup
from gpteval.launch.worker import begin_local, process, work

THREADS = "OMP_NUM_THREADS"
GPUS = "CUDA_VISIBLE_DEVICES"
BEGINNINGS = 10
"""Times that a worker is started which dies before it has begun."""


class Handle(NamedTuple):
    """A process: the executor that has it, and its number."""

    executor: ProcessPoolExecutor
    pid: int


class LocalWorkers(Workers):
    """Processes that share the cores and the GPUs of this machine."""

    died = (BrokenProcessPool,)

    def __init__(self, count: int, gpus: Sequence[str]) -> None:
        """Start `count` processes, each with its share of the cores and one of the GPUs."""
        super().__init__()
        self.count, self.gpus = count, gpus
        self.begin(count)

    def started(self, names: Sequence[str]) -> list[Worker]:
        """Processes that have begun, started side by side."""
        begun = [self._starting(name) for name in names]
        return [self._begun(name, *own) for name, own in zip(names, begun, strict=True)]

    def _starting(self, name: str) -> tuple[ProcessPoolExecutor, Future[int]]:
        executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        executor.submit(begin_local, self._setup(name))
        return executor, executor.submit(process)

    def _begun(self, name: str, executor: ProcessPoolExecutor, pid: Future[int]) -> Worker:
        for _ in range(BEGINNINGS):
            with suppress(BrokenProcessPool):
                return Worker(name, Handle(executor, pid.result()))
            executor.shutdown()
            executor, pid = self._starting(name)
        raise GptevalError(f"{name} died {BEGINNINGS} times before it had begun: is memory short?")

    def _setup(self, name: str) -> str:
        import msgspec

        number = int(name.rpartition(" ")[2]) - 1
        variables = {}
        if THREADS not in os.environ:
            variables[THREADS] = str(max(1, cores() // self.count))
        if len(self.gpus) > 1:
            variables[GPUS] = self.gpus[number % len(self.gpus)]
        return msgspec.json.encode(Setup.of_this_process(**variables)).decode()

    def submit(self, worker: Worker, order: str) -> Future[str]:
        """Send the order to the process."""
        handle: Handle = worker.handle
        return handle.executor.submit(work, order)

    def end(self, worker: Worker) -> None:
        """Kill the process."""
        handle: Handle = worker.handle
        with suppress(ProcessLookupError):
            os.kill(handle.pid, signal.SIGKILL)
        handle.executor.shutdown()


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The GPUs of this machine, by the names that `CUDA_VISIBLE_DEVICES` takes."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get(GPUS)
    return named.split(",")[:count] if named else [str(number) for number in range(count)]
