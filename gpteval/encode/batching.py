"""Which examples are computed together: the recipe's random batches, split by length.

A batch keeps the paper's meaning (random examples, losses averaged over all of it); how it is split
for the hardware changes no number but rounding, because each part carries its share of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch

from gpteval.encode.batch import Batch, Encoded, pack
from gpteval.tree import Tree

SCORING_TOKENS = 8192
"""Tokens of one forward pass without gradients."""

MOST_LOGITS = {"cpu": 1 << 24, "mps": 1 << 26, "cuda": 1 << 28}
"""Most logits (places × vocabulary) computed at once: they bound the memory."""


def epoch_order(size: int, seed: int, epoch: int) -> list[int]:
    """A random order of `size` examples, the same for the same seed and epoch."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order: list[int] = torch.randperm(size, generator=generator).tolist()
    return order


def micro_batches(
    examples: Sequence[Encoded],
    outputs: int,
    most_tokens: int,
    whole: Sequence[Encoded] | None = None,
    *,
    lm: bool = True,
) -> list[Batch]:
    """Split one batch into parts of at most `most_tokens` tokens, alike in length.

    The parts' losses add up to the batch's loss. An example longer than `most_tokens` stands alone.

    Args:
        examples: The batch, or what one of several processes computes of it.
        outputs: Width of the targets.
        most_tokens: Tokens of a part.
        whole: The batch, where `examples` are not all of it.
        lm: Whether the language-model loss will be asked for.
    """
    whole = examples if whole is None else whole
    sequences = sum(len(e.tree.ends) for e in whole)
    return [
        pack(group, outputs, whole_examples=len(whole), whole_sequences=sequences, lm=lm)
        for group in by_length(examples, most_tokens)
    ]


def dealt(examples: Sequence[Encoded], rank: int, size: int) -> list[Encoded]:
    """The share of one of `size` processes, dealt out by length so that shares take as long."""
    return sorted(examples, key=lambda e: -len(e.tree.tokens))[rank::size]


class HasTree(Protocol):
    """What is read as one token tree."""

    @property
    def tree(self) -> Tree:
        """Its tokens."""


Item = TypeVar("Item", bound=HasTree)


def by_length(examples: Sequence[Item], most_tokens: int) -> list[list[Item]]:
    """Group examples, longest first, into groups of at most `most_tokens` tokens."""
    groups: list[list[Item]] = []
    filled = most_tokens
    for example in sorted(examples, key=lambda e: -len(e.tree.tokens)):
        size = len(example.tree.tokens)
        if filled + size > most_tokens:
            groups.append([])
            filled = 0
        groups[-1].append(example)
        filled += size
    return groups
