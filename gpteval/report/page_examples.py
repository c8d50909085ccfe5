"""Single examples on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from gpteval.errors import DataError, GptevalError
from gpteval.report.matrix import Cell, Line, Matrix
from gpteval.report.matrix_table import headings
from gpteval.report.telling import texts_of, told
from gpteval.results.pairing import Measurement
from gpteval.studies.flips import Flip, flips
from gpteval.studies.hardest import Hard, hardest
from gpteval.task import Example

HARDEST = 8
"""Examples of a task that are shown as the hardest."""
FLIPPED = 4
"""Examples that are shown of an entrant and the reference."""
Texts = Callable[[Measurement], Mapping[str, Example]]


@dataclass(frozen=True, slots=True)
class Shown:
    """An example as it is shown.

    Attributes:
        id, label: The example's.
        texts: What there is to read, cut.
        answers: Name → answer, and whether it is right; of numbers, None.
    """

    id: str
    label: str
    texts: tuple[str, ...]
    answers: tuple[tuple[str, str, bool | None], ...]


@dataclass(frozen=True, slots=True)
class Flipped:
    """An entrant and the reference on one task.

    Attributes:
        name: The entrant.
        n, better, worse: Examples; those that it alone, and the reference alone, has right, or
            nearer.
        examples: The surest.
    """

    name: str
    n: int
    better: int
    worse: int
    examples: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """Single examples of one line.

    Attributes:
        title: Task, metric and split.
        entrants: How many answered all that is shown as hardest.
        hardest: Those most were wrong on.
        flipped: Against the reference.
        missing: Why there is nothing, or no text; "" where there is.
    """

    title: str
    entrants: int
    hardest: tuple[Shown, ...]
    flipped: tuple[Flipped, ...]
    missing: str = ""


def examples(
    matrix: Matrix, measured: Callable[[Cell], Measurement], texts: Texts
) -> list[Examples]:
    """The hardest examples of every task, and those flipped against the reference.

    Args:
        matrix: Its lines.
        measured: The measurement behind a cell.
        texts: The examples of a measurement by id; `DataError` where they are not at hand.
    """
    lines = [line for line in matrix.lines if not line.suite]
    return [_examples(matrix, line, measured, texts) for line in lines]


def _examples(
    matrix: Matrix, line: Line, measured: Callable[[Cell], Measurement], texts: Texts
) -> Examples:
    title = ", ".join(headings(line))
    named = {matrix.names[e]: line.cells[e] for e in matrix.names if e in line.cells}
    own = {name: _read_once(measured(cell)) for name, cell in named.items()}
    whole = {name: m for name, m in own.items() if m.n == line.n}
    base = matrix.reference and matrix.names[matrix.reference]
    try:
        found = hardest(list(whole.values()))[:HARDEST]
        turned = {
            name: flips(own[base], measurement)
            for name, measurement in own.items()
            if base in own and name != base and measurement.n == own[base].n
        }
    except GptevalError as error:
        return Examples(title, 0, (), (), f"not shown: {error}")
    read, missing = _read(next(iter(whole.values())), texts)
    return Examples(
        title,
        len(whole),
        tuple(_hard(example, list(whole), read) for example in found),
        tuple(
            _flipped(name, own[name].n, found, (str(base), name), read)
            for name, found in turned.items()
        ),
        missing,
    )


def _read_once(measurement: Measurement) -> Measurement:
    """The same, whose predictions are read once for all that is asked of them."""
    return replace(measurement, runs=cache(measurement.runs)) if measurement.runs else measurement


def _read(measurement: Measurement, texts: Texts) -> tuple[Mapping[str, Example], str]:
    try:
        return texts(measurement), ""
    except DataError as error:
        return {}, f"without their texts: {error}"


def _hard(example: Hard, names: Sequence[str], read: Mapping[str, Example]) -> Shown:
    answers = tuple(
        (name, told(own.prediction), _right(own.prediction, example.label))
        for name, own in zip(names, example.said, strict=True)
    )
    return Shown(example.id, told(example.label), texts_of(read.get(example.id)), answers)


def _flipped(
    name: str,
    n: int,
    found: Sequence[Flip],
    names: tuple[str, str],
    read: Mapping[str, Example],
) -> Flipped:
    shown = tuple(
        Shown(
            flip.id,
            told(flip.label),
            texts_of(read.get(flip.id)),
            tuple(
                (who, told(answer), _right(answer, flip.label))
                for who, answer in zip(names, (flip.first, flip.second), strict=True)
            ),
        )
        for flip in found[:FLIPPED]
    )
    better, worse = (sum(sign * flip.gain > 0 for flip in found) for sign in (1, -1))
    return Flipped(name, n, better, worse, shown)


def _right(answer: Any, label: Any) -> bool | None:
    return None if isinstance(answer, float) else bool(answer == label)
