"""What stands on the page below the matrix: plots, scores by part, curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from gpteval.errors import ResultError
from gpteval.paths import matching
from gpteval.report import layers
from gpteval.report.matrix import Line, Matrix, best_constant, is_best
from gpteval.report.matrix_table import headings
from gpteval.report.plots import Chart, Plot, Score, Series, chart, plot
from gpteval.report.standings import Row
from gpteval.report.table import Column
from gpteval.results.entrants import Entrant
from gpteval.studies import curve

Point = TypeVar("Point", layers.Point, curve.Point)


def plots(matrix: Matrix) -> list[tuple[Line, Plot]]:
    """A plot of every line that has scores of two entrants or more."""
    return [(line, _plot(matrix, line)) for line in matrix.lines if len(line.cells) > 1]


def _plot(matrix: Matrix, line: Line) -> Plot:
    scores = [
        Score(name, cell.row.score, *_bounds(cell.row.interval), best=cell.best)
        for entrant, name in matrix.names.items()
        if (cell := line.cells.get(entrant))
    ]
    return plot(scores, line.constant, line.paper.score if line.paper else None)


def _bounds(interval: tuple[float, float] | None) -> tuple[float | None, float | None]:
    return interval or (None, None)


@dataclass(frozen=True, slots=True)
class Parts:
    """Scores of one task by part.

    Attributes:
        title: Task, metric and split.
        rows: Part and what everybody scored there.
        columns: The part, the best constant answer, the entrants.
    """

    title: str
    rows: list[tuple[str, Mapping[str, Row]]]
    columns: list[Column[tuple[str, Mapping[str, Row]]]]


def parts(matrix: Matrix, rows: Sequence[Row]) -> list[Parts]:
    """A table of every line whose records have scores by part."""
    found = []
    for line in matrix.lines:
        by_part: dict[str, dict[str, Row]] = {}
        for row in rows:
            base, _, part = row.metric.partition("/")
            entrant = Entrant.of(row.result)
            cell = line.cells.get(entrant)
            if part and base == line.metric and cell and row.result is cell.row.result:
                by_part.setdefault(part, {})[matrix.names[entrant]] = row
        if by_part:
            found.append(Parts(", ".join(headings(line)), list(by_part.items()), _columns(by_part)))
    return found


def _columns(
    by_part: Mapping[str, Mapping[str, Row]],
) -> list[Column[tuple[str, Mapping[str, Row]]]]:
    names = dict.fromkeys(name for own in by_part.values() for name in own)
    columns: list[Column[tuple[str, Mapping[str, Row]]]] = [
        Column("part", lambda row: row[0]),
        Column("best constant", lambda row: _constant(row[1]), justify="right"),
    ]
    return columns + [
        Column(name, _score_of(name), justify="right", bold=_best_is(name)) for name in names
    ]


def _constant(own: Mapping[str, Row]) -> str:
    constant = best_constant(list(own.values()))
    return "" if constant is None else f"{constant:.1f}"


def _score_of(name: str) -> Callable[[tuple[str, Mapping[str, Row]]], str]:
    return lambda row: f"{row[1][name].score:.1f}" if name in row[1] else ""


def _best_is(name: str) -> Callable[[tuple[str, Mapping[str, Row]]], bool]:
    return lambda row: name in row[1] and is_best(row[1][name], list(row[1].values()))


def charts(directory: Path) -> list[Chart]:
    """Figure 2 of the paper, left and right, from the points that lie below a results directory.

    Raises:
        ResultError: A file of points is damaged.
    """
    drawn = []
    for path in [*matching(directory, "*.jsonl"), *matching(directory, "*/*.jsonl")]:
        title = str(path.relative_to(directory))
        if by_layers := _points(path, layers.Point):
            drawn.append(
                _layers_chart(by_layers, f"Layers kept of the pre-trained model ({title})")
            )
        if by_update := _points(path, curve.Point):
            drawn.append(_curve_chart(by_update, f"Zero-shot along the pre-training ({title})"))
    return drawn


def _points(path: Path, kind: type[Point]) -> list[Point]:
    """The points in a file; none where its first line is no point of this kind."""
    import msgspec

    from gpteval.results.lines import reading

    with reading(path):
        content = path.read_bytes()
    try:
        first = msgspec.json.decode(content.partition(b"\n")[0])
        wanted = {field.name for field in fields(kind)}
        if not isinstance(first, dict) or first.keys() != wanted:
            return []
        return msgspec.json.Decoder(kind).decode_lines(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ResultError(f"{path} is damaged: {error}; make it again, or remove it") from error


def _layers_chart(points: Sequence[layers.Point], title: str) -> Chart:
    tasks = list(dict.fromkeys(f"{p.task}, {p.split}" for p in points))
    series = [
        Series(
            task,
            tuple(
                (p.layers, p.score, *_bounds(p.interval))
                for p in points
                if f"{p.task}, {p.split}" == task
            ),
            place,
        )
        for place, task in enumerate(tasks)
    ]
    names: dict[float, str] = {-1: "none", 0: "emb."}
    ticks = {float(kept): names.get(kept, str(kept)) for kept in sorted({p.layers for p in points})}
    return chart(series, title, "layers kept", "score", ticks)


def _curve_chart(points: Sequence[curve.Point], title: str) -> Chart:
    tasks = list(dict.fromkeys(p.task for p in points))
    runs = list(dict.fromkeys(p.run for p in points))
    series = [
        Series(
            task if len(runs) == 1 else f"{task}, {run}",
            tuple(
                (p.update, p.normalised, *_bounds(p.normalised_interval))
                for p in points
                if (p.task, p.run) == (task, run)
            ),
            tasks.index(task),
            runs.index(run),
        )
        for run in runs
        for task in tasks
    ]
    beside = f"0: a random guess, 1: {points[0].of}"
    return chart([own for own in series if own.points], title, "updates", beside, {})
