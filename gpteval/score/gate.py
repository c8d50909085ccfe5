"""What predictions must be before they are scored: values, and answers that the task knows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpteval.errors import ScoreError
from gpteval.records import Prediction
from gpteval.task import Task


def check(task: Task, split: str, predictions: Sequence[Prediction]) -> None:
    """Refuse to score what is no answer.

    Raises:
        ScoreError: A score is not a number, or an answer or a label is none of the task's.
    """
    for prediction in predictions:
        if wrong := _wrong(task, prediction):
            raise ScoreError(
                f"{task.name} {split}: example {prediction.id!r:.80}: {wrong}; nothing is scored"
            )


def _wrong(task: Task, prediction: Prediction) -> str:
    numbers = [*prediction.scores, *(x for own in prediction.variants.values() for x in own)]
    if task.kind == "regress":
        numbers += [float(x) for x in (prediction.prediction, prediction.label) if x is not None]
    if strange := [x for x in numbers if not math.isfinite(x)]:
        return f"the model answers with {strange[0]}: its weights or activations are no numbers"
    if task.kind == "regress":
        return ""
    known = task.labels if task.kind == "classify" else range(len(prediction.scores))
    for what, answer in (("answer", prediction.prediction), ("label", prediction.label)):
        if answer is not None and answer not in known:
            return f"{what} {answer!r:.40} is none of {', '.join(map(str, known))}"
    return ""
