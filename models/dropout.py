"""Dropout, where random numbers are dear: on a CPU, a number for each entry dropped, not kept.

The gaps between dropped entries are geometric: ⌈ln(1 − u) / ln(1 − rate)⌉ with u uniform. At a rate
of 0.1 that is a tenth of the random numbers, and a fifth of the memory of a mask. Other devices use
torch's own dropout.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

DRAWN_AT_ONCE = 1 << 20
"""Entries whose dropping is decided in one draw; smaller tensors share a draw."""


class Dropout:
    """The dropout of one forward pass.

    Attributes:
        rate: Share of entries dropped; the others are scaled by `scale` = 1 / (1 − rate).
    """

    def __init__(self, rate: float) -> None:
        """Nothing is drawn before it is needed; a rate of 0 leaves everything as it is."""
        self.rate, self.scale = rate, 1 / (1 - rate)
        self._drawn = torch.empty(0, dtype=torch.long)
        self._begin = self._end = 0

    def __call__(self, x: Tensor) -> Tensor:
        """A copy of `x` with entries dropped."""
        if not self.rate:
            return x
        return _Drop.apply(x, self) if x.is_cpu else F.dropout(x, self.rate)  # type: ignore[no-untyped-call]

    def unscaled(self, table: Tensor) -> Tensor:
        """A copy of `table` with entries dropped and the others as they are, not yet scaled.

        Who reads a few rows of a large matrix, or multiplies by it, scales those instead.
        """
        if table.is_cpu:
            zeroed: Tensor = _Zeros.apply(table, self)  # type: ignore[no-untyped-call]
            return zeroed
        return F.dropout(table, self.rate) / self.scale

    def add(self, x: Tensor, update: Tensor) -> Tensor:
        """`x` + dropout of `update`, whose memory is used for it."""
        if not self.rate:
            return x + update
        return _DropAdd.apply(x, update, self) if x.is_cpu else x + F.dropout(update, self.rate)  # type: ignore[no-untyped-call]

    def places(self, size: int) -> Tensor:
        """Which of the next `size` entries are dropped, in order."""
        if self._begin + size > self._end:
            # What is left of the last draw may go: where entries fall does not depend on the past.
            self._begin, self._end = 0, max(size, DRAWN_AT_ONCE)
            self._drawn = _draw(self._end, self.rate)
        bounds = torch.tensor([self._begin, self._begin + size])
        first, last = torch.searchsorted(self._drawn, bounds).tolist()
        places = self._drawn[first:last] - self._begin
        self._begin += size
        return places


def _draw(size: int, rate: float) -> Tensor:
    """Places below `size`, each there with probability `rate`, in order."""
    mean, deviation = size * rate, math.sqrt(size * rate * (1 - rate))
    # Ten deviations more than are dropped on average: the gaps reach beyond the last entry.
    drawn = torch.rand(int(mean + 10 * deviation) + 10)
    gaps = drawn.neg_().log1p_().div_(math.log1p(-rate)).ceil_()
    places = gaps.cumsum(0, dtype=torch.float64).sub_(1).long()
    return places[: int(torch.searchsorted(places, size))]


def drop(x: Tensor, places: Tensor) -> Tensor:
    """Put zeros at places of the flattened contiguous `x`, in place."""
    x.view(-1).index_fill_(0, places, 0.0)
    return x


class _Zeros(torch.autograd.Function):
    """The gradient may arrive as sparse rows: of a table of which only rows are read."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, dropout: Dropout) -> Tensor:
        places = dropout.places(table.numel())
        ctx.save_for_backward(places)
        return drop(table.clone(), places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        # In place: a matrix of this size is dear, and nobody else holds its gradient.
        return drop(gradient.to_dense() if gradient.is_sparse else gradient, places), None


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dropout: Dropout) -> Tensor:
        places = dropout.places(x.numel())
        ctx.save_for_backward(places)
        ctx.scale = dropout.scale
        return drop(x.mul(ctx.scale), places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return drop(gradient.mul(ctx.scale), places), None


class _DropAdd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, update: Tensor, dropout: Dropout) -> Tensor:
        places = dropout.places(update.numel())
        ctx.save_for_backward(places)
        ctx.scale = dropout.scale
        return torch.add(x, drop(update, places), alpha=ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (places,) = ctx.saved_tensors
        return gradient, drop(gradient.mul(ctx.scale), places), None


ROWS = 128
"""Queries that are compared with keys at once: what lies behind the last of them is left out."""


class Attend(torch.autograd.Function):
    """softmax(scale·q·kᵀ + bias), dropped out, times v, on a CPU, where torch's kernel drops none.

    Shapes: queries (..., L, C), keys and values (..., S, C), bias (..., L, S) with -inf for unseen.
    The last L keys are the queries' own: no query sees any behind its own.
    """

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        bias: Tensor,
        dropout: Dropout,
        scale: float,
    ) -> Tensor:
        """(..., L, C)."""
        ctx.scale, ctx.keep = scale, dropout.scale
        q = q * ctx.scale
        read, saved = torch.empty_like(q), list[Tensor]()
        for rows, seen in _steps(*bias.shape[-2:]):
            scores = q[..., rows, :] @ k[..., seen, :].transpose(-2, -1)
            p = scores.add_(bias[..., rows, seen]).softmax(-1)
            places = dropout.places(p.numel())
            read[..., rows, :] = drop(p.clone(), places) @ v[..., seen, :]
            saved += [p, places]
        ctx.save_for_backward(q, k, v, *saved)
        return read.mul_(ctx.keep)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of queries, keys and values."""
        q, k, v, *saved = ctx.saved_tensors
        gradient = gradient * ctx.keep
        to_q, to_k, to_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        steps = _steps(q.shape[-2], k.shape[-2])
        for (rows, seen), p, places in zip(steps, saved[::2], saved[1::2], strict=True):
            arrived = gradient[..., rows, :]
            to_p = drop(arrived @ v[..., seen, :].transpose(-2, -1), places)
            to_v[..., seen, :] += drop(p.clone(), places).transpose(-2, -1) @ arrived
            to_scores = torch._softmax_backward_data(to_p, p, -1, p.dtype)
            to_q[..., rows, :] = to_scores @ k[..., seen, :]
            to_k[..., seen, :] += to_scores.transpose(-2, -1) @ q[..., rows, :]
        return to_q.mul_(ctx.scale), to_k, to_v, None, None, None


def _steps(queries: int, keys: int) -> list[tuple[slice, slice]]:
    """Rows of queries, and the keys that the last of them sees."""
    ends = [*range(ROWS, queries, ROWS), queries]
    begins = [0, *ends[:-1]]
    return [
        (slice(begin, end), slice(0, keys - queries + end))
        for begin, end in zip(begins, ends, strict=True)
    ]
