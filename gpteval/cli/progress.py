"""Progress on stderr: bars with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

import rich.progress as bars
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gpteval.cli import output
from gpteval.progress import Standing
from gpteval.text import duration, printable

QUIET_SECONDS = 10.0
"""Without a terminal, at most one line in this time."""


class Whole:
    """All of the work: which task of how many is under way, and the time left.

    The time that a part takes is taken for proportional to its size.

    Attributes:
        begun: Whether anything had to be done.
    """

    def __init__(self) -> None:
        """Nothing is known before the first part."""
        self._number, self._sizes, self._noun = 0, tuple[float, ...](), ""
        self.begun = False
        self._began: float | None = None
        self._worked = self._share = self._given = 0.0

    def part(self, number: int, sizes: Sequence[float], noun: str) -> None:
        """The next part; the last one counts if it was worked on."""
        if number == 1:
            self._began, self._worked = None, 0.0
        elif self._share:
            self._worked += (self._share - self._given) * self._sizes[self._number - 1]
        self._number, self._sizes, self._noun = number, tuple(sizes), noun
        self._share = self._given = 0.0

    def phase(self, share: float) -> None:
        """A phase begins, of which a share was made in an earlier run."""
        self.begun = True
        if self._began is None:
            self._began = time.monotonic()
        if not self._share:
            self._share = self._given = share

    def at(self, share: float) -> None:
        """The present phase is so far; a part's first one is its longest."""
        self._share = max(self._share, min(share, 1.0))

    def told(self) -> str:
        """What is left of it: "task 3 of 10, 1 h 20 min left for all"; "" of a single part."""
        if len(self._sizes) < 2:
            return ""
        place = f"{self._noun} {self._number} of {len(self._sizes)}"
        size = self._sizes[self._number - 1]
        worked = self._worked + (self._share - self._given) * size
        if self._began is None or not worked:
            return place
        waiting = sum(self._sizes[self._number :]) + (1 - self._share) * size
        left = (time.monotonic() - self._began) / worked * waiting
        return f"{place}, {duration(left)} left for all"


def standing_line(standing: Standing) -> str:
    """Where many units stand: "7 of 10 units done, 1 failed, 2 running, 1 min left"."""
    parts = [f"{standing.done} of {standing.total} units done"]
    parts += [f"{standing.failed} failed"] if standing.failed else []
    parts += [f"{len(standing.running)} running"] if standing.running else []
    parts += [f"{standing.waiting} waiting"] if standing.waiting else []
    if standing.left is not None and (standing.running or standing.waiting):
        parts.append(f"about {duration(standing.left)} left")
    return ", ".join(parts)


class Bars:
    """A `gpteval.progress.Progress` for people who watch."""

    def __init__(self) -> None:
        """Draws on stderr."""
        self.console = Console(stderr=True)
        self._bar = self._drawn()
        self._task = bars.TaskID(0)
        self._began, self._earlier = 0.0, 0
        self._live: Live | None = None
        self.whole = Whole()

    def units(self, standing: Standing, *, over: bool = False) -> None:
        """One screen: a line for all of them, and one for each that is under way."""
        if self._live is None:
            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()
        lines = [standing_line(standing)]
        lines += [
            f"  {unit.name} · {unit.where} · {duration(unit.seconds)}" for unit in standing.running
        ]
        self._live.update(Text("\n".join(map(printable, lines))), refresh=True)
        if over:
            self._live.stop()
            self._live = None

    def begun(self) -> None:
        """Remember it."""
        self.whole.begun = True

    def _drawn(self) -> bars.Progress:
        """A fresh display: one that is started again would draw its finished bars again."""
        return bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(bar_width=24),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[rate]}", markup=False),
            bars.TextColumn("{task.fields[left]}", markup=False, style="progress.remaining"),
            bars.TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
        )

    def part(self, number: int, sizes: Sequence[float], noun: str = "task") -> None:
        """Remember which."""
        self.whole.part(number, sizes, noun)

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Start a bar."""
        self._began, self._earlier = time.monotonic(), done
        self.whole.phase(done / total if total else 0.0)
        self._bar = self._drawn()
        note = self.whole.told()
        self._task = self._bar.add_task(
            printable(what), total=total, completed=done, rate="", left="", note=note
        )
        self._bar.start()

    def advance(self, steps: int, note: str = "") -> None:
        """Move it on."""
        self._bar.advance(self._task, steps)
        task = self._bar.tasks[-1]
        done, spent = task.completed - self._earlier, time.monotonic() - self._began
        self.whole.at(task.percentage / 100)
        left = f"{duration(spent / done * (task.remaining or 0))} left" if done else ""
        notes = ", ".join(filter(None, (self.whole.told(), printable(note))))
        rate = f"{done / max(spent, 1e-9):.1f}/s"
        self._bar.update(self._task, note=notes, rate=rate, left=left)

    def end(self) -> None:
        """Leave the finished bar on the screen."""
        self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(printable(line), highlight=False, markup=False, emoji=False)


class Lines:
    """The same without a terminal: plain lines, not too many."""

    def __init__(self) -> None:
        """Prints on stderr."""
        self._what, self._total, self._done, self._earlier = "", 0, 0, 0
        self._began = self._last = 0.0
        self._told = (0, 0)
        self.whole = Whole()

    def units(self, standing: Standing, *, over: bool = False) -> None:
        """A line when units ended and the last is long ago, and one at the end."""
        ended, now = (standing.done, standing.failed), time.monotonic()
        if over or (ended != self._told and now - self._last >= QUIET_SECONDS):
            self._told, self._last = ended, now
            at = ", ".join(f"{unit.name} ({unit.where})" for unit in standing.running)
            self.say(f"{standing_line(standing)}{f'; running: {at}' if at else ''}")

    def begun(self) -> None:
        """Remember it."""
        self.whole.begun = True

    def part(self, number: int, sizes: Sequence[float], noun: str = "task") -> None:
        """Remember which."""
        self.whole.part(number, sizes, noun)

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Remember what is under way."""
        self._what, self._total, self._done, self._earlier = what, total, done, done
        self._began = self._last = time.monotonic()
        self.whole.phase(done / total if total else 0.0)

    def advance(self, steps: int, note: str = "") -> None:
        """A line if the last is long ago."""
        self._done += steps
        self.whole.at(self._done / self._total if self._total else 0.0)
        now = time.monotonic()
        made = self._done - self._earlier
        if now - self._last < QUIET_SECONDS or not made:
            return
        self._last = now
        left = duration((now - self._began) / made * (self._total - self._done))
        notes = filter(None, (f"{left} left", self.whole.told(), note))
        self.say(f"{self._what}: {self._done}/{self._total}, {', '.join(notes)}")

    def end(self) -> None:
        """A line with the time it took."""
        self.say(f"{self._what}: done in {duration(time.monotonic() - self._began)}")

    def say(self, line: str) -> None:
        """Print the line."""
        output.log(line)


def listener() -> Bars | Lines:
    """Bars where a person watches, lines where a log does."""
    return Bars() if Console(stderr=True).is_terminal else Lines()
