"""Tables for a terminal and for Markdown, from columns that know how to give way.

Whatever a cell says is made fit to be shown here; no other module makes a table or a console.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, Literal, TypeVar

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console, RenderableType
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

from gpteval.text import latex, markdown, printable, spreadsheet

UNLIMITED = 1_000_000
"""Columns of text where there is no terminal: nothing gives way, nothing is wrapped."""

GAP = 2
"""Blanks between two columns."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column of a table.

    Attributes:
        heading: Its name.
        cell: What it says of a row.
        gives_way: How early it is left out where there is no room; 0: last.
        shortest: Width it may be cut to before a column is left out; 0: never cut, a number is not
            shown in part.
        justify, style: As in rich.
        colour: The style of one cell, from its text.
        bold: Whether a row's cell is set in bold.
    """

    heading: str
    cell: Callable[[Row], str]
    gives_way: int = 0
    shortest: int = 0
    justify: Literal["left", "right"] = "left"
    style: str = ""
    colour: Callable[[str], str] = lambda text: ""
    bold: Callable[[Row], bool] = lambda row: False

    @property
    def title(self) -> str:
        """Its name on a terminal."""
        return printable(self.heading)


class _Filled(Generic[Row]):
    """A column with what it shows of every row on a terminal.

    Attributes:
        width: Of the widest of its texts, until it is cut.
        needed: Width below which it is left out.
    """

    def __init__(self, column: Column[Row], rows: Sequence[Row]) -> None:
        self.column = column
        self.bold = [column.bold(row) for row in rows]
        self.texts = [printable(column.cell(row)) for row in rows]
        self.width = max(cell_len(text) for text in (column.title, *self.texts))
        self.needed = min(self.width, column.shortest or UNLIMITED)

    def segment(self, text: str, style: str) -> Segment:
        """A text as wide as the column, cut where it is longer."""
        size = cell_len(text)
        if size > self.width:
            text, size = f"{set_cell_size(text, self.width - 1)}…", self.width
        blank = " " * (self.width - size)
        padded = text + blank if self.column.justify == "left" else blank + text
        return Segment(padded, Style.parse(style) if style else None)

    def heading(self) -> Segment:
        """Its name."""
        return self.segment(self.column.title, f"bold {self.column.style}")

    def cell(self, place: int) -> Segment:
        """What it shows of a row."""
        text = self.texts[place]
        style = f"{self.column.style} {self.column.colour(text)} {'bold' * self.bold[place]}"
        return self.segment(text, " ".join(style.split()))


def page(table: RenderableType, width: int = UNLIMITED) -> str:
    """A table as a file has it: plain, by default of any width."""
    text = io.StringIO()
    Console(file=text, width=width).print(table, highlight=False)
    return text.getvalue()


def fitted_table(
    rows: Sequence[Row],
    columns: Sequence[Column[Row]],
    width: int,
    whole: str = "`--json` shows all",
    ends: Callable[[Row, Row], bool] = lambda row, following: False,
) -> Iterator[RenderableType]:
    """The table in as many columns as fit in `width`, and which ones do not: `whole` has them."""
    table, left_out = terminal_table(rows, columns, width, ends)
    yield table
    if left_out:
        yield Text(f"no room for {', '.join(left_out)}: {whole}", style="dim")


def terminal_table(
    rows: Sequence[Row],
    columns: Sequence[Column[Row]],
    width: int,
    ends: Callable[[Row, Row], bool] = lambda row, following: False,
) -> tuple[Segments, list[str]]:
    """A table of at most `width`, where columns are cut and the least important left out.

    It is laid out here: rich's own takes a millisecond for a row.

    Args:
        rows: At least one.
        columns: All there are.
        width: Of the terminal.
        ends: Whether a section ends between two rows: a blank line stands there.

    Returns:
        The table, and the names of the columns that are not in it.
    """
    filled = [_Filled(column, rows) for column in columns]
    kept = _fitting(filled, width)
    for own in kept:
        own.width -= max(0, min(_together(kept) - width, own.width - own.needed))
    rule, blank = ([Segment(mark * _together(kept)), Segment.line()] for mark in "─ ")
    lines = [_line(own.heading() for own in kept), rule]
    for place in range(len(rows)):
        lines.append(_line(own.cell(place) for own in kept))
        if place + 1 < len(rows) and ends(rows[place], rows[place + 1]):
            lines.append(blank)
    return Segments(chain.from_iterable(lines)), [c.column.title for c in filled if c not in kept]


def _line(cells: Iterable[Segment]) -> list[Segment]:
    """Cells with the gaps between them."""
    apart = [part for cell in cells for part in (Segment(" " * GAP), cell)]
    return [*apart[1:], Segment.line()]


def _together(columns: Sequence[_Filled[Row]]) -> int:
    """Width of some columns beside each other."""
    return sum(own.width + GAP for own in columns) - GAP


def _fitting(filled: Sequence[_Filled[Row]], width: int) -> list[_Filled[Row]]:
    """The columns left when the least important have given way to fit in `width`."""
    kept = list(filled)
    while len(kept) > 1 and sum(own.needed + GAP for own in kept) - GAP > width:
        kept.remove(max(kept, key=lambda own: own.column.gives_way))
    if len(kept) == 1:
        kept[0].needed = min(kept[0].needed, width)
    return kept


def listing(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()
) -> Table:
    """A table of texts that are wrapped where there is no room.

    Args:
        headings: Of the columns; all empty: none are shown.
        rows: What the cells say; a line break in one stays.
        right: Headings of numbers.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=any(headings))
    for heading in headings:
        numeric = heading in right
        table.add_column(Text(heading), justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        table.add_row(*(Text("\n".join(map(printable, text.split("\n")))) for text in row))
    return table


def csv_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """JSON values as a CSV file, a column for every number and text in them."""
    lines = [dict(_flat("", row)) for row in rows]
    text = io.StringIO()
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: spreadsheet(value) for name, value in row.items()} for row in lines)
    return text.getvalue()


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What a value holds by its path: baselines.random, interval.1."""
    if isinstance(value, Mapping | list | tuple):
        parts = value.items() if isinstance(value, Mapping) else enumerate(value, start=1)
        for part, inner in parts:
            yield from _flat(f"{name}.{printable(part)}".removeprefix("."), inner)
    else:
        yield name, value


def generated(command: str) -> str:
    """The line of a Markdown page that says which command makes it again."""
    return f"Generated by `{printable(command).replace('`', '')}`; do not edit."


def markdown_table(rows: Iterable[Row], columns: Sequence[Column[Row]]) -> list[str]:
    """The lines of a Markdown table."""
    return [
        _markdown_line(markdown(c.heading) for c in columns),
        _markdown_line("---:" if c.justify == "right" else "---" for c in columns),
        *(_markdown_line(_markdown_cell(c, row) for c in columns) for row in rows),
    ]


def _markdown_cell(column: Column[Row], row: Row) -> str:
    text = markdown(column.cell(row))
    return f"**{text}**" if column.bold(row) else text


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def latex_table(
    rows: Iterable[Row], columns: Sequence[Column[Row]], notes: Iterable[str] = ()
) -> str:
    """A LaTeX table that may run over several pages, `notes` as comments before it."""
    comments = [
        "needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs, longtable}",
        *map(printable, notes),
    ]
    places = "".join("r" if c.justify == "right" else "l" for c in columns)
    lines = [
        *(f"% {text}" for text in comments),
        f"\\begin{{longtable}}{{@{{}}{places}@{{}}}}",
        "\\toprule",
        _latex_line(latex(c.heading) for c in columns),
        "\\midrule",
        "\\endhead",
        *(_latex_line(_latex_cell(c, row) for c in columns) for row in rows),
        "\\bottomrule",
        "\\end{longtable}",
    ]
    return "\n".join(lines) + "\n"


def _latex_cell(column: Column[Row], row: Row) -> str:
    text = latex(column.cell(row))
    return f"\\textbf{{{text}}}" if column.bold(row) else text


def _latex_line(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"
