"""A comparison of two sides as a table, as JSON values; the examples on which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from gpteval.plugins import registry
from gpteval.report.table import Column, markdown_table, terminal_table
from gpteval.score.heuristics import title

if TYPE_CHECKING:
    from gpteval.score.difference import Difference
    from gpteval.studies.compare import Comparison, Row

LEVEL = 0.05
"""Where a corrected p is marked."""

LEGEND = {
    "diff.": "the second less the first, in points, with its 95 % interval",
    "p": "of no difference; p(adj): corrected for the number of tasks (Holm), headline metrics",
    "±examples, ±seeds": "standard errors of the difference, from the choice of examples and from "
    "the seeds of training; ?: one run can't tell them apart from the model",
    "MDE": "the true difference that these examples and seeds would find in four of five cases; "
    "–: none",
    "n needed": "examples that would find the difference seen as often; –: more seeds are needed",
}


class ComparisonTable:
    """A comparison, to print on a rich console of any width."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Who is compared, the table, what it means, and what could not be compared."""
        rows = self.comparison.rows
        if rows:
            yield Text(sides(rows), style="bold")
            yield terminal_table(rows, _columns(rows), options.max_width, _ends)[0]
            for name, text in LEGEND.items():
                yield Text(f"{name}: {text}", style="dim")
        for line in remarks(self.comparison):
            yield Text(line, style="dim")


def markdown(comparison: Comparison) -> str:
    """The same as a Markdown page."""
    rows = comparison.rows
    lines = [f"# {sides(rows)}", "", *markdown_table(rows, _columns(rows)), ""] if rows else []
    lines += [f"- **{name}**: {text}" for name, text in LEGEND.items()]
    return "\n".join([*lines, *(f"- {line}" for line in remarks(comparison))]) + "\n"


def json_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The rows as JSON values, scores as fractions; then what could not be compared."""
    rows: list[dict[str, Any]] = [
        {
            "task": row.task,
            "split": row.split,
            "metric": row.metric,
            "first": row.first.entrant,
            "second": row.second.entrant,
            "seeds": [len(row.first.scores), len(row.second.scores)],
            **difference_values(row.difference),
            "adjusted": row.adjusted,
            "differs": dict(row.mismatches),
        }
        for row in comparison.rows
    ]
    rows += [
        {"task": task, "split": split, "refused": reason}
        for task, split, reason in comparison.refused
    ]
    return rows


def difference_values(difference: Difference) -> dict[str, Any]:
    """A difference as JSON values."""
    low, high = difference.interval()
    return {
        "n": difference.n,
        "clusters": difference.clusters,
        "scores": [difference.first, difference.second],
        "difference": difference.value,
        "interval": [low, high],
        "p": difference.p,
        "discordant": difference.discordant,
        "error_examples": difference.examples**0.5,
        "error_seeds": None if difference.training is None else difference.training**0.5,
        "detectable": difference.detectable(),
        "examples_needed": difference.examples_needed(),
    }


def sides(rows: Sequence[Row]) -> str:
    """Who is compared with whom."""
    pairs = dict.fromkeys((row.first.entrant, row.second.entrant) for row in rows)
    return "; ".join(first if first == second else f"{first} → {second}" for first, second in pairs)


def remarks(comparison: Comparison) -> list[str]:
    """What could not be compared, and what differs beside the entrants."""
    lines = [f"{task} {split}: not compared: {why}" for task, split, why in comparison.refused]
    for place, name in enumerate(("first", "second")):
        alone = [pair[place] for pair in comparison.unpaired if pair[place]]
        told = dict.fromkeys(f"{' '.join(m.where)} of {m.entrant}" for m in alone if m)
        if told:
            lines.append(f"of the {name} side alone: {', '.join(told)}")
    apart: dict[str, list[str]] = {}
    for row in comparison.rows:
        for kind, values in row.mismatches.items():
            if row.adjusted is not None and kind in ("version", "code"):
                apart.setdefault(f"{kind} {values}", []).append(row.task)
    return lines + [f"{', '.join(tasks)}: {fact}" for fact, tasks in apart.items()]


def _columns(rows: Sequence[Row]) -> list[Column[Row]]:
    titles = {name: entry.title for name, entry in registry().metrics().items()}
    columns: list[Column[Row]] = [
        Column("task", lambda row: row.task if row.adjusted is not None else "", style="bold"),
        Column("metric", lambda row: title(row.metric, titles)),
        Column("split", lambda row: row.split, 4),
        Column("n", lambda row: f"{row.difference.n:,}", 6, justify="right"),
        Column("seeds", _seeds, 5),
        Column("first", lambda row: percent(row.difference.first), justify="right"),
        Column("second", lambda row: percent(row.difference.second), justify="right"),
        Column("diff.", lambda row: signed(row.difference.value), justify="right", style="bold"),
        Column("95 %", lambda row: interval(row.difference), justify="right"),
        Column("p", lambda row: p_value(row.difference.p), 2, justify="right"),
        Column("p(adj)", _adjusted, justify="right", colour=_tint),
        Column("±examples", lambda row: percent(row.difference.examples**0.5), 7, justify="right"),
        Column("±seeds", _training, 7, justify="right"),
        Column("MDE", lambda row: found_size(row.difference.detectable()), 3, justify="right"),
        Column("n needed", _needed, 8, justify="right"),
    ]
    return [column for column in columns if any(column.cell(row) for row in rows)]


def percent(value: float) -> str:
    """A fraction in percent."""
    return f"{100 * value:.1f}"


def signed(value: float) -> str:
    """A difference in points; one that is 0 by its last digit has no sign but +."""
    return f"{round(100 * value, 1) + 0.0:+.1f}"


def found_size(detectable: float) -> str:
    """A difference that would be found, in percent; a dash where there is none so large."""
    return percent(detectable) if detectable <= 1 else "–"


def interval(difference: Difference) -> str:
    """The 95 % interval of a difference, in points."""
    low, high = difference.interval()
    return f"[{signed(low)}, {signed(high)}]"


def p_value(p: float) -> str:
    """A probability, as exact as anybody needs."""
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _seeds(row: Row) -> str:
    return f"{len(row.first.scores)}/{len(row.second.scores)}"


def _adjusted(row: Row) -> str:
    if row.adjusted is None:
        return ""
    return p_value(row.adjusted) + ("*" if row.adjusted <= LEVEL else "")


def _tint(text: str) -> str:
    return "bold" if text.endswith("*") else ""


def _training(row: Row) -> str:
    if row.seeds_unknown:
        return "?"
    return "" if row.difference.training is None else percent(row.difference.training**0.5)


def _needed(row: Row) -> str:
    needed = row.difference.examples_needed()
    return "–" if needed is None else f"{needed:,}" if needed < 10**7 else ">10 million"


def _ends(row: Row, following: Row) -> bool:
    return following.suite and not row.suite
