"""One tree of errors: every mistake a user can mend is a `GptevalError` of one line."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from gpteval.text import one_line


class GptevalError(Exception):
    """A mistake the user can mend. Its text is one line: what is wrong, what to do."""

    def __str__(self) -> str:
        """The line, fit to be printed whatever it quotes: it may be a damaged file."""
        return one_line(super().__str__())


class UnknownNameError(GptevalError):
    """A task, model, metric or recipe that nobody registered."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        """`kind` is the noun shown to the user, `known` the names that would have worked."""
        plain = {spelt.casefold().replace("-", ""): spelt for spelt in known}
        wanted = name.casefold().replace("-", "")  # people write SST-2 and STS-B
        close = [plain[near] for near in difflib.get_close_matches(wanted, plain, 1, 0.5)]
        suggestion = f"; did you mean {close[0]!r}?" if close else ""
        super().__init__(f"unknown {kind} {name!r}{suggestion}{' ' + hint if hint else ''}")


def refuse_unknown(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """Refuse the first of the names given that is none of the known ones.

    Raises:
        UnknownNameError: It is named, with the nearest known one.
    """
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known)


class ConfigError(GptevalError):
    """An option whose value can't be used, or options that exclude each other."""


class DataError(GptevalError):
    """A data set that is not there, or a row that is not what its layout says."""

    @classmethod
    def at(cls, path: object, line: int, problem: str) -> DataError:
        """One that points at a line: `file:line: problem`."""
        return cls(f"{path}:{line}: {problem}")


class ExampleError(DataError):
    """One example of a split that a model can't be given.

    Whoever knows the split tells where its row stands (`gpteval.data.examples.located`).

    Attributes:
        place: The example's place in the split, from 0.
    """

    def __init__(self, place: int, problem: str) -> None:
        """`problem` says what is wrong with it, and what to do."""
        super().__init__(problem)
        self.place = place


class CheckpointError(GptevalError):
    """A model directory or weight file that is missing, incomplete or misshapen."""


class PluginError(GptevalError):
    """A plug-in that can't be loaded, or two that register the same name."""


class ResultError(GptevalError):
    """A results directory that can't be read or written."""


class ScoreError(GptevalError):
    """Predictions that can't be scored: a score that is not a number, an answer nobody offered."""


class TrainingError(GptevalError):
    """A training that can't continue: a loss that is not a number, or nothing to train on."""
