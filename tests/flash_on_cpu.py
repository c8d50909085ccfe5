"""The kernel that models/packed.py calls on a GPU, on a CPU too: in plain steps, a span a time.

Importing it registers `aten::_flash_attention_forward` and its gradient for CPU tensors, so that
what is computed around the kernel, compiled or not, is computed here as there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LIBRARY = torch.library.Library("aten", "IMPL")


def spans(bounds: Tensor) -> list[slice]:
    return [slice(*pair) for pair in pairwise(bounds.tolist())]


def probabilities(q: Tensor, k: Tensor, scale: float, left: int | None) -> Tensor:
    """(H, T, C), (H, P, C) → (H, T, P): the last query sees the last key, and `left` before."""
    scores = scale * q @ k.transpose(1, 2)
    own = k.shape[1] - q.shape[1]
    everywhere = torch.ones_like(scores[0], dtype=torch.bool)
    hidden = everywhere.triu(own + 1)
    if left is not None:
        hidden |= everywhere.tril(own - left - 1)
    return scores.masked_fill(hidden, -torch.inf).softmax(-1)


def heads_first(*tensors: Tensor) -> list[Tensor]:
    """(T, H or K, C) each → (H, T, C) in fp32: a head of keys serves several of queries."""
    most = tensors[0].shape[1]
    return [x.float().repeat_interleave(most // x.shape[1], 1).transpose(0, 1) for x in tensors]


def left(
    causal: bool, window_size_left: int | None = None, window_size_right: int | None = None
) -> int | None:
    """How many keys before its own a query sees, None for all; it sees none after its own."""
    assert causal == (window_size_left is None)
    assert window_size_right == (None if causal else 0)
    return window_size_left


def forward(
    q: Tensor, k: Tensor, v: Tensor, *more: Any, scale: float, **window: Any
) -> tuple[Tensor, ...]:
    q_bounds, k_bounds, _, _, rate, causal, _ = more
    read = torch.empty_like(q)
    for own, seen in zip(spans(q_bounds), spans(k_bounds), strict=True):
        queries, keys, values = heads_first(q[own], k[seen], v[seen])
        shares = F.dropout(probabilities(queries, keys, scale, left(causal, **window)), rate)
        read[own] = (shares @ values).transpose(0, 1).to(q.dtype)
    rest = (torch.empty(2, dtype=torch.uint64), torch.empty((), dtype=torch.uint64))
    return read, torch.empty(q.shape[1], len(q)), *rest, torch.empty(0, dtype=q.dtype)


def backward(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, *more: Any, scale: float, **window: Any
) -> Any:
    _, _, q_bounds, k_bounds, _, _, rate, causal, *_ = more
    assert not rate  # the masks that were drawn are not kept here
    to_q, to_k, to_v = (torch.zeros_like(x, dtype=torch.float32) for x in (q, k, v))
    for own, seen in zip(spans(q_bounds), spans(k_bounds), strict=True):
        queries, slope, keys, values = heads_first(q[own], gradient[own], k[seen], v[seen])
        shares = probabilities(queries, keys, scale, left(causal, **window))
        to_shares = slope @ values.transpose(1, 2)
        to_scores = scale * shares * (to_shares - (to_shares * shares).sum(-1, keepdim=True))
        to_q[own] = (to_scores @ keys).transpose(0, 1)
        for whole, part in (
            (to_k, to_scores.transpose(1, 2) @ queries),
            (to_v, shares.transpose(1, 2) @ slope),
        ):
            whole[seen] += part.transpose(0, 1).unflatten(1, (k.shape[1], -1)).sum(2)
    return to_q.to(q.dtype), to_k.to(k.dtype), to_v.to(v.dtype)


LIBRARY.impl("_flash_attention_forward", forward, "CPU")
LIBRARY.impl("_flash_attention_backward", backward, "CPU")
