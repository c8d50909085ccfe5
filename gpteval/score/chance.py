"""What a score must beat: always giving one answer, and guessing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from gpteval.score.metrics import computed, metric, score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.records import Prediction
    from gpteval.task import Label, Task

    Array = NDArray[np.float64]


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
    """Scores of one answer to everything, by each metric that of the best such answer.

    Which answer is best is learnt from the training labels: for accuracy the most frequent, for F1
    the positive one, for a regression the mean. A task that is scored with another task's model has
    no training labels of its own: there it is learnt from the scored split (87.4 % accuracy on
    breaking-NLI), as it is where `train_labels` is empty. Of answers alike the first label wins.

    Args:
        task: Its metrics are scored, parts included.
        train_labels: Gold labels of the training split.
        predictions: Of the scored split; their gold labels, parts and clusters are used.

    Returns:
        Metric → fraction, with the keys of `gpteval.score.metrics.score`.
    """
    learnt = [p.label for p in predictions]
    if train_labels and not task.train_task:
        learnt = list(train_labels)
    labels = [label for label in learnt if label is not None]
    metrics_of: dict[str | int | float, list[str]] = {}
    for name in task.metrics:
        metrics_of.setdefault(_best_constant(task, name, labels), []).append(name)
    scores: dict[str, float] = {}
    for answer, names in metrics_of.items():
        constant = [replace(p, prediction=answer) for p in predictions]
        scores |= score(replace(task, metrics=tuple(names)), constant)
    return scores


def random_guess(task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Expected scores of guessing uniformly, by the metrics that know theirs (`Metric.chance`)."""
    expected: dict[str, float] = {}
    for name in task.metrics:
        chance = metric(name).chance
        guess = chance(task, predictions) if chance else None
        if guess is not None:
            expected[name] = guess
    return expected


def _best_constant(task: Task, name: str, labels: Sequence[str | int | float]) -> str | int | float:
    """The answer that scores best by a metric where it is given to all of these labels."""
    if task.kind == "regress":
        return fmean(float(label) for label in labels)
    counts = Counter(labels)
    answers: Sequence[Any] = task.labels or sorted(counts, key=str)
    of_confusion = metric(name).of_confusion
    if of_confusion is None:
        scores = [computed(name, task, labels, [answer] * len(labels)) for answer in answers]
    else:
        scores = of_confusion(_constant_confusions([counts[answer] for answer in answers])).tolist()
    return answers[scores.index(max(scores))]


def _constant_confusions(counts: Sequence[int]) -> Array:
    """Confusion matrices, gold by predicted, of always giving one of K answers, (K, K, K)."""
    import numpy as np

    answers = np.arange(len(counts))
    confusions = np.zeros((len(counts),) * 3)
    confusions[answers, :, answers] = counts
    return confusions
