"""Suites of tasks answered by two models, for the error rates of the gate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fabricated import task
from scipy.special import ndtr, ndtri

from gpteval.score.difference import Difference
from gpteval.score.paired import Paired
from gpteval.score.resampling import Answers, scores
from gpteval.studies.check import Verdict, decided

NAMES = np.array(["no", "yes"])
TASKS = 15
METRICS = ("accuracy", "f1", "matthews")
SIZES = (872, 408, 1043)
"""Examples: of the development sets of SST-2, MRPC and CoLA, which have these metrics."""


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
    """One task's: the second side is worse by so much, in units of what examples differ."""
    count = SIZES[place % 3]
    gold, ease = generator.integers(0, 2, count), generator.normal(0.8, 1, count)
    given = []
    for run in range(2 * model.runs):
        moved = generator.normal(0, model.noise, count) + model.training * generator.normal()
        right = ease + moved - (worse if run >= model.runs else 0.0) > 0
        given.append(NAMES[np.where(right, gold, 1 - gold)].tolist())
    return Answers(NAMES[gold].tolist(), [""] * count, given)


def difference(
    generator: np.random.Generator, model: Model, place: int, worse: float, resamples: int
) -> Difference:
    """The same, compared."""
    answers, name = answered(generator, model, place, worse), METRICS[place % 3]
    return Paired(task(name), [name], answers, model.runs, resamples=resamples).difference([name])


def judged(differences: list[Difference], tolerance: float = 0.0) -> list[Verdict]:
    """The verdicts of one check."""
    bare = [
        Verdict(
            str(n), "dev", "made", "accuracy", "UNDERPOWERED", tolerance=tolerance, difference=d
        )
        for n, d in enumerate(differences)
    ]
    return decided(bare, 0.05)


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
    """How often a true drop of the stated minimal detectable effect is found, one task of 15.

    Gold labels are balanced and errors symmetric: with a share p of right answers accuracy and F1
    are p, and Matthews' correlation 2 p - 1.

    Returns:
        The effect that equal models state (root mean square), and the share that is found.
    """
    generator, level = np.random.default_rng(place), 0.05 / TASKS
    pilots = (difference(generator, model, place, 0.0, resamples) for _ in range(pairs // 6))
    effect = float(np.mean([d.detectable(level, tolerance) ** 2 for d in pilots])) ** 0.5
    spread = (1 + model.noise**2 + model.training**2) ** 0.5
    right = ndtr(0.8 / spread) - effect / (2 if METRICS[place % 3] == "matthews" else 1)
    worse = 0.8 - spread * float(ndtri(right))
    made = (difference(generator, model, place, worse, resamples) for _ in range(pairs))
    return effect, float(np.mean([d.value < 0 and d.p_beyond(tolerance) <= level for d in made]))


def percentile_alarms(model: Model, suites: int, resamples: int) -> float:
    """What `false_alarms` would be with a percentile interval of seeds and examples resampled."""
    generator, level = np.random.default_rng(0), 0.05 / TASKS
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
