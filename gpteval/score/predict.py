"""Predictions of a fine-tuned model over one split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from gpteval.encode.batch import Encoded, pack
from gpteval.encode.batching import SCORING_TOKENS, by_length
from gpteval.errors import TrainingError
from gpteval.records import Prediction
from gpteval.score.head import TaskModel
from gpteval.task import Example, Task


@torch.inference_mode()
def predict(
    model: TaskModel,
    task: Task,
    examples: Sequence[Example],
    encoded: Sequence[Encoded],
    *,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    most_tokens: int = SCORING_TOKENS,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Prediction]:
    """Predict every example of a split, in file order.

    Args:
        model: The fine-tuned model; left in evaluation mode.
        task: Its task.
        examples: The split, in file order.
        encoded: The same, encoded.
        autocast: Context to compute in.
        most_tokens: Tokens of one forward pass.
        progress: Called with the number of examples just done.

    Raises:
        TrainingError: One example alone does not fit in memory.
    """
    model.eval()
    device = model.linear.weight.device
    found: list[Prediction | None] = [None] * len(examples)
    # Longest examples first, so that memory runs out at once or never.
    waiting = by_length(encoded, most_tokens)[::-1]
    while waiting:
        group = waiting.pop()
        try:
            with autocast():
                logits = model(pack(group, task.outputs).to(device))
        except torch.OutOfMemoryError:
            waiting += _halves(group)
            continue
        probabilities = logits.float().softmax(-1).cpu()
        for row, example in zip(probabilities, group, strict=True):
            found[example.index] = _prediction(task, examples[example.index], row)
        progress(len(group))
    return [p for p in found if p is not None]


def _halves(group: list[Encoded]) -> list[list[Encoded]]:
    """A group that does not fit in memory as two, the shorter examples first."""
    if len(group) == 1:
        raise TrainingError(
            f"one example alone ({group[0].id}, {len(group[0].tree.tokens)} tokens) does not fit "
            "in memory: use a smaller model, or --device cpu"
        )
    middle = len(group) // 2
    return [group[middle:], group[:middle]]


def _prediction(task: Task, example: Example, probabilities: Tensor) -> Prediction:
    """One prediction: the likeliest label or answer, or the expected score."""
    values = [round(v, 6) for v in probabilities.tolist()]
    answer: str | int | float
    if task.kind == "regress":
        scale = torch.arange(task.scale[0], task.scale[1] + 1, dtype=probabilities.dtype)
        answer, values = round(float(probabilities @ scale), 6), []
    elif task.kind == "choose":
        values = values[: len(example.sequences)]
        answer = int(probabilities.argmax())
    else:
        answer = task.labels[int(probabilities.argmax())]
    return Prediction(
        example.id, example.label, answer, tuple(values), example.part, example.cluster
    )
