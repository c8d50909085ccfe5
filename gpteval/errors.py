"""One tree of errors: every mistake a user can mend is a `GptevalError` of one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

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
        close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
        suggestion = f"; did you mean {close[0]!r}?" if close else ""
        super().__init__(f"unknown {kind} {name!r}{suggestion}{' ' + hint if hint else ''}")


class ConfigError(GptevalError):
    """An option whose value can't be used, or options that exclude each other."""


class DataError(GptevalError):
    """A data set that is not there, or a row that is not what its layout says."""

    @classmethod
    def at(cls, path: object, line: int, problem: str) -> DataError:
        """One that points at a line: `file:line: problem`."""
        return cls(f"{path}:{line}: {problem}")


class CheckpointError(GptevalError):
    """A model directory or weight file that is missing, incomplete or misshapen."""


class PluginError(GptevalError):
    """A plug-in that can't be loaded, or two that register the same name."""


class ResultError(GptevalError):
    """A results directory that can't be read or written."""


class TrainingError(GptevalError):
    """A run that can't go on: a loss that is not a number, or nothing to train on."""
