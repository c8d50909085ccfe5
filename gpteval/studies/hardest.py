"""The examples that most entrants answer wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from gpteval.errors import ResultError
from gpteval.results.pairing import Measurement
from gpteval.studies.browse import Said, said


@dataclass(frozen=True, slots=True)
class Hard:
    """An example and what everybody said of it.

    Attributes:
        id, label: The example's.
        said: By each, in the order of the measurements.
        wrong: How many were wrong; of numbers, the sum of the errors.
        rank: 0 where all were surest of this example among theirs, 1 where least.
    """

    id: str
    label: Any
    said: tuple[Said, ...]
    wrong: float
    rank: float


def hardest(measurements: Sequence[Measurement]) -> list[Hard]:
    """Examples that somebody answered wrongly: by how many did, then by how sure they were.

    Sureness is compared by rank, for probabilities and likelihoods are not of one scale.

    Args:
        measurements: Of one split, all of the same examples.

    Raises:
        ResultError: A side has no predictions, or not of the same examples.
    """
    everybody = [_ranked(measurement) for measurement in measurements]
    if any(answers.keys() != everybody[0].keys() for answers in everybody):
        raise ResultError("they answered different examples")
    found = [_hard(name, everybody) for name in everybody[0]]
    wrong = [example for example in found if example.wrong]
    return sorted(wrong, key=lambda example: (-example.wrong, example.rank, example.id))


def _ranked(measurement: Measurement) -> dict[str, tuple[Said, float]]:
    """Example → what was said of it, and its rank by sureness."""
    answers = said(measurement)
    return {own.id: (own, place / len(answers)) for place, own in enumerate(answers)}


def _hard(name: str, everybody: Sequence[dict[str, tuple[Said, float]]]) -> Hard:
    own = [answers[name] for answers in everybody]
    wrong = [(answer.wrong, rank) for answer, rank in own if answer.wrong]
    answers = tuple(answer for answer, _ in own)
    total = sum(error for error, _ in wrong)
    return Hard(
        name, answers[0].label, answers, total, fmean(rank for _, rank in wrong) if wrong else 1.0
    )
