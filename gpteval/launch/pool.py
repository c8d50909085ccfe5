"""What computes orders several at once: what every kind does, and what workers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(eq=False, slots=True)
class Job:
    """An order that was handed out.

    Attributes:
        where: Who is at it, for people: "worker 1", "job 17_3".
    """

    where: str


class Pool(Protocol):
    """Workers or jobs of one kind; JSON goes out and comes back."""

    def room(self) -> int:
        """How many orders it takes now."""

    def send(self, orders: Sequence[str]) -> list[Job]:
        """Hand out so many orders as there is room for; a job for each."""

    def ended(self, seconds: float) -> list[tuple[Job, str | None]]:
        """Jobs that ended, with their outcome; None where their worker died.

        Args:
            seconds: To wait at most, where none has.
        """

    def withdraw(self) -> list[Job]:
        """Take back what was handed out and not begun."""

    def close(self) -> None:
        """End it all; what is still computed is lost but for its saved state."""


@dataclass(eq=False, slots=True)
class Worker:
    """A process that computes one order after another.

    Attributes:
        name: For people.
        handle: What its kind of pool knows it by.
    """

    name: str
    handle: Any


class Workers(ABC):
    """A pool of processes that stay: one that dies is replaced."""

    died: tuple[type[Exception], ...]
    """What a future raises whose worker died."""

    def __init__(self) -> None:
        """There are no workers before `begin`."""
        self._idle: list[Worker] = []
        self._busy: dict[Future[str], tuple[Job, Worker]] = {}

    def begin(self, count: int) -> None:
        """Start so many workers.

        Raises:
            GptevalError: What the first of them that can't begin says.
        """
        self._idle = self.started([f"worker {number}" for number in range(1, count + 1)])

    @abstractmethod
    def started(self, names: Sequence[str]) -> list[Worker]:
        """Workers that have begun; a name for each."""

    @abstractmethod
    def submit(self, worker: Worker, order: str) -> Future[str]:
        """Have an idle worker compute an order.

        Raises:
            Exception: One of `died`: it died while it was idle.
        """

    @abstractmethod
    def end(self, worker: Worker) -> None:
        """End a worker at once, if it is not dead already."""

    def room(self) -> int:
        """How many workers are idle."""
        return len(self._idle)

    def send(self, orders: Sequence[str]) -> list[Job]:
        """Hand each order to an idle worker."""
        jobs: list[Job] = []
        for order in orders:
            worker, future = self._submitted(order)
            jobs.append(Job(worker.name))
            self._busy[future] = jobs[-1], worker
        return jobs

    def _submitted(self, order: str) -> tuple[Worker, Future[str]]:
        worker = self._idle.pop(0)
        try:
            return worker, self.submit(worker, order)
        except self.died:  # it was idle, and nothing is lost
            self._replace(worker)
            return self._submitted(order)

    def ended(self, seconds: float) -> list[tuple[Job, str | None]]:
        """Jobs whose worker is idle again, or dead."""
        outcomes: list[tuple[Job, str | None]] = []
        for future in wait(self._busy, seconds, FIRST_COMPLETED).done:
            job, worker = self._busy.pop(future)
            try:
                outcomes.append((job, future.result()))
            except self.died:
                outcomes.append((job, None))
                self._replace(worker)
            else:
                self._idle.append(worker)
        return outcomes

    def _replace(self, worker: Worker) -> None:
        """Have another in the place of one that died."""
        self.end(worker)
        self._idle += self.started([worker.name])

    def withdraw(self) -> list[Job]:
        """Nothing: who has an order is at it."""
        return []

    def close(self) -> None:
        """End all workers."""
        for worker in [*self._idle, *(worker for _, worker in self._busy.values())]:
            self.end(worker)
        self._idle, self._busy = [], {}
