"""Tables for a terminal and for Markdown, from columns that know how to give way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 200
"""Columns of text where there is no terminal: nothing gives way."""

GAP = 2
"""Blanks between two columns."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column of a table.

    Attributes:
        heading: Its name.
        cell: What it shows of a row.
        gives_way: How early it is left out where there is no room; 0: never.
        shortest: Width it may be cut to before a column is left out; 0: never cut.
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

    def width(self, rows: Iterable[Row]) -> int:
        """Of its widest cell."""
        return max(cell_len(self.heading), *(cell_len(self.cell(row)) for row in rows))


def stdout_console() -> Console:
    """A console as wide as the terminal, or as `COLUMNS` says; `WIDE` where there is neither."""
    sized = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if sized else WIDE)


def fitting_columns(
    rows: Sequence[Row], columns: Sequence[Column[Row]], width: int
) -> list[Column[Row]]:
    """The columns left when the least important have given way to fit in `width`."""
    kept = list(columns)
    while sum(min(c.width(rows), c.shortest or WIDE) + GAP for c in kept) - GAP > width:
        least = max(kept, key=lambda column: column.gives_way)
        if not least.gives_way:
            break
        kept.remove(least)
    return kept


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
            column.heading,
            justify=column.justify,
            style=column.style,
            width=natural - cut,
            no_wrap=True,
            overflow="ellipsis",
        )
    for place, row in enumerate(rows):
        cells = [(column, column.cell(row)) for column in columns]
        section = place + 1 < len(rows) and ends(row, rows[place + 1])
        texts = (Text(text, style=column.colour(text)) for column, text in cells)
        table.add_row(*texts, end_section=section)
    return table


def markdown_table(rows: Iterable[Row], columns: Sequence[Column[Row]]) -> list[str]:
    """The lines of a Markdown table."""
    return [
        _markdown_line(c.heading for c in columns),
        _markdown_line("---:" if c.justify == "right" else "---" for c in columns),
        *(_markdown_line(c.cell(row) for c in columns) for row in rows),
    ]


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
