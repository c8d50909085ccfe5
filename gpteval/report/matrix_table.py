"""The matrix as a table: for a terminal, Markdown, LaTeX, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from gpteval.plugins import registry
from gpteval.report.matrix import Cell, Line, Matrix
from gpteval.report.standings import base_split
from gpteval.report.table import Column, latex_table, markdown_table, terminal_table
from gpteval.results.entrants import Entrant
from gpteval.score.heuristics import title
from gpteval.text import markdown as escaped
from gpteval.text import printable

SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
NONE = "–"
"""A suite's mean where an entrant lacks a member."""

SHORTEST = 12
"""Width to which the names of lines may be cut on a terminal."""

Entry = tuple[str, bool]
"""What a cell says, and whether it is the best."""


class MatrixTable:
    """The matrix, to print on a rich console of any width."""

    def __init__(self, matrix: Matrix, *, transposed: bool = False) -> None:
        self.matrix, self.transposed = matrix, transposed

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The table, with intervals where there is room, and what its marks mean."""
        letters = [_letters(number) for number in range(len(self.matrix.names))]
        for bounds in (True, False):
            rows, columns = _columns(
                self.matrix, letters, bounds=bounds, transposed=self.transposed, plain=True
            )
            table, left_out = terminal_table(rows, columns, options.max_width)
            if not left_out:
                break
        yield table
        yield Text()
        for letter, name in zip(letters, self.matrix.names.values(), strict=True):
            yield Text(printable(f"{letter}: {name}"))
        for line in legend(self.matrix, best="*"):
            yield Text(printable(line), style="dim")
        if not bounds:
            room = "; ".join(filter(None, ["the intervals", ", ".join(left_out)]))
            yield Text(f"no room for {room}: `--format markdown` shows all", style="dim")


def markdown(matrix: Matrix, *, transposed: bool = False) -> str:
    """The table in Markdown, and what its marks mean."""
    rows, columns = _columns(matrix, list(matrix.names.values()), transposed=transposed)
    notes = [f"- {escaped(line)}" for line in legend(matrix, best="bold")]
    return "\n".join([*markdown_table(rows, columns), "", *notes]) + "\n"


def latex(matrix: Matrix, *, transposed: bool = False) -> str:
    """The table for a LaTeX document, and what its marks mean as comments."""
    rows, columns = _columns(matrix, list(matrix.names.values()), transposed=transposed)
    return latex_table(rows, columns, legend(matrix, best="bold"))


def json_rows(matrix: Matrix) -> list[dict[str, Any]]:
    """A JSON value for every task, scores and differences in percent and not rounded."""
    return [
        {
            "task": line.task,
            "metric": line.metric,
            "split": line.split,
            "n": line.n,
            "majority": line.constant,
            "paper": line.paper and line.paper.score,
            "paper_split": line.paper and line.paper.split,
            "entrants": {
                name: _values(line.cells[entrant])
                for entrant, name in matrix.names.items()
                if entrant in line.cells
            },
        }
        for line in matrix.lines
    ]


def _values(cell: Cell) -> dict[str, Any]:
    values: dict[str, Any] = {
        "score": cell.row.score,
        "interval": cell.row.interval,
        "seeds": len(cell.row.scores),
        "n": cell.row.n,
        "best": cell.best,
        "marks": [mark.name for mark in cell.row.marks],
    }
    if cell.against:
        difference = cell.against.difference
        values["against"] = {
            "difference": 100 * difference.value,
            "interval": [100 * bound for bound in difference.interval()],
            "p": difference.p,
            "adjusted": cell.against.adjusted,
        }
    return values


def legend(matrix: Matrix, best: str) -> list[str]:
    """What the marks mean, a line each; `best`: how the best is set."""
    lines = [
        f"{best}: the best of the task, where it is above the best constant answer; in brackets: "
        "95 % interval over the examples, where they support one"
    ]
    if matrix.reference or matrix.chained:
        whom = matrix.names[matrix.reference] if matrix.reference else "the one before it there"
        seeds = "; of a model fine-tuned with one seed, another may differ by more"
        lines.append(
            f"▲ ▼: above, below {whom} on the same examples: paired test, p ≤ 0.05, corrected for "
            "the number of tasks (Holm)" + seeds * matrix.one_seed
        )
    lines += [
        f"{superscript(number)} {name}: {text}"
        for number, (name, text) in enumerate(matrix.notes, start=1)
    ]
    return [*lines, *matrix.remarks]


def superscript(number: int) -> str:
    """The mark of a note."""
    return str(number).translate(SUPERSCRIPT)


def headings(line: Line) -> tuple[str, str]:
    """What a line is called: its task; metric, split and number of examples."""
    titles = {name: entry.title for name, entry in registry().metrics().items()}
    return line.task, f"{title(line.metric, titles)}, {line.split.replace('_', ' ')} {line.n}"


def paper_text(line: Line) -> str:
    """GPT-1's figure, with its split where that is another."""
    if not line.paper:
        return ""
    score = f"{line.paper.score:.2f}".removesuffix("0")
    same = line.paper.split == line.split
    return score if same else f"{score} ({base_split(line.paper.split)})"


def constant_text(line: Line) -> str:
    """The score of the best constant answer."""
    return "" if line.constant is None else f"{line.constant:.1f}"


def marks_text(cell: Cell) -> str:
    """Numbers of the notes of a cell."""
    return ",".join(map(superscript, cell.notes))


def _entry(line: Line, entrant: Entrant, *, bounds: bool, plain: bool) -> Entry:
    cell = line.cells.get(entrant)
    if cell is None:
        return NONE if line.suite else "", False
    score = f"{cell.row.score:.1f}{'*' * (plain and cell.best)}"
    parts = [score, cell.interval if bounds else "", f"{cell.sign}{marks_text(cell)}"]
    return " ".join(filter(None, parts)), cell.best


def _columns(
    matrix: Matrix,
    names: Sequence[str],
    *,
    bounds: bool = True,
    transposed: bool = False,
    plain: bool = False,
) -> tuple[list[tuple[Entry, ...]], list[Column[tuple[Entry, ...]]]]:
    """The rows of the table, and its columns.

    Args:
        matrix: What to show.
        names: What stands for the entrants.
        bounds: Whether intervals are shown.
        transposed: Whether entrants stand down and tasks across.
        plain: Whether the best has an asterisk, for where nothing is bold.
    """
    texts = ["task", "metric, split", "best constant", *names, "GPT-1"]
    grid: list[tuple[Entry, ...]] = [tuple((text, False) for text in texts)]
    for line in matrix.lines:
        cells = [_entry(line, entrant, bounds=bounds, plain=plain) for entrant in matrix.names]
        beside = [*headings(line), constant_text(line)]
        grid.append((*((text, False) for text in beside), *cells, (paper_text(line), False)))
    kept = [column for column in zip(*grid, strict=True) if any(text for text, _ in column[1:])]
    if transposed:
        first, second, *others = kept
        tasks = [(f"{a} {b}", False) for (a, _), (b, _) in zip(first, second, strict=True)]
        top, *rows = [tuple(tasks), *others]
        top = (("entrant", False), *top[1:])
    else:
        top, *rows = zip(*kept, strict=True)
    head = 1 if transposed else 2
    columns: list[Column[tuple[Entry, ...]]] = [
        Column(
            heading,
            partial(_text, place),
            place if place >= head else 0,
            SHORTEST if place == head - 1 else 0,
            justify="left" if place < head else "right",
            style="bold" if place == 0 else "",
            bold=partial(_bold, place),
        )
        for place, (heading, _) in enumerate(top)
    ]
    return rows, columns


def _text(place: int, row: tuple[Entry, ...]) -> str:
    return row[place][0]


def _bold(place: int, row: tuple[Entry, ...]) -> bool:
    return row[place][1]


def _letters(number: int) -> str:
    """A letter, or two: A to Z, AA, AB and so on."""
    before, last = divmod(number, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + last)
