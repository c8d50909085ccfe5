"""How long-running code tells where it stands, without knowing who listens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Running(NamedTuple):
    """A unit that a worker is at: its name, which worker, and for how many seconds."""

    name: str
    where: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """Where many units stand that several workers compute.

    Attributes:
        total: How many there are.
        done: How many of them are, those finished before among them.
        failed: How many could not be measured.
        running: Those under way.
        left: About how many seconds are left; None where that can't be known yet.
    """

    total: int
    done: int
    failed: int
    running: tuple[Running, ...]
    left: float | None

    @property
    def waiting(self) -> int:
        """How many were not begun."""
        return self.total - self.done - self.failed - len(self.running)


class Progress(Protocol):
    """A listener. The command line draws bars on stderr; from Python nothing is shown."""

    def part(self, number: int, sizes: Sequence[float], noun: str = "task") -> None:
        """Part `number` of the whole begins, from 1; one without a phase was finished before.

        Args:
            number: Which, from 1.
            sizes: The work of every part, in any unit.
            noun: What a part is.
        """

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """A phase of `total` steps begins ("rte · train"); `done` of them were made earlier."""

    def advance(self, steps: int, note: str = "") -> None:
        """`steps` more are done; `note` is the latest figure worth seeing ("loss 0.52")."""

    def end(self) -> None:
        """The phase is over."""

    def say(self, line: str) -> None:
        """A line that stays ("rte: finished before, not run again")."""

    def units(self, standing: Standing, *, over: bool = False) -> None:
        """Where units stand that workers compute, every now and then until it is `over`."""

    def begun(self) -> None:
        """One of these units was not finished before."""


class Silent:
    """The listener that shows nothing."""

    def part(self, number: int, sizes: Sequence[float], noun: str = "task") -> None:
        """Ignore."""

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Ignore."""

    def advance(self, steps: int, note: str = "") -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""

    def say(self, line: str) -> None:
        """Ignore."""

    def units(self, standing: Standing, *, over: bool = False) -> None:
        """Ignore."""

    def begun(self) -> None:
        """Ignore."""
