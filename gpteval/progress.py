"""How long-running code tells where it stands, without knowing who listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


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
