"""Packing: token trees one after another, and what training and scoring read from them.

Shape letters: N tokens of all trees together, M sequences, B examples. Without padding, every
token-wise layer runs on real tokens only; a model that wants rows makes them from the spans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch

from gpteval.tree import Span, Tree, Trees

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as a token tree.

    Attributes:
        id: The example's id.
        tree: Its sequences, shared prefixes stored once.
        target: Soft target over the task's outputs (classify, regress) or over its sequences
            (choose); empty where the example has no label.
        index: Its place in the split, so that results come back in file order.
    """

    id: str
    tree: Tree
    target: tuple[float, ...]
    index: int

    def told(self) -> str:
        """What an error calls it."""
        return f"example {self.id} ({len(self.tree.tokens)} tokens)"


@dataclass(frozen=True, slots=True)
class Batch:
    """Token trees of B examples, and what a task head and its losses read from them.

    Attributes:
        trees: What the model reads.
        ends: (M,) index of the last (extract) token of every sequence.
        owners: (M,) which example of the batch each sequence belongs to.
        slots: (M,) which of its example's sequences it is.
        targets: (B, outputs) soft targets; zeros where unlabelled or beyond an example's answers.
        lm_weight: (N,) share of each token's prediction in the LM loss: the mean over a sequence's
            tokens, then over all sequences of the whole batch [C]; a shared token counts once for
            every sequence it stands in. None where nobody asks for that loss.
        share: Share of each example in the task loss: 1 / size of the whole batch, of which this
            may be a part (micro-batch).
        ids: The examples' ids.
        indices: Their places in the split.
    """

    trees: Trees
    ends: Tensor
    owners: Tensor
    slots: Tensor
    targets: Tensor
    lm_weight: Tensor | None
    share: float
    ids: tuple[str, ...]
    indices: tuple[int, ...]

    @property
    def examples(self) -> int:
        """Number of examples, B."""
        return len(self.ids)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on `device`."""
        cuda = str(device).startswith("cuda")  # on MPS it would corrupt what is copied
        return self._moved(lambda tensor: tensor.to(device, non_blocking=cuda))

    def pinned(self) -> Batch:
        """The same batch where a GPU can fetch it while the CPU goes on."""
        return self._moved(torch.Tensor.pin_memory)

    def _moved(self, move: Callable[[Tensor], Tensor]) -> Batch:
        moved: dict[str, Any] = {
            f.name: move(getattr(self, f.name))
            for f in fields(self)
            if isinstance(getattr(self, f.name), torch.Tensor)
        }
        return replace(self, trees=self.trees.moved(move), **moved)


def pack_trees(trees: Sequence[Tree]) -> Trees:
    """Trees one after another; at least one."""
    tokens: list[int] = []
    positions: list[int] = []
    parents: list[int] = []
    spans: list[Span] = []
    for tree in trees:
        offset = len(tokens)
        tokens += tree.tokens
        positions += tree.positions
        parents += [p + offset if p >= 0 else -1 for p in tree.parents]
        spans += [span.shifted(offset) for span in tree.spans]
    return Trees(
        torch.tensor(tokens),  # (N,)
        torch.tensor(positions),  # (N,)
        torch.tensor(parents),  # (N,)
        tuple(spans),
    )


def pack(
    examples: Sequence[Encoded],
    outputs: int,
    *,
    whole_examples: int = 0,
    whole_sequences: int = 0,
    lm: bool = True,
) -> Batch:
    """Pack examples into a batch.

    Args:
        examples: At least one.
        outputs: Width of the targets; at most 1 where every sequence is an answer: then they are
            as wide as an example of them has most, whether it has a label or not.
        whole_examples: Examples of the batch that these are a part of; 0 when they are all of it.
        whole_sequences: The same for its sequences.
        lm: Whether the language-model loss will be asked for.
    """
    trees = [e.tree for e in examples]
    sequences = whole_sequences or sum(len(tree.ends) for tree in trees)
    offsets = accumulate((len(tree.tokens) for tree in trees), initial=0)
    reads = [
        (end + offset, owner, slot)
        for owner, (tree, offset) in enumerate(zip(trees, offsets, strict=False))
        for slot, end in enumerate(tree.ends)
    ]
    width = outputs if outputs > 1 else max(len(tree.ends) for tree in trees)
    ends, owners, slots = torch.tensor(reads, dtype=torch.long).unbind(1)  # (M,) each
    weights = [weight for tree in trees for weight in lm_weights(tree, sequences)] if lm else None
    return Batch(
        trees=pack_trees(trees),
        ends=ends,
        owners=owners,
        slots=slots,
        targets=torch.tensor([e.target + (0.0,) * (width - len(e.target)) for e in examples]),
        lm_weight=None if weights is None else torch.tensor(weights),  # (N,)
        share=1 / (whole_examples or len(examples)),
        ids=tuple(e.id for e in examples),
        indices=tuple(e.index for e in examples),
    )


def lm_weights(tree: Tree, sequences: int) -> list[float]:
    """Share of each token in the LM loss of a batch of `sequences` sequences ([C] train.py).

    A sequence's loss is the mean over its tokens but the first; the batch's is the mean over its
    sequences. A token shared by several sequences collects its share from each.
    """
    weights = [0.0] * len(tree.tokens)
    for end in tree.ends:
        path = tree.path(end)
        for index in path[1:]:
            weights[index] += 1 / (len(path) - 1) / sequences
    return weights
