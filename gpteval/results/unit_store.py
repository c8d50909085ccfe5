"""The results directory as a worker sees it, who is one of many on any number of machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TypeVar

from gpteval.errors import ResultError
from gpteval.records import Prediction, Result
from gpteval.results.store import ResultStore, saving

TRIES = 20
"""Times that a file is written which another, at the same unit, takes away half-written."""

Written = TypeVar("Written")


class UnitStore(ResultStore):
    """A store that writes no file which others write: a file of results for each key.

    Its claims are locks where the file system has them, and only save work: where it has none, or
    they hold nobody back, two workers may compute the same unit, and leave it once.
    """

    def put(self, results: Sequence[tuple[Result | None, Result]]) -> None:
        """Put all results of one unit in place; raises as `ResultStore.put`."""
        made = [new for _, new in results]
        names = ", ".join(dict.fromkeys(result.task for result in made))
        with saving(f"{self._apart.folder}: the results of {names} are not saved"):
            _again(lambda: self._apart.write(made))
        self._clear(old for old, _ in results if old is not None)

    @contextmanager
    def claimed(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the claim to a unit, where the file system has locks."""
        with ExitStack() as held:
            with suppress(OSError):
                held.enter_context(super().claimed(key, waiting))
            yield

    def write_predictions(
        self, key: str, task: str, split: str, predictions: Iterable[Prediction]
    ) -> str:
        """As `ResultStore.write_predictions`."""
        made, write = list(predictions), super().write_predictions
        return _again(lambda: write(key, task, split, made))


def _again(write: Callable[[], Written]) -> Written:
    """What a write gives, made again where another worker took away the half that was there."""
    for _ in range(TRIES - 1):
        with suppress(FileNotFoundError):
            try:
                return write()
            except ResultError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    raise error.__cause__ from None
                raise
    return write()
