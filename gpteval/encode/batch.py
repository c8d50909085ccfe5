"""A batch: packed token trees, without padding, and what a training step reads from them.

Shape letters: N tokens of all trees together, M sequences, B examples. Packing is the plan's
`(R, T)` without the padding: every token-wise layer then runs on real tokens only, and a model that
wants rows can make them from `spans` and `parents`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch

from gpteval.encode.tree import Span, Tree

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


@dataclass(frozen=True, slots=True)
class Batch:
    """Token trees of B examples, packed one after another.

    Attributes:
        tokens: (N,) token ids.
        positions: (N,) place of each token on its path, from 0.
        parents: (N,) index of the token before it on its path, -1 at a beginning.
        spans: Runs of tokens without a branch; a token sees its span up to itself and all of its
            span's ancestors.
        ends: (M,) index of the last (extract) token of every sequence.
        owners: (M,) which example of the batch each sequence belongs to.
        slots: (M,) which of its example's sequences it is.
        targets: (B, outputs) soft targets; zeros where unlabelled or beyond an example's answers.
        lm_weight: (N,) share of each token's prediction in the LM loss: the mean over a sequence's
            tokens, then over all sequences of the whole batch [C]; a shared token counts once for
            every sequence it stands in.
        share: Share of each example in the task loss: 1 / size of the whole batch, of which this
            may be a part (micro-batch).
        ids: The examples' ids.
        indices: Their places in the split.
    """

    tokens: Tensor
    positions: Tensor
    parents: Tensor
    spans: tuple[Span, ...]
    ends: Tensor
    owners: Tensor
    slots: Tensor
    targets: Tensor
    lm_weight: Tensor
    share: float
    ids: tuple[str, ...]
    indices: tuple[int, ...]

    @property
    def examples(self) -> int:
        """Number of examples, B."""
        return len(self.ids)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on `device`."""
        return self._moved(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> Batch:
        """The same batch where a GPU can fetch it while the CPU goes on."""
        return self._moved(torch.Tensor.pin_memory)

    def _moved(self, move: Callable[[Tensor], Tensor]) -> Batch:
        moved: dict[str, Any] = {
            f.name: move(getattr(self, f.name))
            for f in fields(self)
            if isinstance(getattr(self, f.name), torch.Tensor)
        }
        return replace(self, **moved)


def pack(
    examples: Sequence[Encoded],
    outputs: int,
    *,
    whole_examples: int = 0,
    whole_sequences: int = 0,
) -> Batch:
    """Pack examples into a batch.

    Args:
        examples: At least one.
        outputs: Width of the targets; raised to the largest number of sequences of an example.
        whole_examples: Examples of the batch that these are a part of; 0 when they are all of it.
        whole_sequences: The same for its sequences.
    """
    sequences = whole_sequences or sum(len(e.tree.ends) for e in examples)
    tokens: list[int] = []
    positions: list[int] = []
    parents: list[int] = []
    weights: list[float] = []
    spans: list[Span] = []
    reads: list[tuple[int, int, int]] = []
    for owner, example in enumerate(examples):
        offset, tree = len(tokens), example.tree
        tokens += tree.tokens
        positions += tree.positions
        parents += [p + offset if p >= 0 else -1 for p in tree.parents]
        spans += [span.shifted(offset) for span in tree.spans]
        weights += lm_weights(tree, sequences)
        reads += [(end + offset, owner, slot) for slot, end in enumerate(tree.ends)]
    width = max(outputs, *(len(e.target) for e in examples))
    ends, owners, slots = torch.tensor(reads, dtype=torch.long).unbind(1)
    return Batch(
        tokens=torch.tensor(tokens),
        positions=torch.tensor(positions),
        parents=torch.tensor(parents),
        spans=tuple(spans),
        ends=ends,
        owners=owners,
        slots=slots,
        targets=torch.tensor([e.target + (0.0,) * (width - len(e.target)) for e in examples]),
        lm_weight=torch.tensor(weights),
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
