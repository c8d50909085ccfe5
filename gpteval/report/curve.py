"""The picture of zero-shot scores along a pre-training (paper, figure 2 right)."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpteval.errors import ConfigError

if TYPE_CHECKING:
    from gpteval.studies.curve import Point

STYLES = ("-", "--", ":", "-.")
"""Of the runs, in order; the tasks have colours."""


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
