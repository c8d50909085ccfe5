"""One HTML page of a results directory: a single file, no network, plain tables without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval.data.rows import Origin, origin
from gpteval.errors import DataError
from gpteval.records import Result
from gpteval.report import costs, leaderboard, matrix_table, plots
from gpteval.report.comparison import interval, p_value, signed
from gpteval.report.footnotes import footnotes
from gpteval.report.matrix import ABOVE, Cell, Matrix, row_key
from gpteval.report.page_examples import examples
from gpteval.report.sections import charts, parts
from gpteval.report.sections import plots as score_plots
from gpteval.report.standings import standings
from gpteval.report.table import Column, Row
from gpteval.report.templates import rendered
from gpteval.results.pairing import Measurement, measurements
from gpteval.studies.browse import texts

if TYPE_CHECKING:
    from gpteval.results.store import ResultStore
    from gpteval.task import Example


@dataclass(frozen=True, slots=True)
class HtmlTable:
    """A table as a template reads it.

    Attributes:
        caption: What it shows.
        headings: Names, and whether their cells are numbers.
        rows: Text of every cell, and whether it is bold.
    """

    caption: str
    headings: list[tuple[str, bool]]
    rows: list[list[tuple[str, bool]]]


def page(
    results: Sequence[Result],
    store: ResultStore,
    matrix: Matrix,
    command: str,
    *,
    all_splits: bool = False,
    data_dir: Sequence[Path] = (),
) -> str:
    """The whole page.

    Args:
        results: As they were written.
        store: Their directory: of the predictions, and of points of curves below it.
        matrix: What stands first.
        command: What makes the page again.
        all_splits: Show every scored split, not only a run's last.
        data_dir: Where the texts of examples are; those of the bundled samples are always there.

    Raises:
        ResultError: A file of points is damaged.
    """
    rows = standings(results, all_splits=all_splits)
    spent = costs.costs(results)
    spent_columns = [c for c in costs.COLUMNS if any(c.cell(row) for row in spent)]
    groups: dict[Any, list[Result]] = {}
    for result in results:
        groups.setdefault(row_key(result), []).append(result)
    facts = {
        "directory": store.directory.name or str(store.directory),
        "command": command,
        "count": len(results),
        "matrix": matrix,
        "legend": matrix_table.legend(matrix, best="bold"),
        "plots": score_plots(matrix),
        "every": _table(
            "Scores in percent, beside the paper's", rows, leaderboard.page_columns(rows)
        ),
        "notes": footnotes(rows),
        "parts": [_table(own.title, own.rows, own.columns) for own in parts(matrix, rows)],
        "charts": charts(store.directory),
        "costs": _table("What results took, medians over their seeds", spent, spent_columns),
        "cost_notes": costs.LEGEND,
        "examples": examples(
            matrix,
            lambda cell: measurements(store, groups[row_key(cell.row.result)])[0],
            lambda measurement: _texts(measurement, data_dir),
        ),
        "plot": plots,
    }
    filters: dict[str, Callable[..., Any]] = {
        "against": _against,
        "constant": matrix_table.constant_text,
        "headings": matrix_table.headings,
        "marks": matrix_table.marks_text,
        "paper": matrix_table.paper_text,
    }
    return rendered("page.html", facts, filters)


def _texts(measurement: Measurement, data_dir: Sequence[Path]) -> dict[str, Example]:
    """Of the bundled samples, or of a directory that was named: nothing is asked of the hub."""
    if measurement.origin == "sample":
        return texts(measurement, Origin("sample"))
    if not data_dir:
        raise DataError("name their data set with --data-dir")
    return texts(measurement, origin(data_dir))


def _table(caption: str, rows: Iterable[Row], columns: Sequence[Column[Row]]) -> HtmlTable:
    cells = [[(column.cell(row), column.bold(row)) for column in columns] for row in rows]
    return HtmlTable(caption, [(c.heading, c.justify == "right") for c in columns], cells)


def _against(cell: Cell) -> str:
    """In words how a score differs from the reference's; "" where it is not compared."""
    if cell.against is None or cell.against.adjusted is None:
        return ""
    found = cell.against.difference
    word = {"": "no clear difference", ABOVE: "above"}.get(cell.sign, "below")
    p = p_value(cell.against.adjusted)
    return f"{word}: {signed(found.value)} {interval(found)}, corrected p {p}"
