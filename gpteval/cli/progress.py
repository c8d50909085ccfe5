"""Progress on stderr: bars with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time

import rich.progress as bars
from rich.console import Console

QUIET_SECONDS = 10.0
"""Without a terminal, at most one line in this time."""


class Bars:
    """A `gpteval.progress.Progress` for people who watch."""

    def __init__(self) -> None:
        """Draws on stderr."""
        self.console = Console(stderr=True)
        self._bar = self._drawn()
        self._task = bars.TaskID(0)
        self._began, self._earlier = 0.0, 0

    def _drawn(self) -> bars.Progress:
        """A fresh display: one that is started again would draw its finished bars again."""
        return bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=24),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[rate]}"),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[note]}"),
            console=self.console,
        )

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Start a bar."""
        self._began, self._earlier = time.monotonic(), done
        self._bar = self._drawn()
        self._task = self._bar.add_task(what, total=total, completed=done, rate="", note="")
        self._bar.start()

    def advance(self, steps: int, note: str = "") -> None:
        """Move it on."""
        self._bar.advance(self._task, steps)
        done = self._bar.tasks[-1].completed - self._earlier
        rate = done / max(time.monotonic() - self._began, 1e-9)
        self._bar.update(self._task, note=note, rate=f"{rate:.1f}/s")

    def end(self) -> None:
        """Leave the finished bar on the screen."""
        self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, highlight=False)


class Lines:
    """The same without a terminal: plain lines, not too many."""

    def __init__(self) -> None:
        """Prints on stderr."""
        self.console = Console(stderr=True, width=120)
        self._what, self._total, self._done, self._earlier = "", 0, 0, 0
        self._began = self._last = 0.0

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Remember what is under way."""
        self._what, self._total, self._done, self._earlier = what, total, done, done
        self._began = self._last = time.monotonic()

    def advance(self, steps: int, note: str = "") -> None:
        """A line if the last is long ago."""
        self._done += steps
        now = time.monotonic()
        if now - self._last < QUIET_SECONDS:
            return
        self._last = now
        left = (now - self._began) / (self._done - self._earlier) * (self._total - self._done)
        self.say(f"{self._what}: {self._done}/{self._total}, {left:.0f} s left, {note}")

    def end(self) -> None:
        """A line with the time it took."""
        self.say(f"{self._what}: done in {time.monotonic() - self._began:.1f} s")

    def say(self, line: str) -> None:
        """Print the line."""
        self.console.print(line, highlight=False, markup=False)


def listener() -> Bars | Lines:
    """Bars where a person watches, lines where a log does."""
    return Bars() if Console(stderr=True).is_terminal else Lines()
