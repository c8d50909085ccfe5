"""Attention over token trees in one call a layer, where a kernel takes sequences of any lengths.

A span is a sequence of queries; its keys are its ancestors' tokens and then its own. Seen from
their ends, queries and keys are alike: each query sees the key at its own place and all before.
Nothing is sorted or padded. torch's flash attention reads such sequences on a GPU in half
precision; elsewhere spans alike in size are attended together (`spans.py`).

Shape letters: N tokens, S spans, P keys of all spans, H heads of queries, K of keys, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from gpteval_models.dropout import Dropout
from gpteval_models.spans import SpanBlocks, sent

if TYPE_CHECKING:
    from gpteval import Span


class Arrangement(Protocol):
    """How the tokens of a batch are attended; made once, used by every layer."""

    def sort(self, x: Tensor) -> Tensor:
        """(N, ...) in the batch's order → in the order attention wants."""

    def unsort(self, x: Tensor) -> Tensor:
        """(N, ...) in the order attention wants → in the batch's."""

    def sorted(self, places: Tensor) -> Tensor:
        """Where tokens at `places` of the batch are in the order attention wants."""

    def attend(
        self, q: Tensor, kv: Tensor, dropout: Dropout, scale: float, window: int = 0
    ) -> Tensor:
        """Queries (N, 1, H, C), keys and values (N, 2, K, C) → what each token reads, (N, H, C).

        With a `window`, a token sees so many tokens of its path, itself the last of them.
        """


def arrange(spans: Sequence[Span], device: torch.device) -> Arrangement:
    """The fastest arrangement for a device, at the precision of the autocast around the call."""
    if device.type == "cuda" and torch.is_autocast_enabled("cuda"):
        return PackedSpans(spans, device)
    return SpanBlocks(spans, device)


class PackedSpans:
    """The spans of one batch as sequences of queries and keys, one after another."""

    def __init__(self, spans: Sequence[Span], device: torch.device) -> None:
        """Arrange the spans of a batch whose tensors are on `device`, in the batch's order."""
        runs = [(*span.ancestors, (span.start, span.stop)) for span in spans]
        own = [span.stop - span.start for span in spans]
        seen = [sum(stop - start for start, stop in path) for path in runs]
        self._own, self._seen = own, seen
        self._most_queries, self._most_keys = max(own), max(seen)
        self._q_bounds = sent(_bounds(own), device)  # (S + 1,)
        self._k_bounds = sent(_bounds(seen), device)  # (S + 1,)
        self._keys: Tensor | None = None
        if seen != own:
            keys = [torch.arange(*run) for path in runs for run in path]
            self._keys = sent(torch.cat(keys), device)  # (P,) tokens

    def sort(self, x: Tensor) -> Tensor:
        """The batch's order is kept."""
        return x

    def unsort(self, x: Tensor) -> Tensor:
        """The batch's order is kept."""
        return x

    def sorted(self, places: Tensor) -> Tensor:
        """The batch's order is kept."""
        return places

    def attend(
        self, q: Tensor, kv: Tensor, dropout: Dropout, scale: float, window: int = 0
    ) -> Tensor:
        """Queries (N, 1, H, C), keys and values (N, 2, K, C) → what each token reads, (N, H, C)."""
        seen = kv if self._keys is None else kv.index_select(0, self._keys)  # (P, 2, K, C)
        q = q.squeeze(1)  # (N, H, C)
        k, v = seen.unbind(1)  # (P, K, C) each
        kind = q.device.type
        half = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else q.dtype
        # The public `varlen_attn` runs the same kernel, but without dropout.
        read: Tensor = torch.ops.aten._flash_attention_forward(
            *(x.to(half) for x in (q, k, v)),
            self._q_bounds,
            self._k_bounds,
            self._most_queries,
            self._most_keys,
            dropout.rate,
            not window,  # causal: the kernel's word for no window to the left, and 0 to the right
            False,
            scale=scale,
            **({"window_size_left": window - 1, "window_size_right": 0} if window else {}),
        )[0]
        return read


def _bounds(lengths: Sequence[int]) -> Tensor:
    """Where sequences of these lengths begin, and where the last ends, (S + 1,)."""
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)
