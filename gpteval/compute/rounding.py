"""bfloat16 on a CPU that is no faster at it: the same products, by fp32 arithmetic.

Without instructions for it, torch's autocast leaves each product to an emulation that takes three
times as long as fp32; with Intel's AVX-512 BF16 alone a product takes up to twice as long. The
product of two bfloat16 numbers is exact in fp32, and sums are fp32 in either case: rounding the
operands and multiplying in fp32 gives the same result, faster. Only results are not rounded again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpteval.compute.linear import LinearMode

MOST_KEPT = 1 << 30
"""Bytes of rounded weights that may be kept: those of GPT-1's size take half as many."""


def bf16_is_faster(cpu: Mapping[str, Any]) -> bool:
    """Whether a CPU multiplies matrices faster in bfloat16: AMX, AMD's AVX-512 BF16, or not x86.

    Seen on Intel's with AVX-512 BF16 and no AMX: 105 to 137 GFLOP/s in bfloat16, 179 to 245 in
    fp32. By kind, not by timing: a number must not depend on what else the machine was doing.

    Args:
        cpu: What torch knows of it, `torch.cpu.get_capabilities()`.
    """
    intel = str(cpu.get("cpu_name", "")).startswith("Intel")
    return not cpu.get("avx2") or bool(
        cpu.get("amx_bf16") or (cpu.get("avx512_bf16") and not intel)
    )


class RoundedProducts(LinearMode):
    """A context in which linear layers round their operands to bfloat16, gradients' too."""

    def linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Products of rounded operands, summed in fp32."""
        rows = input.reshape(-1, input.shape[-1])
        product: Tensor = _RoundedLinear.apply(rows, weight, bias)  # type: ignore[no-untyped-call]
        return product.view(*input.shape[:-1], len(weight))


class KeptWeights(LinearMode):
    """A context in which linear layers multiply by rounded copies of their weights, made once.

    For a model that is only read: it gives no gradients. A weight that was changed is copied anew.
    To round all of a model's weights takes as long as to read a hundred tokens or two.
    """

    def __init__(self, *, native: bool) -> None:
        """Nothing is copied yet.

        Args:
            native: Copies are in bfloat16, for autocast; else inputs are rounded here as well, and
                all is fp32.
        """
        self._rounded = Tensor.bfloat16 if native else _rounded
        self._native = native
        self._copies: dict[nn.Parameter, tuple[int, Tensor]] = {}  # version copied, and copy

    def linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Products with the copy."""
        return F.linear(input if self._native else _rounded(input), self._copy(weight), bias)

    def _copy(self, weight: Tensor) -> Tensor:
        # Other tensors come and go, and those made in inference mode don't tell of changes.
        if not isinstance(weight, nn.Parameter) or weight.is_inference():
            return self._rounded(weight)
        version, copy = self._copies.get(weight, (-1, weight))
        if version != weight._version:
            copy = self._rounded(weight)
            self._copies.pop(weight, None)
            if copy.nbytes + sum(kept.nbytes for _, kept in self._copies.values()) <= MOST_KEPT:
                self._copies[weight] = weight._version, copy
        return copy


class _RoundedLinear(torch.autograd.Function):
    """(N, I), (O, I), (O,) → (N, O)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x = x.bfloat16()  # half the memory until the backward pass
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return F.linear(x.float(), _rounded(weight), bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        to_bias = gradient.sum(0) if ctx.biased and wanted[2] else None
        gradient = _rounded(gradient)
        to_x = gradient @ _rounded(weight) if wanted[0] else None
        to_weight = gradient.t() @ x.float() if wanted[1] else None
        return to_x, to_weight, to_bias


def _rounded(x: Tensor) -> Tensor:
    return x.bfloat16().float()
