"""What a metric plug-in offers: `Metric`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpteval.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.records import Prediction

    Array = NDArray[np.float64]
else:
    Array = Prediction = Any

Values = Sequence[Any]
"""Label names (classify), indices of answers (choose) or numbers (regress), one per example."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A score of one split, higher is better.

    `function` alone is enough. The other ways to compute it make its intervals fast: a bootstrap
    then is one call for all resamples instead of one for each.

    Shape letters: n examples, B resamples, K classes.

    Attributes:
        name: What a task writes in `Task.metrics`.
        function: Gold labels, predictions, and the task's label names in order → score. The first
            two have the same length of at least 1; the label names are empty unless the task
            classifies.
        title: Shown in tables ("Matthews"); the name where it is not given.
        lower, upper: Bounds of the score.
        proportion: It is a share of the examples, each of which counts 0 or 1 (accuracy).
        of_confusion: Confusion matrices, gold by predicted, (B, K, K) → scores, (B,).
        weighted: Numbers, gold and predicted, (n,) each, and how often each example occurs in each
            resample, whole numbers, (B, n) → scores, (B,).
        chance: A task and the predictions of a split, of which gold labels and the number of scores
            are read → the expected score of guessing uniformly; None where it is not known.
    """

    name: str
    function: Callable[[Values, Values, tuple[str, ...]], float]
    title: str = ""
    lower: float = 0.0
    upper: float = 1.0
    proportion: bool = False
    of_confusion: Callable[[Array], Array] | None = None
    weighted: Callable[[Array, Array, Array], Array] | None = None
    chance: Callable[[Task, Sequence[Prediction]], float | None] | None = None


def as_metric(name: str, item: Any) -> Any:
    """What is offered as a metric, with its name and title; a plain function becomes one."""
    if callable(item) and not isinstance(item, Metric):
        item = Metric(name or getattr(item, "__name__", ""), item)
    if not isinstance(item, Metric):
        return item
    return replace(item, name=name or item.name, title=item.title or name or item.name)
