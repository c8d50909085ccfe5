"""Plots as SVG: where everything stands, for a template to draw; no library, nothing random.

Lengths are in units of a picture `WIDTH` wide, which a phone shows at its size.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH = 350.0
LEFT = 8.0
"""Room at both sides of a plot of intervals."""
STEP = 32.0
"""Height of an entrant: its name, and its interval below."""
TOP, BOTTOM = 6.0, 26.0
HEIGHT = 200.0
"""Of a chart of curves, without what stands above and below."""
GUTTER = 34.0
"""Left of a chart, for the numbers of its axis."""
TICKS = 6
"""Most ticks of an axis."""


@dataclass(frozen=True, slots=True)
class Score:
    """A score and its interval, in percent.

    Attributes:
        name: Whose.
        value, low, high: The score, and its bounds where there are some.
        best: Whether it is the best.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    best: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One score where it is drawn.

    Attributes:
        score: What it shows.
        y: Of its line.
        x, low, high: Of the score and its bounds.
    """

    score: Score
    y: float
    x: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Plot:
    """Scores below each other on one axis.

    Attributes:
        height: Of the picture.
        axis: y of the axis.
        bars: The best first.
        ticks: x → text.
        constant, paper: x of the best constant answer and of GPT-1's figure.
    """

    height: float
    axis: float
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    constant: float | None
    paper: float | None


def plot(scores: Sequence[Score], constant: float | None, paper: float | None) -> Plot:
    """Scores with their intervals, the best first, and what stands beside them.

    Args:
        scores: At least one.
        constant: The best constant answer, in percent.
        paper: GPT-1's figure.
    """
    bounds = [x for s in scores for x in (s.value, s.low, s.high)] + [constant, paper]
    scale = _Scale([x for x in bounds if x is not None], LEFT, WIDTH - LEFT)
    ordered = sorted(scores, key=lambda score: -score.value)
    bars = [
        Bar(
            score,
            TOP + STEP * place + 24,
            scale(score.value),
            scale.maybe(score.low),
            scale.maybe(score.high),
        )
        for place, score in enumerate(ordered)
    ]
    axis = TOP + STEP * len(bars) + 6
    return Plot(
        axis + BOTTOM,
        axis,
        tuple(bars),
        tuple((scale(tick), f"{tick:g}") for tick in scale.ticks),
        scale.maybe(constant),
        scale.maybe(paper),
    )


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart.

    Attributes:
        name: What it is of.
        points: x, y, and the bounds of y where there are some.
        colour, dash: Numbers of its colour and its style.
    """

    name: str
    points: tuple[tuple[float, float, float | None, float | None], ...]
    colour: int
    dash: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """A line where it is drawn: `line` and `band` are the points of an SVG polyline and polygon."""

    series: Series
    line: str
    band: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one axis.

    Attributes:
        title, below, beside: What it shows, and what its axes are.
        height: Of the picture.
        curves: The lines.
        across, up: Ticks: place → text.
    """

    title: str
    below: str
    beside: str
    height: float
    curves: tuple[Curve, ...]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]


def chart(
    series: Sequence[Series], title: str, below: str, beside: str, names: dict[float, str]
) -> Chart:
    """Lines over one axis.

    Args:
        series: At least one, with at least one point.
        title: What it shows.
        below: What its horizontal axis is.
        beside: What its vertical axis is.
        names: What to call some x instead of its number; where there are some, all ticks are.
    """
    points = [point for own in series for point in own.points]
    across = _Scale([x for x, *_ in points], GUTTER + 6, WIDTH - 20, margin=0.0)
    up = _Scale(
        [y for _, *heights in points for y in heights if y is not None], TOP + HEIGHT, TOP + 4
    )
    ticks = list(names.items()) or [(x, f"{x:g}") for x in across.ticks]
    return Chart(
        title,
        below,
        beside,
        TOP + HEIGHT + BOTTOM,
        tuple(_curve(own, across, up) for own in series),
        tuple((across(x), text) for x, text in ticks),
        tuple((up(y), f"{y:g}") for y in up.ticks),
    )


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values of several groups are met, where it is drawn.

    Attributes:
        height: Of the picture.
        shapes: Points of an SVG polygon for every group.
        cut: x of the value that tells them apart.
        across, up: Ticks: place → text.
    """

    height: float
    shapes: tuple[str, ...]
    cut: float
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]


def histogram(groups: Sequence[Sequence[float]], cut: float) -> Histogram:
    """Counts of values, group by group over one axis.

    Args:
        groups: At least one value in all.
        cut: A value that is between two bins, so that no bin is on both sides.
    """
    values = [value for group in groups for value in group]
    bins = max(8, min(40, round(2 * len(values) ** 0.5)))
    step = (max(values) - min(values)) / bins or 1.0
    met = [Counter(math.floor((value - cut) / step) for value in group) for group in groups]
    first, last = (end(place for own in met for place in own) for end in (min, max))
    counts = [[own[place] for place in range(first, last + 1)] for own in met]
    edges = [cut + step * place for place in range(first, last + 2)]
    across = _Scale([*edges, cut], GUTTER + 6, WIDTH - LEFT, margin=0.0)
    highest = max(count for own in counts for count in own)
    up = _Scale([0, highest], TOP + HEIGHT, TOP + 4, margin=0.0)
    return Histogram(
        TOP + HEIGHT + BOTTOM,
        tuple(_steps(own, edges, across, up) for own in counts),
        across(cut),
        tuple((across(x), f"{x:g}") for x in across.ticks),
        tuple((up(y), f"{y:g}") for y in up.ticks if y == int(y)),
    )


def _steps(counts: Sequence[int], edges: Sequence[float], across: _Scale, up: _Scale) -> str:
    """A polygon as high as the count over every bin."""
    tops = zip(counts, pairwise(edges), strict=True)
    points = [(across(x), up(count)) for count, bin_edges in tops for x in bin_edges]
    return _joined([(across(edges[0]), up(0)), *points, (across(edges[-1]), up(0))])


def _curve(series: Series, across: _Scale, up: _Scale) -> Curve:
    line = [(across(x), up(y)) for x, y, _, _ in series.points]
    bounded = [(x, low, high) for x, _, low, high in series.points if low is not None]
    band = [(across(x), up(high)) for x, _, high in bounded if high is not None]
    band += [(across(x), up(low)) for x, low, _ in reversed(bounded)]
    return Curve(series, _joined(line), _joined(band))


def _joined(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


class _Scale:
    """From values to places, with round ticks among the values."""

    def __init__(
        self, values: Sequence[float], first: float, last: float, margin: float = 0.04
    ) -> None:
        low, high = min(values), max(values)
        room = (high - low) * margin if low < high else max(1.0, abs(low) / 100)
        self.low, self.high = low - room, high + room
        self.first, self.last = first, last

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)

    def maybe(self, value: float | None) -> float | None:
        """The place of a value that there may be."""
        return None if value is None else self(value)

    @property
    def ticks(self) -> list[float]:
        """Multiples of 1, 2 or 5 times a power of ten, at most `TICKS`."""
        power = 10.0 ** math.floor(math.log10((self.high - self.low) / TICKS))
        steps = (power * factor for factor in (1, 2, 5, 10, 20))
        step = next(s for s in steps if (self.high - self.low) / s <= TICKS)
        first = math.ceil(self.low / step)
        return [n * step for n in range(first, math.floor(self.high / step) + 1)]
