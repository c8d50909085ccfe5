"""What comes of the tasks asked for: results, and those of a group that had to be left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager

from gpteval.errors import DataError
from gpteval.naming import by_itself
from gpteval.progress import Progress
from gpteval.records import Result
from gpteval.task import Task


class Results(list[Result]):
    """Results, and the tasks that were asked for as part of a group and could not be measured.

    Attributes:
        left_out: Task → reason, with task, split, file and line.
    """

    def __init__(self, results: Iterable[Result], left_out: Mapping[str, str]) -> None:
        super().__init__(results)
        self.left_out = dict(left_out)


class Asked:
    """The tasks asked for: one that was named by itself must work, of a group what works.

    Attributes:
        left_out: Task → reason.
    """

    def __init__(
        self, names: Sequence[str], progress: Progress, lacks: str = "is left out"
    ) -> None:
        """Nothing was attempted yet.

        Args:
            names: As the user gave them: tasks, package/names, groups.
            progress: Told of every task that is left out.
            lacks: What is said of such a task, before the reason.
        """
        self.names, self.progress, self._lacks = frozenset(names), progress, lacks
        self.left_out: dict[str, str] = {}
        self._first: DataError | None = None

    @contextmanager
    def attempt(self, *tasks: Task) -> Iterator[None]:
        """Leave the tasks out if the block can't use their data, unless one was named by itself.

        Raises:
            DataError: One was.
        """
        try:
            yield
        except DataError as error:
            if by_itself(self.names, *tasks):
                raise
            self._first = self._first or error
            for task in tasks:
                reason = str(error).removeprefix(f"{task.name}: ")
                self.left_out[task.name] = reason
                self.progress.say(f"{task.name} {self._lacks}: {reason}")

    def refuse_none(self, remaining: Sized) -> None:
        """Refuse to go on where nothing is left.

        Raises:
            DataError: The first reason.
        """
        if not remaining and self._first:
            raise self._first
