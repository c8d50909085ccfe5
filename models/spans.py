"""Attention over token trees: spans of one shape are attended together, without padding.

Tokens are sorted once so that every group of equal spans is a plain (G, L) block: token-wise layers
don't mind the order, and attention then takes views instead of copies.

Shape letters: N tokens, H heads, C channels of a head; G spans of one group, each of L tokens that
see A ancestor tokens besides themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from gpteval import Span


@dataclass(frozen=True, slots=True)
class Group:
    """Spans of one shape.

    Attributes:
        spans, length, seen: G, L and A.
        mask: (L, A + L) True where a token sees another; None where A is 0: plainly causal.
    """

    spans: int
    length: int
    seen: int
    mask: Tensor | None


class SpanGroups:
    """The spans of one batch, grouped by shape; made once, used by every layer."""

    def __init__(self, spans: Sequence[Span], device: torch.device) -> None:
        """Group the spans of a batch whose tensors are on `device`."""
        shapes: dict[tuple[int, int], list[Span]] = {}
        for span in spans:
            seen = sum(stop - start for start, stop in span.ancestors)
            shapes.setdefault((span.stop - span.start, seen), []).append(span)
        ordered = [span for members in shapes.values() for span in members]
        order = _tokens((span.start, span.stop) for span in ordered)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        self._sorted = torch.equal(order, torch.arange(len(order)))
        self._order, self._place = order.to(device), place.to(device)
        above = _tokens(run for span in ordered for run in span.ancestors)
        self._ancestors = place[above].to(device)
        self._groups = [
            Group(len(members), length, seen, _mask(length, seen, device))
            for (length, seen), members in shapes.items()
        ]

    def sort(self, x: Tensor) -> Tensor:
        """(N, ...) in the batch's order → sorted order."""
        return x if self._sorted else x[self._order]

    def unsort(self, x: Tensor) -> Tensor:
        """(N, ...) in sorted order → the batch's order."""
        return x if self._sorted else x[self._place]

    def attend(self, qkv: Tensor, dropout: float) -> Tensor:
        """Queries, keys, values (N, 3, H, C), sorted → what each token reads, (N, H, C), sorted."""
        # One split for all groups: slices would each have a gradient of the whole's size.
        q, kv = qkv.split((1, 2), dim=1)
        own = [group.spans * group.length for group in self._groups]
        above = kv.index_select(0, self._ancestors).split([g.spans * g.seen for g in self._groups])
        parts = zip(self._groups, q.split(own), kv.split(own), above, strict=True)
        return torch.cat([_attend(*part, dropout) for part in parts])


def _attend(group: Group, q: Tensor, kv: Tensor, above: Tensor, dropout: float) -> Tensor:
    """Queries (G·L, 1, H, C), keys and values (G·L, 2, H, C), ancestors' (G·A, 2, H, C)."""
    q = q.view(group.spans, group.length, *q.shape[2:]).transpose(1, 2)  # (G, H, L, C)
    kv = kv.unflatten(0, (group.spans, group.length))  # (G, L, 2, H, C)
    if group.seen:
        kv = torch.cat([above.unflatten(0, (group.spans, group.seen)), kv], dim=1)
    k, v = kv.permute(2, 0, 3, 1, 4)  # (G, H, A + L, C) each
    read = F.scaled_dot_product_attention(
        q, k, v, attn_mask=group.mask, dropout_p=dropout, is_causal=group.mask is None
    )
    return read.transpose(1, 2).flatten(0, 1)  # (G·L, H, C)


def _mask(length: int, seen: int, device: torch.device) -> Tensor | None:
    if not seen:
        return None
    return torch.ones(length, seen + length, dtype=torch.bool, device=device).tril(seen)


def _tokens(runs: Iterable[tuple[int, int]]) -> Tensor:
    """Indices of the tokens of runs (start, stop), one after another."""
    return torch.cat([torch.empty(0, dtype=torch.long), *(torch.arange(*run) for run in runs)])
