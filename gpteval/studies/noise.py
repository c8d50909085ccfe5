"""How much a task's score moves with the seed of training."""

from __future__ import annotations

from collections.abc import Iterable

from gpteval.results.baseline import Noise
from gpteval.results.pairing import Measurement
from gpteval.score.paired import RESAMPLES, seed_variance
from gpteval.score.resampling import Answers, scores
from gpteval.studies.compare import installed


def noise(measurements: Iterable[Measurement], resamples: int = RESAMPLES) -> dict[str, Noise]:
    """The noise of every measurement with several seeds, by "task/split/metric".

    Args:
        measurements: Of one entrant.
        resamples: Of each one's examples.
    """
    measured = {}
    for measurement in measurements:
        if len(measurement.scores) < 2:
            continue
        task, answered = installed(measurement), measurement.answered()
        answers = Answers(answered.labels, answered.clusters, answered.given)
        for name, found in scores(task, task.metrics, answers, resamples).items():
            between, together, degrees = seed_variance(found.observed, found.resampled)
            place = "/".join((*measurement.where, name))
            measured[place] = Noise(between**0.5, together**0.5, degrees + 1)
    return measured
