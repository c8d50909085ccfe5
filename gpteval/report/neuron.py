"""One unit of a frozen model: its score beside that of all units, its values, texts coloured by it.

As a page (HTML, its histogram in SVG) and for a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.console import Console, ConsoleOptions, RenderableType
from rich.style import Style
from rich.text import Text

from gpteval.report import plots
from gpteval.report.comparison import interval, p_value, signed
from gpteval.report.standings import Row, standings
from gpteval.report.table import Column, fitted_table
from gpteval.report.templates import rendered
from gpteval.text import printable

if TYPE_CHECKING:
    from gpteval.studies.neuron import Portrait, Told

FULL = 0.9
"""The share of the shown tokens that are nearer to the threshold than the strongest colour says."""
SIDES = (ColorTriplet(194, 65, 12), ColorTriplet(11, 98, 184))
"""On a terminal: of values up to the threshold, and above it; the page has its own."""
WHITE = ColorTriplet(255, 255, 255)


@dataclass(frozen=True, slots=True)
class Part:
    """A token as it is shown.

    Attributes:
        text: What it adds.
        value: The unit's.
        side: 1 above the threshold, else 0.
        strength: How far from it, 0 to 1.
    """

    text: str
    value: float
    side: int
    strength: float


def parts(portrait: Portrait) -> list[tuple[Told, list[Part]]]:
    """Every text with its tokens, coloured on one scale."""
    cut = portrait.threshold
    apart = sorted(abs(value - cut) for told in portrait.texts for _, value in told.tokens)
    full = apart[round(FULL * (len(apart) - 1))] or 1.0
    return [
        (
            told,
            [
                Part(text, value, int(value > cut), min(1.0, abs(value - cut) / full))
                for text, value in told.tokens
            ],
        )
        for told in portrait.texts
    ]


def page(portrait: Portrait, command: str) -> str:
    """The page: one file that asks for nothing.

    Args:
        portrait: What was found.
        command: What makes it again.
    """
    groups = [[value for gold, value in portrait.values if gold == own] for own in portrait.labels]
    facts = {
        "found": portrait,
        "where": where(portrait),
        "rows": [(name, row, _interval(row)) for name, row in _rows(portrait)],
        "difference": difference(portrait),
        "histogram": plots.histogram(groups, portrait.threshold),
        "texts": parts(portrait),
        "command": command,
        "plot": plots,
    }
    return rendered("neuron.html", facts)


class NeuronTable:
    """The same, to print on a rich console of any width: colours where it has them."""

    def __init__(self, portrait: Portrait) -> None:
        self.portrait = portrait

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Which unit, its score beside that of all units, and the texts."""
        found = self.portrait
        yield Text(
            printable(f"{where(found)}: {found.labels[1]} above {found.threshold:.4g}"), "bold"
        )
        columns: list[Column[tuple[str, Row]]] = [
            Column("reads", lambda row: row[0]),
            Column("metric", lambda row: row[1].metric),
            Column("split", lambda row: f"{row[1].split} {row[1].n}", 1),
            Column("score", lambda row: f"{row[1].score:.1f}", justify="right"),
            Column("95 %", lambda row: _interval(row[1]), 2),
            Column("best constant", lambda row: _constant(row[1]), 3, justify="right"),
        ]
        yield from fitted_table(_rows(found), columns, options.max_width)
        if line := difference(found):
            yield Text(line, "dim")
        for told, own in parts(found):
            gold = f" ({told.gold})" if told.gold else ""
            head = f"{told.value:+.3f} {told.answer}{gold}  "
            yield Text(printable(head), "dim").append_text(_coloured(own))


def where(portrait: Portrait) -> str:
    """Which unit it is, in words."""
    layer = "the last layer" if portrait.layer < 0 else f"layer {portrait.layer}"
    return (
        f"unit {portrait.unit} of {portrait.units} after {layer} of {portrait.single.model}, "
        f"{portrait.state} state, on {portrait.task}"
    )


def difference(portrait: Portrait) -> str:
    """What all units know beyond the one, with its interval; "" where that is not known."""
    found = portrait.difference
    if found is None:
        return ""
    return (
        f"All units less the one, on the same examples: {signed(found.value)} {interval(found)}, "
        f"p {p_value(found.p)}"
    )


def _rows(portrait: Portrait) -> list[tuple[str, Row]]:
    """The headline scores, in percent."""
    units = portrait.full.config.get("units")
    of = f", {units} with a weight" if units is not None else ""
    named = ((f"unit {portrait.unit} alone", portrait.single), (f"all units{of}", portrait.full))
    return [
        (name, row)
        for name, result in named
        for row in standings([result], all_splits=True)
        if row.headline
    ]


def _interval(row: Row) -> str:
    return "[{:.1f}, {:.1f}]".format(*row.interval) if row.interval else "–"


def _constant(row: Row) -> str:
    return "" if row.majority is None else f"{row.majority:.1f}"


def _coloured(own: list[Part]) -> Text:
    text = Text()
    for part in own:
        colour = _mixed(SIDES[part.side], part.strength)
        style = Style(color="black", bgcolor=Color.from_triplet(colour))
        text.append(printable(part.text), style)
    return text


def _mixed(colour: ColorTriplet, strength: float) -> ColorTriplet:
    """A colour on white."""
    pairs = zip(colour, WHITE, strict=True)
    return ColorTriplet(*(round(w + 0.7 * strength * (c - w)) for c, w in pairs))
