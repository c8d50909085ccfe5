"""Suites of tasks answered by two models, for the error rates of the gate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fabricated import task
from scipy.special import ndtr

from gpteval.score.difference import Difference
from gpteval.score.paired import Paired
from gpteval.score.quantiles import crossing
from gpteval.score.resampling import Answers, scores
from gpteval.studies.check import Verdict, decided

NAMES = np.array(["no", "yes"], dtype=object)
TASKS = 15
ALPHA = 0.05
METRICS = ("accuracy", "f1", "matthews")
SIZES = (872, 408, 1043)
"""Examples: of the development sets of SST-2, MRPC and CoLA, which have these metrics."""

EASE = 0.8
"""How far above nothing, where answers are right, the mean example lies."""


@dataclass(frozen=True)
class Model:
    """How the two sides of a simulated comparison answer.

    Attributes:
        runs: Seeds of each side.
        training: How much a run's seed moves all its answers; 1 is as much as examples differ.
        noise: How much it moves single answers.
    """

    runs: int = 1
    training: float = 0.0
    noise: float = 0.5


def answered(
    generator: np.random.Generator, model: Model, place: int, worse: float = 0.0
) -> Answers:
    """One task's: the second side is worse by so much, in units of what examples differ.

    Half of it is what the first is better by, so that seeds and examples weigh what they do where
    both are equal.
    """
    count = SIZES[place % 3]
    gold, ease = generator.integers(0, 2, count), generator.normal(EASE, 1, count)
    given = []
    for run in range(2 * model.runs):
        moved = generator.normal(0, model.noise, count) + model.training * generator.normal()
        right = ease + moved + (-worse if run >= model.runs else worse) / 2 > 0
        given.append(NAMES[np.where(right, gold, 1 - gold)].tolist())
    return Answers(NAMES[gold].tolist(), [""] * count, given)


def difference(
    generator: np.random.Generator, model: Model, place: int, worse: float, resamples: int
) -> Difference:
    """The same, compared."""
    answers, name = answered(generator, model, place, worse), METRICS[place % 3]
    level = ALPHA / TASKS
    made = Paired(task(name), [name], answers, model.runs, resamples=resamples, level=level)
    return made.difference([name])


def judged(differences: list[Difference], tolerance: float = 0.0) -> list[Verdict]:
    """The verdicts of one check."""
    bare = [
        Verdict(
            str(n), "dev", "made", "accuracy", "UNDERPOWERED", tolerance=tolerance, difference=d
        )
        for n, d in enumerate(differences)
    ]
    return decided(bare, ALPHA)


def suite(
    generator: np.random.Generator,
    model: Model,
    resamples: int,
    worse: float = 0.0,
    tolerance: float = 0.0,
) -> list[Verdict]:
    """The verdicts on one pair of models, of which the second is worse in the first task."""
    return judged(
        [difference(generator, model, n, 0.0 if n else worse, resamples) for n in range(TASKS)],
        tolerance,
    )


def false_alarms(model: Model, suites: int, resamples: int, tolerance: float = 0.0) -> float:
    """Share of pairs of equal models of which a task is called REGRESSED."""
    generator = np.random.default_rng(0)
    made = (suite(generator, model, resamples, tolerance=tolerance) for _ in range(suites))
    return float(np.mean([any(v.word == "REGRESSED" for v in verdicts) for verdicts in made]))


def caught(
    model: Model, place: int, pairs: int, resamples: int, tolerance: float = 0.0
) -> tuple[float, float]:
    """How often the drop that one comparison states as detectable is found by the next.

    Gold labels are balanced and errors symmetric: with a share p of right answers accuracy and F1
    are p, and Matthews' correlation 2 p - 1.

    Returns:
        The drop that equal models state, one task of 15 (mean), and the share that is found.
    """
    generator, level = np.random.default_rng(place), ALPHA / TASKS
    spread = (1 + model.noise**2 + model.training**2) ** 0.5
    stated, found = [], []
    for _ in range(pairs):
        drop = difference(generator, model, place, 0.0, resamples).detectable(level, tolerance)
        worse = _worse(drop / (2 if METRICS[place % 3] == "matthews" else 1), spread)
        made = difference(generator, model, place, worse, resamples)
        stated.append(drop)
        found.append(made.value < 0 and made.p_beyond(tolerance) <= level)
    return float(np.mean(stated)), float(np.mean(found))


def _worse(share: float, spread: float) -> float:
    """What makes the share of right answers so much less."""

    def missing(worse: float) -> float:
        better, poorer = ((EASE + side * worse / 2) / spread for side in (1, -1))
        return float(ndtr(better) - ndtr(poorer)) - share

    return crossing(missing, 0.0, 20 * spread)


def percentile_alarms(model: Model, suites: int, resamples: int) -> float:
    """What `false_alarms` would be with a percentile interval of seeds and examples resampled."""
    generator, level = np.random.default_rng(0), ALPHA / TASKS
    found = []
    for _ in range(suites):
        highest = []
        for place in range(TASKS):
            given, name = answered(generator, model, place), METRICS[place % 3]
            drawn = scores(task(name), [name], given, resamples)[name].resampled
            runs = generator.integers(model.runs, size=(resamples, 2 * model.runs))
            runs[:, model.runs :] += model.runs
            picked = np.take_along_axis(drawn, runs, 1)
            change = picked[:, model.runs :].mean(1) - picked[:, : model.runs].mean(1)
            highest.append(np.quantile(change, 1 - level / 2))
        found.append(min(highest) < 0)
    return float(np.mean(found))
