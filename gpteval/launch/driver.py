"""Hands out units, longest first, takes in what came of them, and tells where all of them stand."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import msgspec

from gpteval.errors import GptevalError
from gpteval.launch.pool import Job, Pool
from gpteval.methods.order import Order, Outcome
from gpteval.progress import Progress, Running, Standing

DEATHS = 10
"""Workers that may die of one unit: it then fails."""

LOOK = 0.5
"""Seconds between two looks at what ended."""


@dataclass(slots=True)
class Interrupted:
    """Whether the user interrupted the command."""

    asked: bool = False


class Drive:
    """One round of orders over one pool."""

    def __init__(
        self, orders: Sequence[Order], pool: Pool, progress: Progress, *, earlier: int
    ) -> None:
        """Nothing is handed out before `outcomes`; `earlier` others were finished before."""
        self.orders, self.pool, self.progress, self.earlier = orders, pool, progress, earlier
        sizes = [order.size for order in orders]
        self._waiting = sorted(range(len(orders)), key=lambda n: -sizes[n])
        self._running: dict[Job, tuple[int, float]] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._deaths = Counter[int]()
        self._spent = self._size = 0.0

    def outcomes(self) -> list[Outcome]:
        """What came of every order.

        Raises:
            KeyboardInterrupt: The user interrupted it; what was begun is finished, unless they did
                so twice.
            GptevalError: Workers die of whatever they are given.
        """
        stopped = False
        with interruptible() as interrupted:
            while self._waiting or self._running:
                if interrupted.asked and (self._waiting or not stopped):
                    self._stop()
                    stopped = True
                self._hand_out()
                for job, outcome in self.pool.ended(LOOK):
                    self._take_in(job, outcome)
                over = not (self._waiting or self._running)
                self.progress.units(self._standing(), over=over)
        if len(self._outcomes) < len(self.orders):
            raise KeyboardInterrupt
        return [self._outcomes[number] for number in range(len(self.orders))]

    def _hand_out(self) -> None:
        """Give the longest of what waits to whoever is idle."""
        numbers = self._waiting[: self.pool.room()]
        if not numbers:
            return
        del self._waiting[: len(numbers)]
        sent = [msgspec.json.encode(self.orders[number]).decode() for number in numbers]
        for number, job in zip(numbers, self.pool.send(sent), strict=True):
            self._running[job] = number, time.monotonic()

    def _take_in(self, job: Job, outcome: str | None) -> None:
        """Keep what came of an order, or have it tried again."""
        number, _ = self._running.pop(job)
        name = self.orders[number].name
        if outcome is None:
            self._died(number, job)
            return
        known = self._outcomes[number] = msgspec.json.decode(outcome, type=Outcome)
        self._spent += known.seconds
        self._size += self.orders[number].size
        for line in known.said:
            self.progress.say(line)
        if known.new:
            self.progress.begun()
        if known.failed:
            self.progress.say(f"{name} is left out: {known.failed}")

    def _died(self, number: int, job: Job) -> None:
        name = self.orders[number].name
        self._deaths[number] += 1
        if self._deaths[number] < DEATHS:
            self.progress.say(f"{name}: {job.where} died; another goes on from its saved state")
            self._waiting.insert(0, number)
            return
        if not self._outcomes:
            raise GptevalError(
                f"{DEATHS} workers died of {name}, and nothing was completed: is memory short? "
                "What the system says of it stands in its log"
            )
        self._outcomes[number] = Outcome(failed=f"{DEATHS} workers died of it: is memory short?")
        self.progress.say(f"{name} is left out: {self._outcomes[number].failed}")

    def _stop(self) -> None:
        """Hand out no more."""
        for job in self.pool.withdraw():
            del self._running[job]
        self._waiting.clear()
        names = ", ".join(self.orders[number].name for number, _ in self._running.values())
        if names:
            self.progress.say(
                f"interrupted: nothing more is handed out, {names} will be finished; interrupt "
                "again to stop at once"
            )

    def _standing(self) -> Standing:
        """Where all units stand now."""
        now = time.monotonic()
        running = tuple(
            Running(self.orders[number].name, job.where, now - since)
            for job, (number, since) in self._running.items()
        )
        failed = sum(bool(outcome.failed) for outcome in self._outcomes.values())
        done = self.earlier + len(self._outcomes) - failed
        total = self.earlier + len(self.orders)
        return Standing(total, done, failed, running, self._left(now))

    def _left(self, now: float) -> float | None:
        """Seconds for what waits and what is under way, at the pace so far."""
        if not self._size:
            return None
        pace = self._spent / self._size
        waiting = sum(self.orders[number].size for number in self._waiting) * pace
        under_way = [
            max(0.0, self.orders[number].size * pace - (now - since))
            for number, since in self._running.values()
        ]
        return (waiting + sum(under_way)) / max(1, len(under_way))


@contextmanager
def interruptible() -> Iterator[Interrupted]:
    """Within it the first interruption is noted, and the second is one.

    Outside of the main thread, where no signals arrive, it changes nothing.
    """
    interrupted = Interrupted()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interrupted.asked:
            raise KeyboardInterrupt
        interrupted.asked = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
