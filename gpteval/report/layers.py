"""Figure 2 of the paper, left: the development score against the number of layers transferred."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from gpteval.errors import ConfigError, ResultError
from gpteval.files import write_whole
from gpteval.records import Result
from gpteval.report.standings import Row, base_split, standings
from gpteval.report.table import Column, fitted_table
from gpteval.text import json_lines, printable
from gpteval.weights.transfer import Transfer

KINDS = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class Point:
    """One task with so many layers; scores in percent.

    Attributes:
        task, metric, split, n: What was scored: the development split where there is one.
        layers: Transferred beside the embeddings; 0: the embeddings alone, -1: nothing.
        score, lowest, highest, seeds: Median and range over the seeds.
        interval: 95 % interval over the examples.
        majority: The best constant answer.
        sample: Whether it is a bundled sample.
    """

    task: str
    metric: str
    split: str
    n: int | None
    layers: int
    score: float
    lowest: float
    highest: float
    seeds: int
    interval: tuple[float, float] | None
    majority: float | None
    sample: bool


def points(results: Sequence[Result], layers: int) -> list[Point]:
    """The figure's points, task by task, from nothing to all `layers` of the model."""
    rows: dict[tuple[str, int], Row] = {}
    for row in standings(results, all_splits=True):
        if row.headline and not row.suite and row.split == base_split(row.split):
            kept = Transfer.of(row.result.config).layers
            place = row.task, layers if kept is None else kept
            if place not in rows or row.split == "dev":
                rows[place] = row
    order = list(dict.fromkeys(task for task, _ in rows))
    ordered = sorted(rows.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
    return [_point(row, kept) for (_, kept), row in ordered]


def _point(row: Row, layers: int) -> Point:
    return Point(
        task=row.task,
        metric=row.metric,
        split=row.split,
        n=row.n,
        layers=layers,
        score=row.score,
        lowest=min(row.scores),
        highest=max(row.scores),
        seeds=len(row.scores),
        interval=row.interval,
        majority=row.majority,
        sample=row.result.data.origin == "sample",
    )


class LayersTable:
    """The points, to print on a rich console: a line per number of layers, a column per task."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = points

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """The table and what it shows."""
        tasks = {point.task: f"{point.task} {point.metric}" for point in self.points}
        cells = {(p.layers, p.task): f"{p.score:.1f}" for p in self.points}
        columns: list[Column[int]] = [Column("kept", _kept, style="bold")]
        columns += [
            _column(task, heading, cells, place)
            for place, (task, heading) in enumerate(tasks.items(), start=1)
        ]
        kept = sorted({point.layers for point in self.points})
        yield from fitted_table(kept, columns, options.max_width)
        yield Text()
        splits = ", ".join(f"{p.task} {p.split}" for p in self.points if p.layers == kept[0])
        yield Text(printable(f"layers kept of the pre-trained model; scores of {splits}"), "dim")
        majority = (f"{p.task} {p.majority:.1f}" for p in self.points if p.majority is not None)
        constant = ", ".join(dict.fromkeys(majority))
        yield Text(printable(f"the best constant answer: {constant}"), "dim")
        if any(point.sample for point in self.points):
            yield Text("on bundled samples: shows that the harness works", "dim")


def json_rows(points: Sequence[Point]) -> list[dict[str, Any]]:
    """The points as JSON values."""
    return [asdict(point) for point in points]


def check_plot(path: Path) -> None:
    """Find out before hours of work whether a picture can be drawn.

    Raises:
        ConfigError: No matplotlib, or a kind of file it can't be.
    """
    if path.suffix.lower() not in KINDS:
        raise ConfigError(f"--plot {path}: name a file ending in {', '.join(KINDS)}")
    if find_spec("matplotlib") is None:
        raise ConfigError("--plot needs matplotlib: pip install 'gpteval[plots]'")


def plot(points: Sequence[Point], path: Path, title: str) -> None:
    """Draw the points, and write them beside the picture as JSON lines.

    Raises:
        ResultError: A file can't be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for number, task in enumerate(dict.fromkeys(point.task for point in points)):
        _draw(axes, [point for point in points if point.task == task], f"C{number}")
    kept = sorted({point.layers for point in points})
    axes.set_xticks(kept, [{-1: "nothing", 0: "embed-\ndings"}.get(n, str(n)) for n in kept])
    axes.set_xlabel("layers transferred")
    axes.set_ylabel("score, % (dotted: best constant answer)", fontsize="small")
    axes.set_title(title, fontsize="medium")
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=150)
    lines = json_lines(json_rows(points))
    try:
        write_whole(path, picture.getvalue())
        write_whole(path.with_suffix(".jsonl"), lines)
    except OSError as error:
        raise ResultError(f"{path} can't be written: {error.strerror or error}") from error


def _draw(axes: Any, line: Sequence[Point], colour: str) -> None:
    """One task: scores with their 95 % intervals, and the majority baseline dotted."""
    kept, scores = [p.layers for p in line], [p.score for p in line]
    sample = " (sample)" if line[0].sample else ""
    label = f"{line[0].task}, {line[0].metric}, {line[0].split}{sample}"
    axes.plot(kept, scores, "o-", color=colour, label=label)
    bounded = [(p.layers, *p.interval) for p in line if p.interval]
    if bounded:
        axes.fill_between(*zip(*bounded, strict=True), color=colour, alpha=0.12, linewidth=0)
    if line[0].majority is not None:
        axes.axhline(line[0].majority, color=colour, linestyle=":", linewidth=1)


def _kept(layers: int) -> str:
    return Transfer(layers).label


def _column(
    task: str, heading: str, cells: dict[tuple[int, str], str], gives_way: int
) -> Column[int]:
    return Column(heading, lambda layers: cells.get((layers, task), ""), gives_way, justify="right")
