"""Attention over token trees: spans of one shape are attended together, without padding.

Tokens are sorted once so that every group of equal spans is a plain (G, L) block: token-wise layers
don't mind the order, and attention then takes views instead of copies.

Shape letters: N tokens, H heads, C channels of a head; G spans of one group, each of L tokens that
see A ancestor tokens besides themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from gpteval import Span


@dataclass(frozen=True, slots=True)
class Group:
    """Spans of one shape: tokens start … start + G·L in sorted order.

    Attributes:
        start: First token, in sorted order.
        spans, length: G and L.
        ancestors: (G, A) their ancestors' tokens in sorted order; None where A is 0.
        mask: (L, A + L) True where a token sees another; None where A is 0: plainly causal.
    """

    start: int
    spans: int
    length: int
    ancestors: Tensor | None
    mask: Tensor | None


class SpanGroups:
    """The spans of one batch, grouped by shape; made once, used by every layer."""

    def __init__(self, spans: tuple[Span, ...], device: torch.device) -> None:
        """Group the spans of a batch whose tensors are on `device`."""
        shapes: dict[tuple[int, int], list[Span]] = {}
        for span in spans:
            seen = sum(stop - start for start, stop in span.ancestors)
            shapes.setdefault((span.stop - span.start, seen), []).append(span)
        order = torch.cat([_run(s.start, s.stop) for g in shapes.values() for s in g])
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        self._sorted = torch.equal(order, torch.arange(len(order)))
        self._order, self._place = order.to(device), place.to(device)
        self._groups: list[Group] = []
        start = 0
        for (length, seen), members in shapes.items():
            self._groups.append(_group(start, length, seen, members, place, device))
            start += length * len(members)

    def sort(self, x: Tensor) -> Tensor:
        """(N, ...) in the batch's order → sorted order."""
        return x if self._sorted else x[self._order]

    def unsort(self, x: Tensor) -> Tensor:
        """(N, ...) in sorted order → the batch's order."""
        return x if self._sorted else x[self._place]

    def attend(self, qkv: Tensor, dropout: float) -> Tensor:
        """Queries, keys, values (N, 3, H, C), sorted → what each token reads, (N, H, C), sorted."""
        return torch.cat([_attend(qkv, group, dropout) for group in self._groups])


def _attend(qkv: Tensor, group: Group, dropout: float) -> Tensor:
    stop = group.start + group.spans * group.length
    own = qkv[group.start : stop].unflatten(0, (group.spans, group.length))  # (G, L, 3, H, C)
    q, k, v = own.permute(2, 0, 3, 1, 4)  # (G, H, L, C) each
    if group.ancestors is not None:
        above = qkv[:, 1:][group.ancestors]  # (G, A, 2, H, C)
        above_k, above_v = above.permute(2, 0, 3, 1, 4)
        k, v = torch.cat([above_k, k], 2), torch.cat([above_v, v], 2)  # (G, H, A + L, C)
    read = F.scaled_dot_product_attention(
        q, k, v, attn_mask=group.mask, dropout_p=dropout, is_causal=group.mask is None
    )
    return read.transpose(1, 2).flatten(0, 1)  # (G·L, H, C)


def _group(
    start: int, length: int, seen: int, members: list[Span], place: Tensor, device: torch.device
) -> Group:
    if not seen:
        return Group(start, len(members), length, None, None)
    above = [torch.cat([_run(*ancestor) for ancestor in s.ancestors]) for s in members]
    ancestors = place[torch.stack(above)].to(device)
    mask = torch.ones(length, seen + length, dtype=torch.bool, device=device).tril(seen)
    return Group(start, len(members), length, ancestors, mask)


def _run(start: int, stop: int) -> Tensor:
    return torch.arange(start, stop)
