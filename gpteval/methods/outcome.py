"""What comes of the tasks asked for: results, and those of a group that had to be left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from gpteval.data.raw import AbsentError
from gpteval.errors import DataError
from gpteval.methods.settings import Subject
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

    def join(self, other: Results) -> None:
        """Add what another measurement came to."""
        self += other
        self.left_out |= other.left_out
        self.skipped |= other.skipped


class Asked:
    """The tasks asked for: one that was named by itself must work, of a group what works."""

    def __init__(self, subject: Subject, progress: Progress) -> None:
        """`subject` names tasks and groups, and says whether rows may be missing."""
        self.named, self.progress = registry().named(subject.tasks), progress
        self.skip_missing = subject.skip_missing
        self._left_out: dict[str, str] = {}
        self._skipped: dict[str, str] = {}
        self._first: DataError | None = None

    @contextmanager
    def attempt(self, *tasks: Task) -> Iterator[None]:
        """Leave the tasks out if the block can't use their data, unless one was named by itself.

        Raises:
            DataError: One was, and its rows are there or must be.
        """
        try:
            yield
        except DataError as error:
            skips = self.skip_missing and isinstance(error, AbsentError)
            if not skips and any(task.name in self.named for task in tasks):
                raise
            self._first = self._first or error
            for task in tasks:
                (self._skipped if skips else self._left_out)[task.name] = str(error)
                self.progress.say(f"{task.name} is left out: {error}")

    def refuse_none(self, remaining: Sequence[object]) -> None:
        """Refuse to go on where nothing is left.

        Raises:
            DataError: The first reason.
        """
        if not remaining and self._first:
            raise self._first

    def results(self, results: Iterable[Result]) -> Results:
        """What came of all of them."""
        return Results(results, self._left_out, self._skipped)
