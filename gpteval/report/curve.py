"""The picture of zero-shot scores along a pre-training (paper, figure 2 right)."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from gpteval.errors import ConfigError
from gpteval.report.table import Column, fitted_table
from gpteval.text import printable

if TYPE_CHECKING:
    from gpteval.studies.curve import Point

STYLES = ("-", "--", ":", "-.")
"""Of the runs, in order; the tasks have colours."""


class CurveTable:
    """Normalised scores, a row per checkpoint and a column per task, for a console of any width."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = points

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The table and what its numbers are."""
        scores = {(p.run, p.update, p.tokens, p.task): p.normalised for p in self.points}
        rows = list(dict.fromkeys(key[:3] for key in scores))
        columns: list[Column[tuple[str, int, int]]] = [
            Column("run", lambda row: row[0], 0, 10),
            Column("update", lambda row: f"{row[1]:,}", 1, justify="right"),
            Column("tokens", lambda row: f"{row[2]:,}", 2, justify="right"),
        ]
        for place, task in enumerate(dict.fromkeys(p.task for p in self.points), start=3):
            cell = partial(_score, scores, task)
            columns.append(Column(task, cell, place, justify="right"))
        yield from fitted_table(rows, columns, options.max_width)
        yield Text(printable(f"0: a random guess, 1: {self.points[0].of}"))


def _score(
    scores: Mapping[tuple[str, int, int, str], float], task: str, row: tuple[str, int, int]
) -> str:
    return f"{scores[*row, task]:.3f}"


def figure_class() -> type[Any]:
    """`Figure` of matplotlib.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            "the picture needs matplotlib, which is not installed: pip install 'gpteval[plots]', "
            "or leave it out with --no-picture"
        ) from None
    figure: type[Any] = Figure
    return figure


def picture(points: Sequence[Point]) -> bytes:
    """The figure as a PNG."""
    content = io.BytesIO()
    figure(points).savefig(content, format="png", dpi=150)
    return content.getvalue()


def figure(points: Sequence[Point]) -> Any:
    """Normalised score over updates, a colour per task, a line style per run.

    The bands are 95 % intervals over the examples.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    drawn = figure_class()(figsize=(7.5, 4.5), layout="constrained")
    axes = drawn.subplots()
    tasks = list(dict.fromkeys(point.task for point in points))
    runs = list(dict.fromkeys(point.run for point in points))
    for place, task in enumerate(tasks):
        for number, run in enumerate(runs):
            line = [point for point in points if (point.task, point.run) == (task, run)]
            label = task if number == 0 else None
            _line(axes, line, f"C{place}", STYLES[number % len(STYLES)], label)
    for level in (0, 1):
        axes.axhline(level, color="gray", linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_xlabel("pre-training updates")
    axes.set_ylabel(f"zero-shot score\n0: a random guess, 1: {points[0].of}")
    axes.spines[["top", "right"]].set_visible(False)
    if len(runs) > 1:
        for number, run in enumerate(runs):
            axes.plot([], [], color="black", linestyle=STYLES[number % len(STYLES)], label=run)
    drawn.legend(loc="outside right upper", frameon=False)
    return drawn


def _line(axes: Any, points: Sequence[Point], colour: str, style: str, label: str | None) -> None:
    """One task of one run, with its band."""
    updates = [point.update for point in points]
    scores = [point.normalised for point in points]
    unknown = (math.nan, math.nan)  # a gap in the band
    low, high = zip(*(point.normalised_interval or unknown for point in points), strict=True)
    axes.plot(updates, scores, style, color=colour, label=label, marker="o", markersize=3)
    axes.fill_between(updates, low, high, color=colour, alpha=0.1, linewidth=0)
