"""Tables for a terminal and for Markdown, from columns that know how to give way.

Whatever a cell says is made fit to be shown here; no other module makes a table or a console.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from gpteval.text import markdown, printable, spreadsheet

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
    """

    heading: str
    cell: Callable[[Row], str]
    gives_way: int = 0
    shortest: int = 0
    justify: Literal["left", "right"] = "left"
    style: str = ""
    colour: Callable[[str], str] = lambda text: ""

    def text(self, row: Row) -> str:
        """What it shows of a row on a terminal."""
        return printable(self.cell(row))

    @property
    def title(self) -> str:
        """Its name on a terminal."""
        return printable(self.heading)

    def width(self, rows: Iterable[Row]) -> int:
        """Of its widest cell."""
        return max(cell_len(self.title), *(cell_len(self.text(row)) for row in rows))


def stdout_console() -> Console:
    """A console as wide as the terminal; unlimited where there is none."""
    return Console(width=None if sys.stdout.isatty() else UNLIMITED)


def page(table: RenderableType, width: int = UNLIMITED) -> str:
    """A table as a file has it: plain, by default of any width."""
    text = io.StringIO()
    Console(file=text, width=width).print(table, highlight=False)
    return text.getvalue()


def fitting_columns(
    rows: Sequence[Row], columns: Sequence[Column[Row]], width: int
) -> list[Column[Row]]:
    """The columns left when the least important have given way to fit in `width`."""
    kept = list(columns)
    widths = {id(c): min(c.width(rows), c.shortest or UNLIMITED) + GAP for c in columns}
    while len(kept) > 1 and sum(widths[id(c)] for c in kept) - GAP > width:
        kept.remove(max(kept, key=lambda column: column.gives_way))
    return kept


def fitted_table(
    rows: Sequence[Row],
    columns: Sequence[Column[Row]],
    width: int,
    whole: str = "`--json` shows all",
    ends: Callable[[Row, Row], bool] = lambda row, following: False,
) -> Iterator[RenderableType]:
    """The table in as many columns as fit in `width`, and which ones do not: `whole` has them."""
    kept = fitting_columns(rows, columns, width)
    yield terminal_table(rows, kept, width, ends)
    left_out = ", ".join(column.title for column in columns if column not in kept)
    if left_out:
        yield Text(f"no room for {left_out}: {whole}", style="dim")


def terminal_table(
    rows: Sequence[Row],
    columns: Sequence[Column[Row]],
    width: int,
    ends: Callable[[Row, Row], bool] = lambda row, following: False,
) -> Table:
    """A table of at most `width` where its columns can be cut; a line where a section `ends`."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    excess = sum(column.width(rows) + GAP for column in columns) - GAP - width
    for column in columns:
        natural = column.width(rows)
        cut = max(0, min(excess, natural - column.shortest)) if column.shortest else 0
        excess -= cut
        table.add_column(
            Text(column.title),
            justify=column.justify,
            style=column.style,
            width=natural - cut,
            no_wrap=True,
            overflow="ellipsis",
        )
    for place, row in enumerate(rows):
        cells = [(column, column.text(row)) for column in columns]
        section = place + 1 < len(rows) and ends(row, rows[place + 1])
        texts = (Text(text, style=column.colour(text)) for column, text in cells)
        table.add_row(*texts, end_section=section)
    return table


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


def markdown_table(rows: Iterable[Row], columns: Sequence[Column[Row]]) -> list[str]:
    """The lines of a Markdown table."""
    return [
        _markdown_line(markdown(c.heading) for c in columns),
        _markdown_line("---:" if c.justify == "right" else "---" for c in columns),
        *(_markdown_line(markdown(c.cell(row)) for c in columns) for row in rows),
    ]


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
