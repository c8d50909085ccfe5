"""The task head: what fine-tuning adds on top of the language model (paper §3.2, §3.3).

Shape letters: N tokens, M sequences, B examples, D width, C classes, K answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpteval.encode.batch import Batch
from gpteval.encode.examples import Specials
from gpteval.model import Model, hidden_at
from gpteval.task import Task
from gpteval.train.token_loss import token_loss

if TYPE_CHECKING:
    from gpteval.compute.sharding import Sharded


class TaskModel(nn.Module):
    """A language model with start, delimiter and extract tokens and a linear layer for one task.

    Classification and entailment read the last state of the one sequence; similarity adds the
    states of both orders; multiple choice scores every sequence and compares them. Pooled by
    `concat` it reads three times as much: the last state, the maximum and the mean over the
    sequence's tokens (Howard & Ruder 2018, §3.3).

    Attributes:
        sharded: How several processes compute it that each hold a share of its weights; None where
            this one has them all.
    """

    sharded: Sharded | None = None

    def __init__(
        self,
        model: Model,
        task: Task,
        dropout: float,
        specials: Specials | None = None,
        pooling: str = "extract",
    ) -> None:
        """Adds tokens to `model` in place and draws the new weights from torch's random state.

        Args:
            model: The language model.
            task: What its head answers.
            dropout: Of the states that the head reads, in training.
            specials: The tokens, where the model has them already.
            pooling: What it reads of a sequence: "extract" or "concat".
        """
        super().__init__()
        self.specials = specials or Specials.after(model.add_tokens(Specials.COUNT))
        self.model = model
        self.task = task
        self.dropout, self.pooling = dropout, pooling
        read = 3 * model.width if pooling == "concat" else model.width
        self.linear = nn.Linear(read, task.outputs)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, batch: Batch) -> Tensor:
        """Task logits (B, C), or (B, K) with -inf beyond an example's answers."""
        return self._logits(batch)

    def _logits(self, batch: Batch) -> Tensor:
        if self.pooling == "concat":
            return self._answered(batch, self._read(batch, self.model.hidden(batch.trees)))
        return self._answered(batch, hidden_at(self.model, batch.trees, batch.ends))

    def _read(self, batch: Batch, hidden: Tensor) -> Tensor:
        """What the head reads of every sequence: (N, D) → (M, D) or (M, 3·D)."""
        last = hidden.index_select(0, batch.ends)
        if self.pooling == "extract":
            return last
        return torch.cat([last, *pooled(hidden, *batch.trees.paths(batch.ends))], 1)

    def _answered(self, batch: Batch, ends: Tensor) -> Tensor:
        """Task logits from what is read of every sequence, (M, D) or (M, 3·D)."""
        if self.task.kind == "choose":
            # One mask for all answers of an example [C].
            keep = F.dropout(
                ends.new_ones(batch.examples, ends.shape[1]), self.dropout, self.training
            )
            scores: Tensor = self.linear(ends * keep[batch.owners]).squeeze(1).float()  # (M,)
            absent = scores.new_full(batch.targets.shape, float("-inf"))
            return absent.index_put((batch.owners, batch.slots), scores)
        summed = ends.new_zeros(batch.examples, ends.shape[1]).index_add(0, batch.owners, ends)
        logits: Tensor = self.linear(F.dropout(summed, self.dropout, self.training)).float()
        return logits

    def losses(self, batch: Batch, lm_weight: float) -> tuple[Tensor, Tensor]:
        """Task loss and auxiliary language-model loss of the batch's share, both scalars.

        A micro-batch's losses are its part of the whole batch's means, so they add up to them.
        The LM loss is 0 where `lm_weight` is.
        """
        if not lm_weight:
            task_loss = self._task_loss(batch, self._logits(batch))  # a call would gather weights
            return task_loss, task_loss.new_zeros(())
        hidden = self.model.hidden(batch.trees)  # (N, D)
        task_loss = self._task_loss(batch, self._answered(batch, self._read(batch, hidden)))
        return task_loss, self.lm_loss(batch, hidden)

    def text_loss(self, batch: Batch) -> Tensor:
        """Language-model loss of the batch's share alone, a scalar."""
        return self.lm_loss(batch, self.model.hidden(batch.trees))

    def _task_loss(self, batch: Batch, logits: Tensor) -> Tensor:
        return cross_entropy(logits, batch.targets).sum() * batch.share

    def lm_loss(self, batch: Batch, hidden: Tensor) -> Tensor:
        """Weighted next-token loss; logits only of predicted tokens: all but where paths begin."""
        trees, weights = batch.trees, batch.lm_weight
        assert weights is not None  # whoever asks for the loss packs its weights
        beginnings = sum(not span.ancestors for span in trees.spans)
        # With a size known beforehand nobody waits for the device to count.
        size = len(trees.tokens) - beginnings
        predicted = torch.nonzero_static(trees.parents >= 0, size=size).squeeze(1)  # (P,)
        states = hidden.index_select(0, trees.parents[predicted])  # (N, D) → (P, D)
        return token_loss(self.model, states, trees.tokens[predicted], weights[predicted])


def pooled(hidden: Tensor, tokens: Tensor, sequences: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum and mean of the states of every sequence's tokens, (M, D) each.

    Args:
        hidden: (N, D).
        tokens: (P,) their places in it, each sequence's together.
        sequences: (P,) which of the M sequences each stands in; every one has at least one.
    """
    states = hidden.index_select(0, tokens)  # (P, D)
    count = torch.bincount(sequences)  # (M,)
    shape = (len(count), hidden.shape[1])
    places = sequences[:, None].expand_as(states)
    largest = states.new_full(shape, float("-inf")).scatter_reduce(0, places, states, "amax")
    summed = states.new_zeros(shape).index_add(0, sequences, states)
    return largest, summed / count[:, None]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of soft targets, per example (B,); outputs that are not there (-inf) add 0."""
    log_probabilities = logits.log_softmax(-1)
    return -(targets * log_probabilities.masked_fill(targets == 0, 0.0)).sum(-1)
