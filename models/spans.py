"""Attention over token trees: spans of one shape are attended together, without padding.

Tokens are sorted once so that every block of attention is a run of them: token-wise layers don't
mind the order, and attention then takes views instead of copies. Roots of one length make a block,
plainly causal; siblings make one, whose queries read their common ancestors' keys once.

Shape letters: N tokens, H heads, C channels of a head; a block has G roots (or one family) of L
tokens that see A ancestor tokens besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from gpteval_models.dropout import Attend, Dropout

if TYPE_CHECKING:
    from gpteval import Span

Runs = tuple[tuple[int, int], ...]
"""Runs of tokens, half open."""


@dataclass(frozen=True, slots=True)
class Block:
    """Queries that are attended in one call.

    Attributes:
        count, length, seen: G, L and A.
        mask: (L, A + L) 0 where a token sees another, else -inf.
    """

    count: int
    length: int
    seen: int
    mask: Tensor


class SpanBlocks:
    """The spans of one batch as blocks of attention; made once, used by every layer."""

    def __init__(self, spans: Sequence[Span], device: torch.device) -> None:
        """Arrange the spans of a batch whose tensors are on `device`."""
        roots: dict[int, list[Span]] = {}
        families: dict[Runs, list[Span]] = {}
        for span in spans:
            if span.ancestors:
                families.setdefault(span.ancestors, []).append(span)
            else:
                roots.setdefault(span.stop - span.start, []).append(span)
        parts = [part for each in families.values() for part in _parts(each)]
        order = _tokens(s for each in (*roots.values(), *parts) for s in each)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        self._sorted = torch.equal(order, torch.arange(len(order)))
        self._order, self._place = _sent(order, device), _sent(place, device)
        above = [_indices(part[0].ancestors) for part in parts]
        self._ancestors = _sent(place[torch.cat([order[:0], *above])], device)
        self._blocks = [
            *(Block(len(each), n, 0, _mask([n], 0, device)) for n, each in roots.items()),
            *(_family(part, len(seen), device) for part, seen in zip(parts, above, strict=True)),
        ]

    def sort(self, x: Tensor) -> Tensor:
        """(N, ...) in the batch's order → sorted order."""
        return x if self._sorted else x.index_select(0, self._order)

    def unsort(self, x: Tensor) -> Tensor:
        """(N, ...) in sorted order → the batch's order."""
        return x if self._sorted else x.index_select(0, self._place)

    def sorted(self, places: Tensor) -> Tensor:
        """Where tokens at `places` of the batch are in sorted order."""
        return self._place[places]

    def attend(self, qkv: Tensor, dropout: Dropout) -> Tensor:
        """Queries, keys, values (N, 3, H, C), sorted → what each token reads, (N, H, C), sorted."""
        # One split for all blocks: slices would each have a gradient of the whole's size.
        q, kv = qkv.split((1, 2), dim=1)
        own = [block.count * block.length for block in self._blocks]
        above = kv.index_select(0, self._ancestors).split([block.seen for block in self._blocks])
        parts = zip(self._blocks, q.split(own), kv.split(own), above, strict=True)
        return torch.cat([_attend(*part, dropout) for part in parts])


def _attend(block: Block, q: Tensor, kv: Tensor, above: Tensor, dropout: Dropout) -> Tensor:
    """Queries (G·L, 1, H, C), keys and values (G·L, 2, H, C), ancestors' (A, 2, H, C)."""
    q = q.view(block.count, block.length, *q.shape[2:]).transpose(1, 2)  # (G, H, L, C)
    kv = torch.cat([above, kv]) if block.seen else kv
    kv = kv.unflatten(0, (block.count, block.seen + block.length))  # (G, A + L, 2, H, C)
    k, v = kv.permute(2, 0, 3, 1, 4)  # (G, H, A + L, C) each
    if dropout.rate and q.is_cpu:
        read = Attend.apply(q, k, v, block.mask, dropout)
    else:
        causal = not block.seen
        read = F.scaled_dot_product_attention(
            q, k, v, None if causal else block.mask.to(q.dtype), dropout.rate, causal
        )
    return read.transpose(1, 2).flatten(0, 1)  # (G·L, H, C)


def _parts(siblings: Sequence[Span]) -> Iterator[list[Span]]:
    """Siblings in parts no longer than what all of them see, or of one: few keys are masked."""
    seen = sum(stop - start for start, stop in siblings[0].ancestors)
    part: list[Span] = []
    for span in siblings:
        if part and span.stop - span.start + sum(s.stop - s.start for s in part) > seen:
            yield part
            part = []
        part.append(span)
    yield part


def _family(part: Sequence[Span], seen: int, device: torch.device) -> Block:
    lengths = [span.stop - span.start for span in part]
    return Block(1, sum(lengths), seen, _mask(lengths, seen, device))


def _mask(lengths: Sequence[int], seen: int, device: torch.device) -> Tensor:
    """Every span sees all `seen` ancestors, and itself causally."""
    blind = [torch.full((n, n), -torch.inf, device=device).triu(1) for n in lengths]
    own = torch.full((sum(lengths), sum(lengths)), -torch.inf, device=device)
    begin = 0
    for each in blind:
        own[begin : begin + len(each), begin : begin + len(each)] = each
        begin += len(each)
    return torch.cat([own.new_zeros(len(own), seen), own], dim=1)


def _sent(indices: Tensor, device: torch.device) -> Tensor:
    """Indices on a device; a GPU fetches them while the CPU goes on."""
    if device.type == "cuda":
        return indices.pin_memory().to(device, non_blocking=True)
    return indices.to(device)


def _tokens(spans: Iterable[Span]) -> Tensor:
    return _indices((span.start, span.stop) for span in spans)


def _indices(runs: Iterable[tuple[int, int]]) -> Tensor:
    """Indices of the tokens of runs, one after another."""
    return torch.cat([torch.empty(0, dtype=torch.long), *(torch.arange(*run) for run in runs)])
