"""The examples on which two sides of a comparison differ, the surest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from gpteval.errors import ResultError
from gpteval.naming import spelt
from gpteval.results.pairing import Measurement, answered, paired, side
from gpteval.studies.browse import answer, margin, runs_of
from gpteval.studies.compare import joined

if TYPE_CHECKING:
    from gpteval.records import Prediction


@dataclass(frozen=True, slots=True)
class Flip:
    """An example that the two sides answer differently.

    Attributes:
        id, label: The example's.
        first, second: The answer of each side: of several runs the most frequent, or the mean.
        gain: 1 where only the second is right, -1 where only the first is, 0 where both are wrong;
            of numbers, by how much the second is nearer.
        sureness: How sure both were, by the probabilities they gave; of numbers, the size of the
            gain.
    """

    id: str
    label: Any
    first: Any
    second: Any
    gain: float
    sureness: float


def flips(first: Measurement, second: Measurement) -> list[Flip]:
    """Where the answers differ, the surest first.

    Raises:
        ResultError: A side has no predictions: a baseline file has the answers alone.
        IncomparableError: They answered different examples.
    """
    sides = [runs_of(first), runs_of(second)]
    joined(*(answered(side) for side in sides))
    by_id = [[{p.id: p for p in run} for run in side] for side in sides]
    made = (_flip([[run[name] for run in side] for side in by_id]) for name in by_id[0][0])
    return sorted((flip for flip in made if flip), key=lambda flip: -flip.sureness)


def pair(first: str, second: str, task: str, split: str | None) -> tuple[Measurement, Measurement]:
    """What both sides (see `side`) scored of a task; without `split` the last.

    Raises:
        ResultError: Nothing.
    """
    sides = [[m for m in side(text) if spelt(task, [m.task])] for text in (first, second)]
    found = [(a, b) for a, b in paired(*sides) if a and b and split in (None, a.split)]
    if not found:
        where = f"{task} {split}" if split else task
        raise ResultError(f"nothing of {where} was scored on both sides")
    return found[-1]


def _flip(sides: Sequence[Sequence[Prediction]]) -> Flip | None:
    example = sides[0][0]
    if isinstance(example.prediction, float):
        return _moved(sides)
    answers = [answer(side) for side in sides]
    if answers[0] == answers[1]:
        return None
    before, after = (answer == example.label for answer in answers)
    sureness = fmean(margin(p) for side in sides for p in side)
    return Flip(example.id, example.label, answers[0], answers[1], after - before, sureness)


def _moved(sides: Sequence[Sequence[Prediction]]) -> Flip | None:
    label = sides[0][0].label
    before, after = (answer(side) for side in sides)
    gain = abs(before - float(label or 0)) - abs(after - float(label or 0))
    return Flip(sides[0][0].id, label, before, after, gain, abs(gain)) if gain else None
