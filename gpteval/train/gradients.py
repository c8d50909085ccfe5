"""The gradients of a batch, made part by part and added up over all processes.

Several processes deal each batch out among them. Where each has all weights, gradients are added up
once all parts are done. DistributedDataParallel, which adds up within the last backward pass, would
need as many passes of every process: one that runs out of memory and makes smaller parts, or has no
example of a small batch, would leave the others waiting. Where each has a share of the weights
there is no other way: all make as many passes, of which some count nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from gpteval.compute.distributed import World
from gpteval.compute.memory import too_large, tried
from gpteval.compute.sharding import Sharded
from gpteval.config import FinetuneConfig
from gpteval.encode.batch import Batch, Encoded
from gpteval.encode.batching import dealt, micro_batches
from gpteval.train.head import TaskModel

WIDEST = {"cpu": torch.float64, "cuda": torch.float64, "mps": torch.float32}
"""Numbers in which a batch's loss is summed."""

TRAINING_TOKENS = {"cpu": 4096, "cuda": 32768, "mps": 8192}
"""Tokens of one forward and backward pass; larger batches are split."""


class Gradients:
    """Makes the gradients of a task model's batches.

    Attributes:
        most_tokens: Tokens of one pass; less where memory ran out.
        on_texts: Whether the texts are learnt from, and not the task.
    """

    def __init__(
        self,
        model: TaskModel,
        config: FinetuneConfig,
        world: World,
        autocast: Callable[[], AbstractContextManager[object]],
    ) -> None:
        """The model is on the device that computes, whole or `sharded`."""
        self.model, self.config, self.world, self.autocast = model, config, world, autocast
        self.device = model.linear.weight.device
        self.most_tokens = TRAINING_TOKENS[self.device.type]
        self.on_texts = False

    def parts(self, examples: Sequence[Encoded]) -> list[Batch]:
        """This process's share of a batch, split for the hardware."""
        own = dealt(examples, self.world.rank, self.world.size)
        parts = self._packed(own, examples)
        return [part.pinned() for part in parts] if self.device.type == "cuda" else parts

    def add(self, examples: Sequence[Encoded], parts: Sequence[Batch]) -> Tensor:
        """Add the gradients of a batch; returns the loss of all of it.

        Where memory runs out, the batch is split into smaller parts from then on.

        Args:
            examples: All of it.
            parts: This process's.

        Raises:
            TrainingError: An example alone does not fit in memory.
        """
        while (loss := self._summed(examples, parts)) is None:
            self.model.zero_grad(set_to_none=True)
            parts = self._smaller(examples, parts)
        if self.world.size > 1:
            self._exchange(loss)
        return loss

    def _packed(self, own: Sequence[Encoded], examples: Sequence[Encoded]) -> list[Batch]:
        """Parts of a batch that some of its examples make."""
        lm = self.config.lm_weight > 0 or self.config.lm_epochs > 0
        outputs = self.model.linear.out_features
        return micro_batches(own, outputs, self.most_tokens, examples, lm=lm)

    def _smaller(self, examples: Sequence[Encoded], parts: Sequence[Batch]) -> list[Batch]:
        """Parts that take half the memory of some that had too little."""
        most = max((part.examples for part in parts), default=0)
        tokens = max((len(part.trees.tokens) for part in parts), default=0)
        if self.model.sharded:
            most, tokens = map(int, self.world.most(most, tokens))
        if most == 1:
            longest = max(examples, key=lambda example: len(example.tree.tokens))
            raise too_large(longest.told())
        self.most_tokens = min(self.most_tokens, tokens // 2)
        return self.parts(examples)

    def _summed(self, examples: Sequence[Encoded], parts: Sequence[Batch]) -> Tensor | None:
        """Add the gradients of some parts; returns the sum of their losses.

        None where memory ran out, here or in another process that makes the same passes.
        """
        if self.model.sharded:
            return self._together(self.model.sharded, examples, parts)
        return tried(lambda: sum(map(self._backward, parts), self._nothing))

    def _together(
        self, sharded: Sharded, examples: Sequence[Encoded], parts: Sequence[Batch]
    ) -> Tensor | None:
        """The same of processes that make as many passes each."""
        loss, idle = self._nothing, lambda: self._backward(self._idle(examples))
        learning = sum(p.requires_grad for p in self.model.parameters())
        kind = f"texts {learning}" if self.on_texts else f"task {learning}"
        for number in range(int(self.world.most(len(parts))[0])):
            run = partial(self._backward, parts[number]) if number < len(parts) else idle
            found, fits = sharded.attempt(kind, run, idle)
            if found is None or not fits:
                return None
            loss += found
        return loss

    def _idle(self, examples: Sequence[Encoded]) -> Batch:
        """A batch's shortest example as a part that counts nothing."""
        shortest = min(examples, key=lambda example: len(example.tree.tokens))
        (part,) = self._packed([shortest], examples)
        weights = None if part.lm_weight is None else torch.zeros_like(part.lm_weight)
        return replace(part, share=0.0, lm_weight=weights)

    @property
    def _nothing(self) -> Tensor:
        """A loss of 0."""
        return torch.zeros((), dtype=WIDEST[self.device.type], device=self.device)

    def _backward(self, part: Batch) -> Tensor:
        weight = self.config.lm_weight
        with self.autocast():
            if self.on_texts:
                loss = self.model.text_loss(part.to(self.device))
            else:
                task_loss, lm_loss = self.model.losses(part.to(self.device), weight)
                loss = task_loss + weight * lm_loss
        torch.autograd.backward(loss)
        return loss.detach()

    def _exchange(self, loss: Tensor) -> None:
        """Sum the loss and every gradient over all processes; one that is not there counts as 0.

        Gradients that are shared out have been summed in the passes.
        """
        trained = [p for p in self.model.parameters() if p.requires_grad]
        if self.model.sharded:
            trained = []
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.world.add_up([loss, *(p.grad for p in trained if p.grad is not None)])
