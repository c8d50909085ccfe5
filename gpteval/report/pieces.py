"""What the settings of a recipe are worth, as a table. Scores are in percent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from gpteval.plugins import registry
from gpteval.report.comparison import (
    difference_values,
    found_size,
    interval,
    p_value,
    percent,
    signed,
)
from gpteval.report.table import Column, terminal_table
from gpteval.score.heuristics import title
from gpteval.studies.ablate import Piece

LEGEND = {
    "without": "the recipe with this one setting as the paper's; in the paper's row, with all",
    "worth": "the whole recipe less that, on the same examples, with its 95 % interval",
    "p(adj)": "of no difference, corrected for all rows (Holm)",
    "MDE": "the true worth that would be found in four of five cases; –: none",
}


class PiecesTable:
    """The table, to print on a rich console of any width."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The table and what it means."""
        if self.pieces:
            yield terminal_table(self.pieces, _columns(), options.max_width, _ends)[0]
        for name, text in LEGEND.items():
            yield Text(f"{name}: {text}", style="dim")
        if any(piece.row.seeds_unknown for piece in self.pieces):
            yield Text("one run of each: what other seeds would do is not known (--seeds 3)", "dim")


def json_rows(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """A value per piece and task, scores as fractions."""
    return [
        {
            "piece": piece.name,
            "value": piece.value,
            "task": piece.row.task,
            "split": piece.row.split,
            "metric": piece.row.metric,
            "seeds": [len(piece.row.first.scores), len(piece.row.second.scores)],
            **difference_values(piece.row.difference),
            "adjusted": piece.row.adjusted,
        }
        for piece in pieces
    ]


def _columns() -> list[Column[Piece]]:
    titles = {name: entry.title for name, entry in registry().metrics().items()}
    return [
        Column("piece", lambda p: p.name if p.value is None else f"{p.name} {p.value}", 0, 8,
               style="bold"),
        Column("task", lambda p: p.row.task),
        Column("metric", lambda p: title(p.row.metric, titles), 3),
        Column("split", lambda p: p.row.split, 4),
        Column("n", lambda p: f"{p.row.difference.n:,}", 5, justify="right"),
        Column("without", lambda p: percent(p.row.difference.first), justify="right"),
        Column("whole", lambda p: percent(p.row.difference.second), justify="right"),
        Column("worth", lambda p: signed(p.row.difference.value), justify="right", style="bold"),
        Column("95 %", lambda p: interval(p.row.difference), justify="right"),
        Column("p(adj)", lambda p: p_value(p.row.adjusted or 0.0), 2, justify="right"),
        Column("MDE", lambda p: found_size(p.row.difference.detectable()), 3, justify="right"),
    ]  # fmt: skip


def _ends(piece: Piece, following: Piece) -> bool:
    return piece.name != following.name
