"""Predictions of a fine-tuned model over one split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpteval.compute.memory import in_parts
from gpteval.encode.batch import Encoded, pack
from gpteval.encode.batching import SCORING_TOKENS, by_length, dealt
from gpteval.progress import Progress, Silent
from gpteval.records import Prediction
from gpteval.task import Example, Task
from gpteval.train.head import TaskModel

if TYPE_CHECKING:
    from gpteval.compute.distributed import World


def predict(
    model: TaskModel,
    task: Task,
    examples: Sequence[Example],
    encoded: Sequence[Encoded],
    *,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    world: World | None = None,
    title: str = "",
    progress: Progress | None = None,
) -> list[Prediction]:
    """Predict every example of a split, in file order.

    Args:
        model: The fine-tuned model; left in evaluation mode.
        task: The one it was trained on, or one that is scored with that one's model: its labels
            are read by name.
        examples: The split, in file order.
        encoded: The same, encoded.
        autocast: Context to compute in.
        world: Processes that share the work and all get the predictions; None for this one alone.
        title: What the progress bar shows.
        progress: Told of every example; None where another phase is under way.

    Raises:
        TrainingError: One example alone does not fit in memory.
    """
    own = dealt(encoded, world.rank, world.size) if world else encoded
    shown = progress or Silent()
    shown.begin(title, len(own))
    shortest = min(encoded, key=lambda example: len(example.tree.tokens), default=None)
    likely = probabilities(model, own, autocast=autocast, done=shown.advance, spare=shortest)
    shown.end()
    table = torch.zeros(len(examples), _outputs(model, encoded))
    for index, row in likely.items():
        table[index, : len(row)] = row
    if world:
        table = world.total(table)
    table = renamed(table, model.task, task)
    return [_prediction(task, *pair) for pair in zip(examples, table, strict=True)]


def renamed(table: Tensor, trained: Task, task: Task) -> Tensor:
    """Probabilities of one task's labels as those of another's, by name, (n, C) → (n, C').

    Args:
        table: In the order of the training task's labels; of other kinds, left as they are.
        trained: The training task.
        task: The one that is scored; `fits` that one.
    """
    names = [task.label_map.get(label, label) for label in trained.labels]
    if task.kind != "classify" or names == list(task.labels):
        return table
    places = torch.tensor([task.labels.index(name) for name in names])
    return table.new_zeros(len(table), len(task.labels)).index_add(1, places, table)


@torch.no_grad()
def probabilities(
    model: TaskModel,
    encoded: Sequence[Encoded],
    *,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    done: Callable[[int], None] = lambda examples: None,
    spare: Encoded | None = None,
) -> dict[int, Tensor]:
    """Probabilities of the labels or answers, by the examples' places in their split.

    A row may be longer than its example has answers; those that are not there have 0. `done` is
    called with the number of examples of every batch. Processes that each hold a share of the model
    make as many passes as each other: one that has no example left reads `spare`.

    Raises:
        TrainingError: One example alone does not fit in memory.
    """
    model.eval()
    device, sharded = model.linear.weight.device, model.sharded

    def read(group: list[Encoded]) -> Tensor:
        # Weights that were gathered in inference mode could not be trained on afterwards.
        with torch.inference_mode(not sharded), autocast():
            logits: Tensor = model(pack(group, _outputs(model, group), lm=False).to(device))
        return logits.float().softmax(-1).cpu()

    table: dict[int, Tensor] = {}
    # Longest examples first, so that memory runs out at once or never.
    groups = by_length(encoded, SCORING_TOKENS)
    if sharded and spare:
        answered = sharded.in_parts(groups, read, Encoded.told, spare)
    else:
        answered = in_parts(groups, read, Encoded.told)
    for group, rows in answered:
        table |= {example.index: row for example, row in zip(group, rows, strict=True)}
        done(len(group))
    return table


def _outputs(model: TaskModel, encoded: Sequence[Encoded]) -> int:
    """Labels or whole scores of a task; of choices the most answers, which no target tells."""
    if model.task.kind != "choose":
        return model.task.outputs
    return max((len(e.tree.ends) for e in encoded), default=0)


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
