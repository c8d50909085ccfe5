"""Metrics: the built-in ones, those of plug-ins, and the scores of one split.

scikit-learn and scipy are imported when a split is scored, so that a metric's title costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gpteval.errors import UnknownNameError
from gpteval.metric import Metric, Values
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.records import Prediction
    from gpteval.task import Task


def accuracy(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Fraction of predictions that are the gold label."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, predictions))


def f1(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """F1 of the task's second label, its positive class; 0 where that does not occur."""
    from sklearn.metrics import f1_score

    positive = [task_labels[1]]
    return float(f1_score(labels, predictions, labels=positive, average="macro", zero_division=0))


def macro_f1(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Mean F1 of the labels that occur, gold or predicted; a label never got right counts 0."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, average="macro", zero_division=0))


def matthews(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Matthews' correlation, of two or more classes; 0 where labels or predictions are constant."""
    from sklearn.metrics import matthews_corrcoef

    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(matthews_corrcoef(labels, predictions))


def pearson(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Pearson's correlation; 0 where labels or predictions are constant."""
    from scipy.stats import pearsonr

    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(pearsonr(labels, predictions).statistic)


def spearman(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one side is constant."""
    from scipy.stats import spearmanr

    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(spearmanr(labels, predictions).statistic)


def _constant(values: Values) -> bool:
    return len(set(values)) == 1


BUILT_IN: Mapping[str, Metric] = {
    entry.name: entry
    for entry in (
        Metric("accuracy", accuracy, "accuracy"),
        Metric("f1", f1, "F1"),
        Metric("macro_f1", macro_f1, "macro F1"),
        Metric("matthews", matthews, "Matthews", lower=-1.0),
        Metric("pearson", pearson, "Pearson", lower=-1.0),
        Metric("spearman", spearman, "Spearman", lower=-1.0),
    )
}


def metrics() -> dict[str, Metric]:
    """Every metric by name: those of plug-ins and the built-in ones, which keep their names."""
    return {**registry().metrics(), **BUILT_IN}


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UnknownNameError: Neither built in nor added by a plug-in, with the nearest that is.
    """
    known = metrics()
    if name not in known:
        raise UnknownNameError("metric", name, known, f"(known: {', '.join(known)})")
    return known[name]


def headline(task: Task, predictions: Sequence[Prediction]) -> float:
    """The task's first metric over a whole split, as `score` gives it."""
    labels, answers = [p.label for p in predictions], [p.prediction for p in predictions]
    return float(metric(task.metrics[0]).function(labels, answers, task.labels))


def score(task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Every metric of the task, and metric/part for every part that the examples name.

    Args:
        task: Says which metrics, and the order of the labels.
        predictions: Of one split, at least one, all with a gold label.

    Returns:
        Metric → fraction (correlations from -1), e.g. {"accuracy": 0.59, "accuracy/middle": 0.63}.

    Raises:
        UnknownNameError: The task names a metric that nobody registered.
    """
    slices = {"": list(predictions)}
    for prediction in predictions:
        if prediction.part:
            slices.setdefault(prediction.part, []).append(prediction)
    scores: dict[str, float] = {}
    for part, members in slices.items():
        labels, answers = [p.label for p in members], [p.prediction for p in members]
        for name in task.metrics:
            value = float(metric(name).function(labels, answers, task.labels))
            scores[f"{name}/{part}" if part else name] = value
    return scores
