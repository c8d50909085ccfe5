"""Values that a notebook shows as a table, and that become a pandas frame in one call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

from gpteval.methods import outcome
from gpteval.report import matrix
from gpteval.report.standings import Row, standings

if TYPE_CHECKING:
    from pandas import DataFrame

Arguments = ParamSpec("Arguments")


class Shown(ABC):
    """What is shown as a table."""

    __slots__ = ()

    @abstractmethod
    def _json_rows(self) -> list[dict[str, Any]]:
        """A JSON value for every row."""

    @abstractmethod
    def _repr_markdown_(self) -> str:
        """The table, as Jupyter and its kin show it."""

    def to_pandas(self) -> DataFrame:
        """The rows as a frame; what is nested has columns of its own ("scores.accuracy")."""
        import pandas

        return pandas.json_normalize(self._json_rows())


class Results(outcome.Results, Shown):
    """Results as a list: shown as their leaderboard, in a frame one a row."""

    @classmethod
    def of(cls, results: outcome.Results) -> Results:
        """The same, to be shown."""
        return cls(results, results.left_out, results.skipped)

    def _json_rows(self) -> list[dict[str, Any]]:
        return [asdict(result) for result in self]

    def _repr_markdown_(self) -> str:
        return Board(standings(self))._repr_markdown_()


def shown(measure: Callable[Arguments, outcome.Results]) -> Callable[Arguments, Results]:
    """A function whose results are to be shown."""

    @wraps(measure)
    def measured(*arguments: Arguments.args, **settings: Arguments.kwargs) -> Results:
        return Results.of(measure(*arguments, **settings))

    return measured


class Board(list[Row], Shown):
    """The rows of a leaderboard, scores in percent."""

    def _json_rows(self) -> list[dict[str, Any]]:
        from gpteval.report.leaderboard import json_rows

        return json_rows(self)

    def _repr_markdown_(self) -> str:
        from gpteval.report.leaderboard import tables

        return tables(self)


class Matrix(matrix.Matrix, Shown):
    """Tasks and entrants; in a frame one task a row."""

    __slots__ = ()

    @classmethod
    def of(cls, found: matrix.Matrix) -> Matrix:
        """The same, to be shown."""
        return cls(*(getattr(found, field.name) for field in fields(found)))

    def _json_rows(self) -> list[dict[str, Any]]:
        from gpteval.report.matrix_table import json_rows

        return json_rows(self)

    def _repr_markdown_(self) -> str:
        from gpteval.report.matrix_table import markdown

        return markdown(self)
