"""Token trees: sequences that share a prefix, each shared token stored once.

A tree is a forest of spans in depth-first order. A span is a run of tokens with no branch in it; a
token sees the tokens before it in its span and every token of the ancestor spans. So four answers
to one question cost one reading of the article, with the logits of four separate sequences.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MIN_SHARED = 4
"""Prefixes shorter than this are repeated: a span of a few tokens costs more than it saves."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of tokens without a branch.

    Attributes:
        start, stop: Its tokens, half open, counted from the beginning of the tree (or batch).
        ancestors: The spans its tokens see in full, root first, as (start, stop).
    """

    start: int
    stop: int
    ancestors: tuple[tuple[int, int], ...] = ()

    def shifted(self, by: int) -> Span:
        """The same span, `by` tokens further on."""
        return Span(
            self.start + by, self.stop + by, tuple((a + by, b + by) for a, b in self.ancestors)
        )


@dataclass(frozen=True, slots=True)
class Tree:
    """Sequences folded together, T tokens in all.

    Attributes:
        tokens: Token ids, span after span.
        positions: Position of each token on its path, from 0.
        parents: Index of the token before it on its path, -1 at a path's beginning.
        spans: The spans, ancestors before descendants.
        ends: For each sequence, the index of its last token.
    """

    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    parents: tuple[int, ...]
    spans: tuple[Span, ...]
    ends: tuple[int, ...]

    @property
    def tokens_read(self) -> int:
        """Tokens of all sequences, as they would be computed apart."""
        return sum(self.positions[end] + 1 for end in self.ends)

    @property
    def keys(self) -> int:
        """Over all tokens, how many tokens each one sees, itself included."""
        return sum(self.positions) + len(self.positions)

    def path(self, end: int) -> list[int]:
        """Indices of the tokens from a path's beginning to `end`, in reading order."""
        indices = []
        while end >= 0:
            indices.append(end)
            end = self.parents[end]
        return indices[::-1]


@dataclass(frozen=True, slots=True)
class Trees:
    """What a model reads: token trees packed one after another, N tokens without padding.

    Attributes:
        tokens: (N,) token ids.
        positions: (N,) position of each token on its path, from 0.
        parents: (N,) index of the token before it on its path, -1 at a path's beginning.
        spans: Runs of tokens without a branch; a token sees its span up to itself and all of its
            span's ancestors.
    """

    tokens: Tensor
    positions: Tensor
    parents: Tensor
    spans: tuple[Span, ...]

    def to(self, device: torch.device | str) -> Trees:
        """The same trees with their tensors on `device`."""
        # On MPS a copy that nobody waits for may be read before it is there.
        cuda = str(device).startswith("cuda")
        return self.moved(lambda tensor: tensor.to(device, non_blocking=cuda))

    def moved(self, move: Callable[[Tensor], Tensor]) -> Trees:
        """The same trees with their tensors moved."""
        return Trees(move(self.tokens), move(self.positions), move(self.parents), self.spans)

    def paths(self, ends: Tensor) -> tuple[Tensor, Tensor]:
        """Every token of the paths to `ends` (M,): its place (P,), and which path it is on (P,)."""
        starts = [span.start for span in self.spans]
        places: list[int] = []
        paths: list[int] = []
        for path, end in enumerate(ends.tolist()):
            span = self.spans[bisect_right(starts, end) - 1]
            runs = (*span.ancestors, (span.start, end + 1))
            places += chain.from_iterable(range(*run) for run in runs)
            paths += [path] * (len(places) - len(paths))
        return ends.new_tensor(places), ends.new_tensor(paths)


def fold(sequences: Sequence[Sequence[int]], min_shared: int = MIN_SHARED) -> Tree:
    """Fold token sequences into a tree of their common prefixes.

    Args:
        sequences: Token ids, none of them empty.
        min_shared: Shortest run that is shared, at least 1; a number beyond the longest sequence
            keeps unequal sequences apart.
    """
    builder = _Folding(sequences, min_shared)
    builder.grow(list(range(len(sequences))), depth=0, parent=-1, ancestors=())
    return Tree(
        tuple(builder.tokens),
        tuple(builder.positions),
        tuple(builder.parents),
        tuple(builder.spans),
        tuple(builder.ends),
    )


class _Folding:
    """The growing tree of `fold`."""

    def __init__(self, sequences: Sequence[Sequence[int]], min_shared: int) -> None:
        self.sequences, self.min_shared = sequences, min_shared
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.parents: list[int] = []
        self.spans: list[Span] = []
        self.ends = [-1] * len(sequences)

    def grow(
        self, members: list[int], depth: int, parent: int, ancestors: tuple[tuple[int, int], ...]
    ) -> None:
        """Add the rest, from `depth` on, of sequences that agree up to there."""
        for group in self._alike(members, depth):
            stop = _common(self.sequences, group, depth)
            start = len(self.tokens)
            self._append(self.sequences[group[0]][depth:stop], depth, parent)
            self.spans.append(Span(start, len(self.tokens), ancestors))
            last = len(self.tokens) - 1
            for member in [m for m in group if len(self.sequences[m]) == stop]:
                self.ends[member] = last
            longer = [m for m in group if len(self.sequences[m]) > stop]
            if longer:
                self.grow(longer, stop, last, (*ancestors, (start, last + 1)))

    def _alike(self, members: list[int], depth: int) -> list[list[int]]:
        """Members grouped by their next `min_shared` tokens (or all they have left)."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for member in members:
            head = tuple(self.sequences[member][depth : depth + self.min_shared])
            groups.setdefault(head, []).append(member)
        return list(groups.values())

    def _append(self, tokens: Sequence[int], depth: int, parent: int) -> None:
        for offset, token in enumerate(tokens):
            self.parents.append(len(self.tokens) - 1 if offset else parent)
            self.positions.append(depth + offset)
            self.tokens.append(token)


def _common(sequences: Sequence[Sequence[int]], group: list[int], depth: int) -> int:
    """Length of the longest prefix that all sequences of the group share."""
    # What the first and the last in alphabetical order share, all between them share.
    first = min(tuple(sequences[m][depth:]) for m in group)
    last = max(tuple(sequences[m][depth:]) for m in group)
    for offset, (a, b) in enumerate(zip(first, last, strict=False)):
        if a != b:
            return depth + offset
    return depth + min(len(first), len(last))
