"""What a score must beat: always giving one answer, and guessing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from gpteval.score.metrics import metric, score

if TYPE_CHECKING:
    from gpteval.records import Prediction
    from gpteval.task import Label, Task


def baselines(
    task: Task, train_labels: Sequence[Label], predictions: Sequence[Prediction]
) -> dict[str, dict[str, float]]:
    """Both baselines in the form of `Result.baselines`: {"majority": …, "random": …}."""
    return {
        "majority": majority(task, train_labels, predictions),
        "random": random_guess(task, predictions),
    }


def majority(
    task: Task, train_labels: Sequence[Label], predictions: Sequence[Prediction]
) -> dict[str, float]:
    """Scores of one answer to everything: the most frequent training label, or the training mean.

    A task that is scored with another task's model has no training labels of its own: there it is
    the most frequent label of the scored split (87.4 % on breaking-NLI), as it is where
    `train_labels` is empty. Among equally frequent labels the first in order wins.

    Args:
        task: Its metrics are scored, parts included.
        train_labels: Gold labels of the training split.
        predictions: Of the scored split; their gold labels, parts and clusters are used.

    Returns:
        Metric → fraction, with the keys of `gpteval.score.metrics.score`.
    """
    counted = [p.label for p in predictions]
    if train_labels and not task.train_task:
        counted = list(train_labels)
    answer = _constant_answer(task, [label for label in counted if label is not None])
    return score(task, [replace(p, prediction=answer) for p in predictions])


def random_guess(task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Expected scores of guessing uniformly, by the metrics that know theirs (`Metric.chance`)."""
    expected: dict[str, float] = {}
    for name in task.metrics:
        chance = metric(name).chance
        guess = chance(task, predictions) if chance else None
        if guess is not None:
            expected[name] = guess
    return expected


def _constant_answer(task: Task, labels: Sequence[str | int | float]) -> str | int | float:
    if task.kind == "regress":
        return fmean(float(label) for label in labels)
    counts = Counter(labels)
    order = task.labels or sorted(counts)
    return max(order, key=lambda label: counts[label])
