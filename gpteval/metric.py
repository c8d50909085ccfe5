"""What a metric plug-in offers: `Metric`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Values = Sequence[Any]
"""Label names (classify), indices of answers (choose) or numbers (regress), one per example."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A score of one split, higher is better.

    Attributes:
        name: What a task writes in `Task.metrics`.
        function: Gold labels, predictions, and the task's label names in order → score. The first
            two have the same length of at least 1; the label names are empty unless the task
            classifies.
        title: Shown in tables ("Matthews").
        lower, upper: Bounds of the score.
    """

    name: str
    function: Callable[[Values, Values, tuple[str, ...]], float]
    title: str
    lower: float = 0.0
    upper: float = 1.0
