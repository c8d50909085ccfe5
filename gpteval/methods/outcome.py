"""What comes of the tasks asked for: results, and those of a group that had to be left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager

from gpteval.data.raw import AbsentError
from gpteval.errors import DataError, GptevalError, PluginError
from gpteval.plugins import registry
from gpteval.progress import Progress
from gpteval.records import Result
from gpteval.task import Task


class Results(list[Result]):
    """Results, and the tasks that were asked for and could not be measured.

    Attributes:
        left_out: Task of a group → reason, with task, split, file and line.
        skipped: Task whose rows are not there, with `skip_missing` → what is missing.
    """

    def __init__(
        self,
        results: Iterable[Result] = (),
        left_out: Mapping[str, str] | None = None,
        skipped: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(results)
        self.left_out, self.skipped = dict(left_out or {}), dict(skipped or {})

    @classmethod
    def joined(cls, parts: Iterable[Results]) -> Results:
        """All of what several measurements came to."""
        everything = cls()
        for part in parts:
            everything.join(part)
        return everything

    def join(self, other: Results) -> None:
        """Add what another measurement came to."""
        self += other
        self.left_out |= other.left_out
        self.skipped |= other.skipped


class Asked:
    """The tasks asked for: one that was named by itself must work, of a group what works.

    Attributes:
        left_out: Task of a group → reason.
        skipped: Task whose rows are not there and may be missing → reason.
    """

    def __init__(
        self,
        names: Iterable[str],
        progress: Progress,
        *,
        skip_missing: bool = False,
        lacks: str = "is left out",
    ) -> None:
        """Nothing was attempted yet.

        Args:
            names: As the user gave them: tasks, package/names, groups, patterns.
            progress: Told of every task that is left out.
            skip_missing: Whether rows may be missing of a task that was named by itself.
            lacks: What is said of a task that is left out, before the reason.
        """
        self._named, self.progress = registry().named(names), progress
        self._skip_missing, self._lacks = skip_missing, lacks
        self.left_out: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self._first: GptevalError | None = None

    @contextmanager
    def attempt(self, *tasks: Task) -> Iterator[None]:
        """Leave the tasks out if the block can't use them, unless one was named by itself.

        Raises:
            DataError: One was, and its rows are there or must be.
            PluginError: One was, and what a plug-in brings for it fails.
        """
        try:
            yield
        except (DataError, PluginError) as error:
            skips = self._skip_missing and isinstance(error, AbsentError)
            if not skips and self.by_itself(*tasks):
                raise
            self._first = self._first or error
            for task in tasks:
                reason = str(error).removeprefix(f"{task.name}: ")
                (self.skipped if skips else self.left_out)[task.name] = reason
                self.progress.say(f"{task.name} {self._lacks}: {reason}")

    def take(
        self, name: str, failed: str, left_out: Mapping[str, str], skipped: Mapping[str, str]
    ) -> None:
        """Leave out what a worker could not measure, which was told already.

        Args:
            name: Of the unit.
            failed: Why there is nothing of it; "" where there is.
            left_out: Tasks of it that could not be measured → reason.
            skipped: Those whose rows are not there and may be missing → reason.
        """
        reasons = {name: failed} if failed else dict(left_out)
        for reason in reasons.values():
            self._first = self._first or GptevalError(reason)
        self.left_out |= reasons
        self.skipped |= skipped

    def by_itself(self, *tasks: Task) -> bool:
        """Whether one of the tasks was named by itself, not only as one of a group."""
        return any(task.name in self._named for task in tasks)

    def refuse_none(self, remaining: Sized) -> None:
        """Refuse to go on where nothing is left.

        Raises:
            GptevalError: The first reason.
        """
        if not remaining and self._first:
            raise self._first

    def results(self, results: Iterable[Result]) -> Results:
        """What came of all of them."""
        return Results(results, self.left_out, self.skipped)
