"""Attention over token trees: spans alike in size are attended together.

Tokens are sorted once so that every block of attention is a run of them: token-wise layers don't
mind the order. Roots of one length make a block, plainly causal, of views instead of copies.
Siblings make a family, whose queries read their common ancestors' keys once; small families alike
in size make a block, padded to the largest, as a call for each takes longer than what it computes.

Shape letters: N tokens, H heads of queries, K of keys, C channels of a head; a block has G roots or
families of L tokens that see A ancestor tokens besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from gpteval_models.dropout import Attend, Dropout

if TYPE_CHECKING:
    from gpteval import Span

Runs = tuple[tuple[int, int], ...]
"""Runs of tokens, half open."""

SMALL = 96
"""Most keys of a family that is attended with others; a larger one takes longer than the call."""


@dataclass(frozen=True, slots=True)
class Family:
    """Siblings, all of them or a part, and the tokens that they all see."""

    spans: tuple[Span, ...]
    ancestors: Runs

    @property
    def lengths(self) -> list[int]:
        """Tokens of each sibling."""
        return [span.stop - span.start for span in self.spans]

    @property
    def own(self) -> int:
        """Tokens of all siblings."""
        return sum(self.lengths)

    @property
    def seen(self) -> int:
        """Tokens of the ancestors."""
        return sum(stop - start for start, stop in self.ancestors)


@dataclass(frozen=True, slots=True)
class Block:
    """Queries that are attended in one call.

    Attributes:
        count, length, seen: G, L and A.
        mask: 0 where a token sees another, else -inf; (L, L) for roots, else (G, 1, L, A + L).
        causal: Whether the mask says no more than that no token sees what follows it.
    """

    count: int
    length: int
    seen: int
    mask: Tensor
    causal: bool = False


class SpanBlocks:
    """The spans of one batch as blocks of attention; made once, used by every layer."""

    def __init__(self, spans: Sequence[Span], device: torch.device) -> None:
        """Arrange the spans of a batch whose tensors are on `device`."""
        roots: dict[int, list[Span]] = {}
        for span in spans:
            if not span.ancestors:
                roots.setdefault(span.stop - span.start, []).append(span)
        groups = _alike(_families(spans))
        families = (family.spans for group in groups for family in group)
        order = _tokens(span for own in (*roots.values(), *families) for span in own)  # (N,)
        place = torch.empty_like(order)  # (N,), its inverse
        place[order] = torch.arange(len(order))
        self._sorted = torch.equal(order, torch.arange(len(order)))
        self._order, self._place = sent(order, device), sent(place, device)
        self._roots = [
            Block(len(own), n, 0, sent(_causal([n]), device), causal=True)
            for n, own in roots.items()
        ]
        self._families = [_block(group, device) for group in groups]
        begin = sum(block.count * block.length for block in self._roots)
        rows = _rows(groups, self._families, place, begin)
        self._queries, self._keys, self._real = (sent(own, device) for own in rows)
        self._spans, self._narrow = spans, dict[int, tuple[list[Block], list[Block]]]()

    def sort(self, x: Tensor) -> Tensor:
        """(N, ...) in the batch's order → sorted order."""
        return x if self._sorted else x.index_select(0, self._order)

    def unsort(self, x: Tensor) -> Tensor:
        """(N, ...) in sorted order → the batch's order."""
        return x if self._sorted else x.index_select(0, self._place)

    def sorted(self, places: Tensor) -> Tensor:
        """Where tokens at `places` of the batch are in sorted order."""
        return self._place[places]

    def attend(
        self, q: Tensor, kv: Tensor, dropout: Dropout, scale: float, window: int = 0
    ) -> Tensor:
        """What each token reads, all in sorted order.

        Args:
            q: Queries, (N, 1, H, C).
            kv: Keys and values, (N, 2, K, C), where H is K or a multiple of it.
            dropout: Of the probabilities.
            scale: By which q·kᵀ is multiplied.
            window: Tokens of its path that a token sees, itself the last of them; 0: all.

        Returns:
            (N, H, C).
        """
        roots, families = self._within(window)
        # One split for all blocks: slices would each have a gradient of the whole's size.
        own = [block.count * block.length for block in roots]
        own.append(len(q) - sum(own))
        *queries, rest = q.split(own)  # (G·L, 1, H, C) of every root block; the families' tokens
        parts = zip(roots, queries, kv.split(own), strict=False)
        read = [_attend(*part, dropout, scale) for part in parts]  # (G·L, H, C) each
        if families:
            own = [block.count * block.length for block in families]
            keys = [block.count * (block.seen + block.length) for block in families]
            queries = rest.index_select(0, self._queries).split(own)  # (G·L, 1, H, C), padded
            seen = kv.index_select(0, self._keys).split(keys)  # (G·(A + L), 2, K, C), padded
            parts = zip(families, queries, seen, strict=True)
            padded = torch.cat([_attend(*part, dropout, scale) for part in parts])
            read.append(padded.index_select(0, self._real))  # without padding
        return torch.cat(read)  # (N, H, C)

    def _within(self, window: int) -> tuple[list[Block], list[Block]]:
        """Blocks of roots and of families, with masks that keep a window; made once for each."""
        if not window:
            return self._roots, self._families
        if window not in self._narrow:
            at = [torch.arange(block.length, device=block.mask.device) for block in self._roots]
            roots = [
                _narrow(b, x[None], x[None], window) for b, x in zip(self._roots, at, strict=True)
            ]
            parts = zip(self._families, *self._depths(), strict=True)
            self._narrow[window] = roots, [_narrow(*part, window) for part in parts]
        return self._narrow[window]

    def _depths(self) -> tuple[list[Tensor], list[Tensor]]:
        """Where on their paths the families' queries are, (G, L) each, and keys, (G, A + L)."""
        depths = self.sort(sent(_depths(self._spans), self._place.device))  # (N,)
        queries = torch.zeros_like(self._queries)  # padding sees all: who sees nothing is no number
        queries[self._real] = depths[len(depths) - len(self._real) :]
        sizes = [(block.count, block.length, block.seen) for block in self._families]
        own = queries.split([g * n for g, n, _ in sizes])
        seen = depths[self._keys].split([g * (a + n) for g, n, a in sizes])
        return (
            [x.view(block.count, -1) for x, block in zip(own, self._families, strict=True)],
            [x.view(block.count, -1) for x, block in zip(seen, self._families, strict=True)],
        )


def _attend(block: Block, q: Tensor, kv: Tensor, dropout: Dropout, scale: float) -> Tensor:
    """Queries (G·L, 1, H, C), keys and values (G·(A + L), 2, K, C) → (G·L, H, C)."""
    q = q.view(block.count, block.length, *q.shape[2:]).transpose(1, 2)  # (G, H, L, C)
    kv = kv.unflatten(0, (block.count, block.seen + block.length))  # (G, A + L, 2, K, C)
    k, v = kv.permute(2, 0, 3, 1, 4)  # (G, K, A + L, C) each
    if q.shape[1] != k.shape[1]:  # every head of keys serves several of queries
        k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
    if dropout.rate and q.is_cpu:
        if torch.is_autocast_enabled("cpu"):  # for the backward pass too, which is outside of it
            q, k, v = (x.to(torch.get_autocast_dtype("cpu")) for x in (q, k, v))
        read: Tensor = Attend.apply(q, k, v, block.mask, dropout, scale)  # type: ignore[no-untyped-call]
    else:
        mask = None if block.causal else block.mask.to(q.dtype)
        read = F.scaled_dot_product_attention(
            q, k, v, mask, dropout.rate, block.causal, scale=scale
        )
    return read.transpose(1, 2).flatten(0, 1)


def _narrow(block: Block, queries: Tensor, keys: Tensor, window: int) -> Block:
    """A block whose mask keeps a window, by where on their paths queries and keys are.

    Args:
        block: Of G families, or of roots, which are all alike: G is 1.
        queries: (G, L).
        keys: (G, A + L).
        window: Tokens that a token sees.
    """
    if block.seen + block.length <= window:
        return block
    far = queries[:, :, None] - keys[:, None] >= window  # (G, L, A + L)
    return replace(block, mask=block.mask.masked_fill(far[:, None], -torch.inf), causal=False)


def _depths(spans: Sequence[Span]) -> Tensor:
    """Where on its path every token is, (N,)."""
    above = [sum(stop - start for start, stop in span.ancestors) for span in spans]
    return torch.cat(
        [torch.arange(a, a + s.stop - s.start) for a, s in zip(above, spans, strict=True)]
    )


def _families(spans: Iterable[Span]) -> Iterator[Family]:
    """Siblings in parts no longer than what all of them see, or of one: few keys are masked."""
    siblings: dict[Runs, list[Span]] = {}
    for span in spans:
        if span.ancestors:
            siblings.setdefault(span.ancestors, []).append(span)
    for ancestors, each in siblings.items():
        part = Family((), ancestors)
        for span in each:
            longer = Family((*part.spans, span), ancestors)
            if part.spans and longer.own > longer.seen:
                yield part
                longer = Family((span,), ancestors)
            part = longer
        yield part


def _alike(families: Iterable[Family]) -> list[list[Family]]:
    """Families in groups, largest first: small ones, with at most a quarter of padded keys."""
    groups: list[list[Family]] = []
    keys = longest = 0
    for family in sorted(families, key=lambda f: (f.seen, f.own), reverse=True):
        keys, longest = keys + family.seen + family.own, max(longest, family.own)
        most = groups[-1][0].seen + longest if groups else 0
        if groups and most <= SMALL and (len(groups[-1]) + 1) * most <= 5 / 4 * keys:
            groups[-1].append(family)
        else:
            groups.append([family])
            keys, longest = family.seen + family.own, family.own
    return groups


def _most(group: Sequence[Family]) -> tuple[int, int]:
    """Most ancestor tokens, and most of its own, that a family of the group has."""
    return max(family.seen for family in group), max(family.own for family in group)


def _block(group: Sequence[Family], device: torch.device) -> Block:
    """Keys are a family's ancestors, padding, its own tokens, padding."""
    seen, length = _most(group)
    mask = torch.full((len(group), 1, length, seen + length), -torch.inf)  # (G, 1, L, A + L)
    for (rows,), family in zip(mask, group, strict=True):  # rows: (L, A + L)
        rows[:, : family.seen] = 0  # for padding too: who sees nothing reads no number
        rows[: family.own, seen : seen + family.own] = _causal(family.lengths)
    return Block(len(group), length, seen, sent(mask, device))


def _rows(
    groups: Sequence[Sequence[Family]], blocks: Sequence[Block], place: Tensor, begin: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What the blocks of families are made of, as rows; padding is row 0.

    Args:
        groups: The families of each block, in sorted order.
        blocks: The blocks.
        place: Where each token of the batch is in sorted order.
        begin: Where the families' own tokens begin there.

    Returns:
        Queries, as rows of the families' own tokens; keys, as rows of all tokens; and which of the
        queries are no padding.
    """
    queries, keys, real = [place[:0]], [place[:0]], [place[:0]]
    done = padded = 0
    for group, block in zip(groups, blocks, strict=True):
        for family in group:
            own, after = torch.arange(family.own), block.length - family.own
            above = place[_indices(family.ancestors)]  # (its ancestors' tokens,)
            queries.append(F.pad(own + done, (0, after)))  # (L,)
            keys.append(F.pad(above, (0, block.seen - family.seen)))  # (A,)
            keys.append(F.pad(own + done + begin, (0, after)))  # (L,)
            real.append(own + padded)  # (its own tokens,)
            done += family.own
            padded += block.length
    return torch.cat(queries), torch.cat(keys), torch.cat(real)


def _causal(lengths: Sequence[int]) -> Tensor:
    """Every span sees itself causally, and no other: 0 and -inf, (L, L)."""
    mask = torch.full((sum(lengths), sum(lengths)), -torch.inf)
    begin = 0
    for length in lengths:
        span = slice(begin, begin + length)
        mask[span, span] = torch.full((length, length), -torch.inf).triu_(1)
        begin += length
    return mask


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on a device; a GPU fetches it while the CPU goes on."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _tokens(spans: Iterable[Span]) -> Tensor:
    return _indices((span.start, span.stop) for span in spans)


def _indices(runs: Iterable[tuple[int, int]]) -> Tensor:
    """Indices of the tokens of runs, one after another."""
    return torch.cat([torch.empty(0, dtype=torch.long), *(torch.arange(*run) for run in runs)])
