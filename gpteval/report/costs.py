"""What results took: tokens, arithmetic, seconds by phase, memory, use of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from gpteval.plugins import registry
from gpteval.records import Result
from gpteval.report.leaderboard import labelled
from gpteval.report.table import Column, fitted_table, generated, latex_table, markdown_table
from gpteval.results.entrants import short_name
from gpteval.results.seeds import by_seed
from gpteval.text import duration

PHASES = ("load", "encode", "train", "evaluate")

WHOLE = "`gpteval leaderboard --cost --format markdown` shows all"

LEGEND = {
    "tokens": "of the training; a prefix that sequences of an example share counts once",
    "saved": "tokens that separate sequences would have needed and sharing did not",
    "FLOPs": "that the training and the predictions need, by gpteval.compute.cost's formula",
    "load … evaluate": "seconds or hours; the same model and rows may have served several seeds",
    "memory": "most that was held by one process; on a CPU by the whole of it up to then",
    "use": "FLOPs of the updates per second, of what a square matrix product reaches here",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one task took with one model and setting; figures are medians over the seeds.

    Attributes:
        task: Its name.
        result: One of the results, for the model, device and precision.
        seeds: How many.
        figures: Of `Result.cost`, those there, and `flops`, `saved`; saved as a fraction.
        seconds: Of `Result.seconds`, by phase.
    """

    task: str
    result: Result
    seeds: int
    figures: Mapping[str, float]
    seconds: Mapping[str, float]


def costs(results: Iterable[Result]) -> list[Cost]:
    """One cost per task, model and setting, tasks in the order they are registered.

    The splits of one run share its cost; of a seed run twice the later one counts.
    """
    order = {name: place for place, name in enumerate(registry().tasks())}
    kept = [_cost(seeds) for seeds in by_seed(results, _run)]
    return sorted(kept, key=lambda cost: (order.get(cost.task, len(order)), cost.task))


class CostTable:
    """The costs, to print on a rich console of any width."""

    def __init__(self, rows: Sequence[Cost]) -> None:
        self.rows = rows

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The table in as many columns as fit, and what they mean."""
        columns = [c for c in COLUMNS if any(c.cell(row) for row in self.rows)]
        yield from fitted_table(self.rows, columns, options.max_width, WHOLE)
        for name, text in LEGEND.items():
            yield Text(f"{name}: {text}", style="dim")


def markdown(rows: Sequence[Cost], command: str) -> str:
    """A page with the whole table, saying which command generates it."""
    columns = [c for c in COLUMNS if any(c.cell(row) for row in rows)]
    lines = [
        "# Costs",
        "",
        generated(command),
        "",
        *markdown_table(rows, columns),
        "",
        *(f"- **{name}**: {text}" for name, text in LEGEND.items()),
    ]
    return "\n".join(lines) + "\n"


def latex(rows: Sequence[Cost]) -> str:
    """The whole table for a LaTeX document."""
    columns = [c for c in COLUMNS if any(c.cell(row) for row in rows)]
    return latex_table(rows, columns, [f"{name}: {text}" for name, text in LEGEND.items()])


def json_rows(rows: Iterable[Cost]) -> list[dict[str, Any]]:
    """The costs as JSON values, not rounded; memory in bytes, fractions as they are."""
    return [
        {
            "task": row.task,
            "model": row.result.model,
            "model_digest": row.result.model_digest,
            "mode": row.result.mode,
            "recipe": row.result.recipe,
            "device": row.result.device,
            "precision": row.result.precision,
            "seeds": row.seeds,
            "seconds": row.seconds,
            **row.figures,
        }
        for row in rows
    ]


def _run(r: Result) -> list[Any]:
    """What was run, on which machine: all but the seed."""
    machine = [r.precision, r.device, r.cost.get("processes", 1)]
    setting = [r.mode, r.model_digest, r.recipe, r.config, machine]
    return [r.task, r.version, r.data.digest, setting]


def _cost(results: Sequence[Result]) -> Cost:
    figures = _medians([r.cost for r in results])
    if {"train_flops", "evaluate_flops"} <= figures.keys():
        figures["flops"] = figures["train_flops"] + figures["evaluate_flops"]
    if figures.get("tokens_read"):
        figures["saved"] = 1 - figures["tokens"] / figures["tokens_read"]
    seconds = _medians([r.seconds for r in results])
    return Cost(results[0].task, results[0], len(results), figures, seconds)


def _medians(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of the figures that all have."""
    return {
        k: median(own[k] for own in figures) for k in figures[0] if all(k in own for own in figures)
    }


def short(value: float) -> str:
    """A large number in three digits: 1.23M, 45.6T."""
    scaled, prefixes = float(value), iter(["", "k", "M", "G", "T", "P", "E"])
    prefix = next(prefixes)
    while scaled >= 999.5 and (larger := next(prefixes, "")):
        scaled, prefix = scaled / 1000, larger
    digits = 0 if not prefix or scaled >= 99.95 else 1 if scaled >= 9.995 else 2
    return f"{scaled:.{digits}f}{prefix}"


def _figure(name: str, form: Callable[[float], str]) -> Callable[[Cost], str]:
    return lambda row: form(row.figures[name]) if name in row.figures else ""


def _phase(name: str) -> Callable[[Cost], str]:
    return lambda row: _time(row.seconds[name]) if name in row.seconds else ""


def _time(seconds: float) -> str:
    """Seconds, but hours as hours."""
    return f"{seconds:.1f}" if seconds < 3600 else duration(seconds)


def _where(row: Cost) -> str:
    processes = row.figures.get("processes", 1)
    times = f"{processes:.0f} × " if processes > 1 else ""
    return f"{times}{row.result.device} {row.result.precision}"


COLUMNS: tuple[Column[Cost], ...] = (
    Column("task", lambda row: row.task, 0, 8, style="bold"),
    Column("model", lambda row: labelled(short_name(row.result.model), row.result), 2, 10),
    Column("on", _where, 7),
    Column("seeds", lambda row: str(row.seeds), 8, justify="right"),
    Column("updates", _figure("updates", short), 6, justify="right"),
    Column("tokens", _figure("tokens", short), 1, justify="right"),
    Column("saved", _figure("saved", lambda x: f"{100 * x:.0f} %"), 4, justify="right"),
    Column("FLOPs", _figure("flops", short), 1, justify="right"),
    *(Column(phase, _phase(phase), 5, justify="right") for phase in PHASES),
    Column("memory", _figure("peak_memory_bytes", lambda x: short(x) + "B"), 3, justify="right"),
    Column("use", _figure("utilisation", lambda x: f"{100 * x:.0f} %"), 3, justify="right"),
)
"""In reading order; the first to give way have the highest number."""
