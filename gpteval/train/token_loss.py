"""The loss of predicting tokens, without ever holding the logits of all of them.

Logits are the largest tensor of a training: 83 MB for a window of GPT-1's, and as much again for
their softmax and for its gradient. Here those of a few places are made, turned into their own
gradient in place, multiplied back and let go, all in the forward pass; the backward pass only
scales what is there. torch's `F.linear_cross_entropy` does the same and was slower when it was
tried (benchmarks/token_loss.py); it takes no weights of single tokens.

Shape letters: N places, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gpteval.compute.linear import LinearMode
from gpteval.encode.batching import MOST_LOGITS

if TYPE_CHECKING:
    from gpteval.model import Model


def token_loss(
    model: Model, hidden: Tensor, targets: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Weighted sum of −log p of tokens, in nats, from at most `MOST_LOGITS` logits at once.

    Where a model's logits are more than a linear layer, from all of them.

    Args:
        model: Its `logits` give the scores.
        hidden: Final hidden states, (N, D).
        targets: The token that each place predicts, (N,).
        weights: Of each place, (N,); 1 where not given. They have no gradient.
    """
    if weights is None:
        weights = torch.ones(len(targets), device=targets.device)
    with Noted() as noted:
        logits = model.logits(hidden)
    if noted.operands is None or logits is not noted.result:
        logits = model.logits(hidden)
        return (F.cross_entropy(logits.float(), targets, reduction="none") * weights).sum()
    loss: Tensor = _Chunked.apply(*noted.operands, targets, weights)  # type: ignore[no-untyped-call]
    return loss


class Noted(LinearMode):
    """A context that notes a linear layer instead of computing it.

    Attributes:
        operands: Input, matrix and bias of the last one.
        result: What stands for its result: of the right shape, and of no memory.
    """

    operands: tuple[Tensor, Tensor, Tensor | None] | None = None
    result: Tensor | None = None

    def linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Nothing is computed."""
        self.operands = input, weight, bias
        self.result = input.new_zeros(()).expand(*input.shape[:-1], len(weight))
        return self.result


class _Chunked(torch.autograd.Function):
    """(N, D), (V, D), (V,) or None, (N,), (N,) → the loss; its gradients are there as it is."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        weights: Tensor,
    ) -> Tensor:
        at_once = max(1, MOST_LOGITS[x.device.type] // len(weight))
        losses, to_x = list[Tensor](), list[Tensor]()
        to_fixed: list[Tensor | None] = []
        chunks = zip(*(torch.split(t, at_once) for t in (x, targets, weights)), strict=True)
        for rows, tokens, shares in chunks:
            linear = rows, weight, bias
            loss, (to_rows, *more) = _chunk(linear, tokens, shares, ctx.needs_input_grad)
            losses.append(loss)
            to_x += [] if to_rows is None else [to_rows]
            # The matrix's is as large as the matrix: one sum, not a list.
            to_fixed = list(map(_sum, to_fixed, more)) if to_fixed else more
        ctx.save_for_backward(torch.cat(to_x) if to_x else None, *to_fixed)
        return torch.stack(losses).sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # In place: nothing else reads them.
        scaled = [None if saved is None else saved.mul_(gradient) for saved in ctx.saved_tensors]
        return *scaled, None, None


def _sum(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    return None if total is None or more is None else total.add_(more)


def _chunk(
    linear: tuple[Tensor, Tensor, Tensor | None],
    tokens: Tensor,
    weights: Tensor,
    needed: Sequence[bool],
) -> tuple[Tensor, list[Tensor | None]]:
    """Loss of some places, and its gradients by the linear layer's operands where needed."""
    # Leaves of their own: what lies below them is not gone through for every chunk.
    x, weight, bias = linear[0].detach(), linear[1].detach(), linear[2]
    leaves = [x, weight, None if bias is None else bias.detach()]
    wanted = [
        leaf.requires_grad_()
        for leaf, need in zip(leaves, needed, strict=False)
        if leaf is not None and need
    ]
    with torch.enable_grad():
        logits = F.linear(x, weight, leaves[2])
    scores = logits.detach().float()
    norm = scores.logsumexp(-1, keepdim=True)
    loss = ((norm - scores.gather(-1, tokens[:, None])).squeeze(-1) * weights).sum()
    if not wanted:
        return loss, [None] * len(leaves)
    # The gradient by the logits, softmax less one at the token, takes their memory.
    slope = scores.sub_(norm).exp_()
    slope.scatter_add_(-1, tokens[:, None], -torch.ones_like(norm)).mul_(weights[:, None])
    gradients = iter(torch.autograd.grad(logits, wanted, slope.to(logits.dtype)))
    return loss, [
        next(gradients) if leaf is not None and leaf.requires_grad else None for leaf in leaves
    ]
