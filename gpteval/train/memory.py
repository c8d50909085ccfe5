"""How much memory a fine-tuning needs, from the shapes of what it holds, before its first update.

    an update = weights + gradients + moments + kept weights + states of the largest part + logits
    a save    = weights + moments + kept weights, and a copy of each

Of weights that are split among processes each has its share, and so of gradients, moments and kept
weights; in an update also those that it has gathered, and their gradients. The first saves it all.

Weights: of the task model; gradients and moments: of those that learn. Kept: the best weights,
which lie in the computer's own memory; so do the copies of a save. States: what a backward pass
needs of a forward one, counted in two small ones and told for the largest part of a batch. Where
freed memory stays with the process there are holes in it: states and logits, of many sizes, take
`HOLES` times as much (benchmarks/memory.py holds this to measured peaks).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, UntypedStorage, nn

from gpteval.compute.distributed import blocks, share
from gpteval.encode.batching import MOST_LOGITS, by_length, micro_batches
from gpteval.train.checkpointing import keeping
from gpteval.train.optimiser import moments

if TYPE_CHECKING:
    from gpteval.encode.batch import Encoded
    from gpteval.train.course import Course
    from gpteval.train.finetune import Finetuning

HOLES = {"cpu": 1.2, "mps": 1.0, "cuda": 1.0}
"""How much more is held than is used at a time (see `gpteval.compute.device.keep_freed_memory`)."""

UPDATES = 1000
"""Most updates whose batches are looked at for the largest part."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a fine-tuning holds at its largest, beside what its process held before.

    Attributes:
        weights: Of the task model.
        learnt: Of those that learn: as much again for their gradient.
        moments: What the optimiser keeps for them.
        kept: The best weights so far, where they lie on the device that computes.
        gathered: Of weights that are split, those of the blocks that are computed, whole, and their
            gradients.
        states: What a forward pass leaves for the backward pass.
        logits: Those that are computed at once, and the gradient of the largest matrix.
        saved: Copies that a save makes, where they are made on the device that computes.
        holes: Of `HOLES`.
    """

    weights: int
    learnt: int
    moments: int
    kept: int
    gathered: int
    states: int
    logits: int
    saved: int
    holes: float

    @property
    def total(self) -> int:
        """In an update or in a save, whichever takes more."""
        update = self.learnt + self.gathered + round(self.holes * (self.states + self.logits))
        return self.weights + self.moments + self.kept + max(update, self.saved)


def needed(finetuning: Finetuning, course: Course) -> Memory:
    """What a fine-tuning that has not begun will need on its device.

    Args:
        finetuning: Its model is left as it is, in training mode, and so are random numbers.
        course: What it will read.
    """
    model, device = finetuning.model, finetuning.device
    parameters = list(model.parameters())
    learning = [p for p in parameters if p.requires_grad]
    weights, learnt = _bytes(map(share, parameters)), _bytes(map(share, learning))
    here, first = device.type == "cpu", finetuning.world.first
    part = _largest(finetuning, course)
    predicts = course.schedule.predicts(1)
    tokens = sum(len(e.tree.tokens) for e in part)
    logits = min(MOST_LOGITS[device.type], tokens * model.model.vocab_size) if predicts else 0
    return Memory(
        weights=weights,
        learnt=learnt,
        moments=_moments(finetuning, map(share, learning)),
        kept=weights if here else 0,
        gathered=_gathered(model) if model.sharded else 0,
        states=_states(finetuning, part),
        logits=4 * logits + max((p.nbytes for p in learning), default=0),
        saved=2 * _bytes(parameters) + _moments(finetuning, learning) if here and first else 0,
        holes=1.0 if model.sharded else HOLES[device.type],
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _moments(finetuning: Finetuning, parameters: Iterable[Tensor]) -> int:
    """Bytes that the optimiser keeps for some parameters."""
    kept = [moments(finetuning.optimiser, p).values() for p in parameters]
    return sum(shape.numel() * size for own in kept for shape, size in own)


def _gathered(model: nn.Module) -> int:
    """Bytes of weights and gradients that are whole at a time: of two blocks, and of all else."""
    sizes = [_bytes(block.parameters()) for block in blocks(model)]
    return 2 * (_bytes(model.parameters()) - sum(sizes) + 2 * max(sizes, default=0))


def _largest(finetuning: Finetuning, course: Course) -> list[Encoded]:
    """The part of a batch with the most tokens."""
    batches = islice(course.batches(), UPDATES)
    parts = (
        part for batch in batches for part in by_length(batch, finetuning.gradients.most_tokens)
    )
    return max(parts, key=lambda part: sum(len(e.tree.tokens) for e in part))


def _states(finetuning: Finetuning, part: Sequence[Encoded]) -> int:
    """Bytes that a backward pass needs of the forward pass over a part.

    What its longest example leaves, once and twice, tells what any tokens take and what each takes.
    """
    longest = part[0]
    gpus = [finetuning.device] if finetuning.device.type == "cuda" else []
    # Not compiled: a graph would be made for these two passes alone.
    with torch.random.fork_rng(gpus), torch.compiler.set_stance("force_eager"):
        once, twice = (_held(finetuning, [longest] * times) for times in (1, 2))
    tokens = sum(len(e.tree.tokens) for e in part)
    each = max(0, twice - once) / len(longest.tree.tokens)
    return round(max(0, 2 * once - twice) + each * tokens)


def _held(finetuning: Finetuning, examples: Sequence[Encoded]) -> int:
    """Bytes between the passes; of a layer that is computed again, states and their gradients."""
    left = _left(finetuning, examples)
    with keeping(finetuning.model) as layers:
        return left + 2 * (_left(finetuning, examples) - left) // layers if layers else left


def _left(finetuning: Finetuning, examples: Sequence[Encoded]) -> int:
    """Bytes that a forward pass over some examples leaves, parameters not counted."""
    model, config = finetuning.model, finetuning.config
    own = {share(p).untyped_storage().data_ptr() for p in model.parameters()}
    found = dict[int, UntypedStorage]()

    def note(tensor: Tensor) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage
        return tensor

    lm = config.lm_weight > 0
    (batch,) = micro_batches(examples, model.linear.out_features, 1 << 40, lm=lm)
    model.train()
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with hooks, finetuning.autocast():
        losses = model.losses(batch.to(finetuning.device), config.lm_weight)
    left = sum(storage.nbytes() for storage in found.values())  # of gathered weights nothing is
    del losses
    if model.sharded:
        model.sharded.begin_again()
    return left
