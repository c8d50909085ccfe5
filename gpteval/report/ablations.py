"""The paper's table 5, ours beside it. Scores are in percent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from gpteval.plugins import registry
from gpteval.records import Result
from gpteval.report.footnotes import footnotes
from gpteval.report.standings import Row, standings
from gpteval.report.table import Column, fitted_table
from gpteval.text import printable


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        setup: Row of the paper's table.
        whose: "ours" or "GPT-1".
        average: Over the tasks shown; the printed one where they are the table's eight.
        scores: By task.
    """

    setup: str
    whose: str
    average: float
    scores: Mapping[str, float]


class AblationTable:
    """The table, to print on a rich console of any width."""

    def __init__(self, table: Mapping[str, Sequence[Result]]) -> None:
        """`found`: row of the table → its results."""
        self.rows = {setup: _rows(results) for setup, results in table.items()}

    def lines(self) -> list[Line]:
        """Ours and, except on samples, the paper's below it where it has any of the tasks."""
        lines = []
        for setup, rows in self.rows.items():
            scores = _by_task(rows)
            lines.append(Line(setup, "ours", fmean(scores.values()), scores))
            sample = any(row.result.data.origin == "sample" for row in rows)
            theirs = {} if sample else _paper(setup, scores)
            if theirs:
                average = _average(setup, theirs)
                lines.append(Line(setup, "GPT-1", average, theirs))
        return lines

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The table and what it is made of."""
        lines, every = self.lines(), [row for rows in self.rows.values() for row in rows]
        columns: list[Column[Line]] = [
            Column(
                "", lambda line: line.setup if line.whose == "ours" else "", 0, 10, style="bold"
            ),
            Column("", lambda line: line.whose, 1),
            Column("average", lambda line: f"{line.average:.1f}", 1, justify="right"),
            *(
                _column(task, place)
                for place, task in enumerate(dict.fromkeys(row.task for row in every), start=2)
            ),
        ]
        yield from fitted_table(lines, columns, options.max_width, ends=_ends)
        yield Text()
        if any(line.whose == "GPT-1" for line in lines):
            yield Text("GPT-1: P t.5, on GLUE's test splits; nothing is subtracted", "dim")
        yield Text("average: over the tasks that the line has; mnli: of both halves", "dim")
        for name, text in footnotes(every):
            if not name.startswith(("(", "GPT-1")):
                yield Text(printable(f"{name}: {text}"), "dim")

    def json_rows(self) -> list[dict[str, Any]]:
        """One value per row and task, scores not rounded."""
        return [
            {
                "setup": setup,
                "task": row.task,
                "metric": row.metric,
                "split": row.split,
                "n": row.n,
                "score": row.score,
                "seeds": len(row.scores),
                "interval": row.interval,
                "majority": row.majority,
                "paper": _paper(setup, {row.task: row.score}).get(row.task),
                "paper_split": "test",
                "paper_source": "P t.5",
                "marks": {mark.name: mark.detail for mark in row.marks},
                "key": row.result.key,
            }
            for setup, rows in self.rows.items()
            for row in rows
        ]


def _rows(results: Sequence[Result]) -> list[Row]:
    return [row for row in standings(results) if row.headline and not row.suite]


def _by_task(rows: Sequence[Row]) -> dict[str, float]:
    """The mean of a task's halves, as table 5 has it for MNLI."""
    halves: dict[str, list[float]] = {}
    for row in rows:
        halves.setdefault(row.task, []).append(row.score)
    return {task: fmean(scores) for task, scores in halves.items()}


def _published(setup: str) -> Mapping[str, float]:
    """The published row of that setup: by task, and its average under "" as printed."""
    tables = (suite.table for suite in registry().suites().values())
    return next((table[setup] for table in tables if setup in table), {})


def _paper(setup: str, ours: Mapping[str, float]) -> dict[str, float]:
    """The paper's scores of the tasks that we have."""
    theirs = _published(setup)
    return {task: theirs[task] for task in ours if task in theirs}


def _average(setup: str, scores: Mapping[str, float]) -> float:
    """The printed mean where the tasks are those it is of, else the mean of these."""
    printed = _published(setup)
    return printed[""] if {"", *scores} == set(printed) else fmean(scores.values())


def _column(task: str, gives_way: int) -> Column[Line]:
    def cell(line: Line) -> str:
        return f"{line.scores[task]:.1f}" if task in line.scores else ""

    return Column(task, cell, gives_way, justify="right")


def _ends(line: Line, following: Line) -> bool:
    return line.setup != following.setup
