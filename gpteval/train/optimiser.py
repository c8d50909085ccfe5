"""AdamW, the schedule of pre-training and gradient clipping, as GPT-1 used them.

Sources: the paper §4.1; openai/finetune-transformer-lm, `opt.py` [C].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gpteval.compute.distributed import share, whole_norm

Optimiser = torch.optim.Optimizer

EXACT, BLOCK, LEVELS = 4096, 256, 256
"""Of moments of 8 bits: parameters with fewer numbers have those of 32; as many numbers share a
scale; and so many values an entry can have (Dettmers et al. 2022, arXiv 2110.02861)."""

ROW = 4096
"""Squares that are added in fp32, which holds so few of them to seven digits."""


class AdamW(torch.optim.AdamW):
    """torch's; what its fused kernel takes beside gradients has names.

    Attributes:
        grad_scale: What it divides gradients by while it reads them.
        found_inf: 1.0 for a step that changes nothing, else 0.0.
    """

    grad_scale: Tensor | None = None
    found_inf: Tensor | None = None


def adamw(
    model: nn.Module,
    lr: float,
    weight_decay: float,
    depth: Callable[[str], int] | None = None,
    divisor: float = 1.0,
    *,
    bits: int = 32,
) -> Optimiser:
    """AdamW with β = 0.9 / 0.999, ε = 1e-8 and decay on matrices only, not on biases and gains.

    It differs from OpenAI's `adam` [C] in two ways. There ε is added to the *uncorrected* √v,
    p −= lr_t·m/(√v + ε) with lr_t = lr·√(1−β2^t)/(1−β1^t); here to the corrected one, so that ε
    counts for less in the first steps: by a factor of √(1−β2^t), 0.03 at t = 1. And there decay
    is multiplied by the corrected rate lr_t, here by lr: OpenAI's early updates decay less.

    Args:
        model: What to train; parameters without `requires_grad` are left out.
        lr: Peak learning rate; `set_rate` scales it at each update.
        weight_decay: Decoupled decay of parameters with two or more dimensions.
        depth: Name of a parameter → its layer; None: all are of one.
        divisor: A layer's rate is that of the one above it divided by this.
        bits: Of each moment: 32, or 8 by bitsandbytes.
    """
    layers: dict[int, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            layers.setdefault(depth(name) if depth else 0, []).append(parameter)
    groups = [
        {
            "params": [p for p in layers[layer] if (p.ndim >= 2) == decayed],
            "weight_decay": weight_decay if decayed else 0.0,
            "scale": divisor ** (layer - max(layers)),
        }
        for layer in sorted(layers)
        for decayed in (True, False)
    ]
    if bits == 8:
        from bitsandbytes.optim import AdamW8bit

        eight: Optimiser = AdamW8bit(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8)
        return eight
    return AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8, fused=True)


def moments(optimiser: Optimiser, parameter: Tensor) -> dict[str, tuple[torch.Size, int]]:
    """What an optimiser of `adamw` keeps for a parameter: name → shape, and bytes of an entry."""
    shape, count = parameter.shape, parameter.numel()
    step = {"step": (torch.Size(), 4)}
    if isinstance(optimiser, AdamW):
        return step | dict.fromkeys(("exp_avg", "exp_avg_sq"), (shape, 4))
    if count < EXACT:
        return step | dict.fromkeys(("state1", "state2"), (shape, 4))
    scales = torch.Size([math.ceil(count / BLOCK)])
    return (
        step
        | dict.fromkeys(("state1", "state2"), (shape, 1))
        | dict.fromkeys(("absmax1", "absmax2"), (scales, 4))
        | dict.fromkeys(("qmap1", "qmap2"), (torch.Size([LEVELS]), 4))
    )


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of the next update: the highest layer's, the others' by their scale."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group["scale"]


def gradient_norm(model: nn.Module) -> Tensor:
    """Global norm of all gradients of `model`, a tensor of no dimension on their device.

    Of gradients that several processes share out, over all shares; each process has to ask for it.

    On a CPU by rows of `ROW` numbers, whose squares are added in double precision: torch's norm of
    fp32 tensors adds millions of squares into one fp32 number (0.2 % off over 31 million on an AVX2
    machine, and a dot product 0.02 %); this is 1e-8 off, at a third more time than a dot product.
    """
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    own = [share(gradient) for gradient in gradients]
    if not own or not own[0].is_cpu:
        return whole_norm(nn.utils.get_total_norm(own), gradients)
    square = torch.stack([_square(g.reshape(-1)) for g in own]).sum()
    return whole_norm(square.sqrt(), gradients).float()


def _square(flat: Tensor) -> Tensor:
    """Sum of the squares of (L,) numbers, in double precision."""
    whole = len(flat) // ROW * ROW
    if not whole:
        return flat.double().square().sum()
    rows = flat[:whole].view(-1, ROW)
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1).double()
    return norms.square().sum() + flat[whole:].double().square().sum()


def clipped_step(
    optimiser: Optimiser, norm: Tensor, limit: float, unless: Tensor | None = None
) -> None:
    """One step with all gradients scaled so that their global norm is at most `limit`.

    torch's fused kernel scales them while it reads them, as it does for mixed precision: a pass
    over the gradients less than clipping them first. Nobody waits for the norm. With moments of 8
    bits they are clipped first, and it is waited for.

    Args:
        optimiser: Of `adamw`.
        norm: The global norm of its gradients, whole where they are shards.
        limit: Their largest norm.
        unless: Whether to leave weights and moments as they are, of no dimension; None for no.
    """
    scale = (norm / limit).clamp(min=1.0)
    if isinstance(optimiser, AdamW):
        optimiser.grad_scale = scale
        optimiser.found_inf = torch.zeros_like(norm) if unless is None else unless.float()
    elif unless is not None and unless.item():
        return
    else:
        parameters = (p for group in optimiser.param_groups for p in group["params"])
        torch._foreach_div_([p.grad for p in parameters if p.grad is not None], scale)
    optimiser.step()


def warmup_cosine(step: int, total: int, warmup: int) -> float:
    """Factor of the peak rate: linear from 0 over `warmup` updates, then half a cosine to 0 (§4.1).

    Args:
        step: The update about to be made, from 1; the last one has the factor 0.
        total: Number of updates.
        warmup: Number of updates in which the rate rises.
    """
    if step <= warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
