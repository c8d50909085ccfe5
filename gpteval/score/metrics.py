"""The scores of one split, by whatever metrics plug-ins offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpteval.metric import Metric
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.records import Prediction
    from gpteval.task import Task


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UnknownNameError: No plug-in offers it, with the nearest that one does.
        PluginError: Two do.
    """
    return registry().metric(name)


def computed(name: str, task: Task, labels: Sequence[Any], answers: Sequence[Any]) -> float:
    """One metric of labels and answers.

    Raises:
        PluginError: The metric fails, or gives no number; its package is named.
    """
    with registry().guard("gpteval_register_metrics", name):
        return float(metric(name).function(labels, answers, task.labels))


def headline(task: Task, predictions: Sequence[Prediction]) -> float:
    """The task's first metric over a whole split, as `score` gives it."""
    labels, answers = [p.label for p in predictions], [p.prediction for p in predictions]
    return computed(task.metrics[0], task, labels, answers)


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
        for part in filter(None, prediction.part.split(";")):
            slices.setdefault(part, []).append(prediction)
    scores: dict[str, float] = {}
    for part, members in slices.items():
        labels, answers = [p.label for p in members], [p.prediction for p in members]
        for name in task.metrics:
            scores[f"{name}/{part}" if part else name] = computed(name, task, labels, answers)
    return scores
