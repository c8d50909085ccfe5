"""Plain sequences read by a model: their likelihood, and bits per byte of whole documents.

Shape letters: L tokens of a sequence, N tokens of all sequences, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from gpteval.compute.cost import forward_flops
from gpteval.compute.distributed import World
from gpteval.compute.memory import in_parts
from gpteval.corpus.tokens import TokenFile
from gpteval.encode.batching import MOST_LOGITS
from gpteval.train.token_loss import token_loss
from gpteval.tree import Span, Trees

if TYPE_CHECKING:
    from gpteval.model import Model


def negative_log_likelihood(model: Model, windows: Sequence[Tensor]) -> Tensor:
    """Sum over all windows of −log p of every token but the first, in nats.

    Args:
        model: On the windows' device.
        windows: Token ids, (L + 1,) each; L may differ.
    """
    targets = torch.cat([w[1:] for w in windows])
    return token_loss(model, model.hidden(plain_trees([w[:-1] for w in windows])), targets)


class Objective(nn.Module):
    """A model that reads windows and predicts each next token: what a training makes smaller.

    It is the module whose forward pass several processes share.

    Attributes:
        model: Its weights are this module's.
    """

    def __init__(self, model: Model) -> None:
        """Nothing is copied."""
        super().__init__()
        self.model = model

    def forward(self, windows: Sequence[Tensor]) -> Tensor:
        """As `negative_log_likelihood`."""
        return negative_log_likelihood(self.model, windows)

    def refuse(self, data: TokenFile, context: int) -> None:
        """Refuse a corpus that nothing can be learnt from in windows of `context` tokens."""

    def window_flops(self, length: int) -> int:
        """FLOPs of training on a window of so many predicted tokens."""
        return 3 * forward_flops(self.model, length, length * (length + 1) // 2, length)

    def held_out(
        self,
        documents: TokenFile,
        context: int,
        world: World,
        read: Callable[[Sequence[Tensor]], Tensor],
    ) -> dict[str, float]:
        """What is measured on documents kept apart.

        Args:
            documents: These.
            context: Tokens of a window.
            world: Processes that share the work and all get the result.
            read: This module, as the processes share it.

        Returns:
            held_out_loss (nats per token) and bits_per_byte.
        """
        bits = bits_per_byte(self.model, documents, context, world=world, read=read)
        predicted = sum(d.stop - d.start - 1 for d in documents.documents)
        size = sum(d.size for d in documents.documents)
        return {
            "held_out_loss": bits * math.log(2) * size / predicted,
            "bits_per_byte": bits,
        }


def plain_trees(rows: Sequence[Tensor]) -> Trees:
    """Sequences without branches: one span each.

    Args:
        rows: Token ids, (L,) each; L may differ. The trees are on their device.
    """
    device = rows[0].device
    stops = np.cumsum([len(row) for row in rows]).tolist()
    starts = [0, *stops[:-1]]
    parents = torch.arange(stops[-1], device=device) - 1  # (N,)
    parents[torch.tensor(starts, device=device)] = -1
    return Trees(
        tokens=torch.cat(list(rows)),  # (N,)
        positions=torch.cat([torch.arange(len(row), device=device) for row in rows]),  # (N,)
        parents=parents,
        spans=tuple(Span(start, stop) for start, stop in zip(starts, stops, strict=True)),
    )


@torch.no_grad()
def bits_per_byte(
    model: Model,
    documents: TokenFile,
    context: int,
    *,
    world: World | None = None,
    read: Callable[[Sequence[Tensor]], Tensor] | None = None,
) -> float:
    """−log2 p of whole documents over the UTF-8 bytes of their texts as they were read.

    Each document is read in windows of `context` tokens side by side, in fp32; every token is
    predicted once, from the tokens before it in its window. A document's first token, the
    tokenizer's `start`, is given. Lower case and standard quotes lose information that the bytes
    still have: compare models of one way to split text.

    Args:
        model: The model.
        documents: What it reads.
        context: Tokens of a window.
        world: Processes that share the work and all get the result; None for this one alone.
        read: The model's `negative_log_likelihood` of windows, where its weights are shared out.

    Raises:
        TrainingError: One window alone does not fit in memory.
    """
    world, read = world or World(), read or partial(negative_log_likelihood, model)
    ranges = windows_of(documents, context)
    nats = summed(model, documents, ranges, world, read)
    return nats / math.log(2) / sum(d.size for d in documents.documents)


def windows_of(documents: TokenFile, context: int) -> list[tuple[int, int]]:
    """Windows of whole documents side by side, each with the token after it: begin and end."""
    return [
        (begin, min(begin + context, document.stop - 1) + 1)
        for document in documents.documents
        for begin in range(document.start, document.stop - 1, context)
    ]


@torch.no_grad()
def summed(
    model: Model,
    documents: TokenFile,
    ranges: Sequence[tuple[int, int]],
    world: World,
    read: Callable[[Sequence[Tensor]], Tensor],
) -> float:
    """What `read` gives of some windows in evaluation mode, added up over all processes.

    Raises:
        TrainingError: One window alone does not fit in memory.
    """
    device = next(model.parameters()).device

    def spent(runs: list[tuple[int, int]]) -> float:
        chosen = [torch.from_numpy(documents.tokens[a:b].astype("int64")) for a, b in runs]
        return float(read([tokens.to(device) for tokens in chosen]))

    longest = max(b - a for a, b in ranges) - 1
    at_once = max(1, MOST_LOGITS[device.type] // (longest * model.vocab_size))
    passes = [list(ranges[first : first + at_once]) for first in range(0, len(ranges), at_once)]
    own, training = passes[world.rank :: world.size], model.training
    model.eval()
    if world.size > 1:
        nats = sum(map(spent, own))
        # They may wait for each other in every pass, and make as many: a spare one counts nothing.
        _ = [spent(passes[-1]) for _ in range(math.ceil(len(passes) / world.size) - len(own))]
    else:
        told = f"a window of {longest} tokens"
        nats = sum(found for _, found in in_parts(own, spent, lambda runs: told))
    model.train(training)
    (nats,) = world.sums(nats)
    return nats
