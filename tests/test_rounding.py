"""Linear layers with rounded operands: the products of bfloat16 numbers, summed in fp32."""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F

from gpteval.compute import rounding
from gpteval.compute.rounding import KeptWeights, RoundedProducts, bf16_is_faster


def rounded(x):
    return x.detach().bfloat16().double()


@pytest.mark.parametrize("shape", [(6, 40), (2, 3, 40), (40,)])
def test_products_are_those_of_rounded_operands(shape):
    torch.manual_seed(0)
    x, layer = torch.randn(shape), torch.nn.Linear(40, 9)
    with RoundedProducts():
        product = layer(x)
    expected = rounded(x) @ rounded(layer.weight).T + layer.bias.double()
    torch.testing.assert_close(product.double(), expected, atol=1e-6, rtol=1e-6)


def test_gradients_are_products_of_rounded_operands_too():
    torch.manual_seed(0)
    x, weight, bias = torch.randn(6, 40, requires_grad=True), torch.randn(9, 40), torch.randn(9)
    weight.requires_grad_()
    bias.requires_grad_()
    upstream = torch.randn(6, 9)
    with RoundedProducts():
        product = F.linear(x, weight, bias)
    product.backward(upstream)
    expected = rounded(upstream) @ rounded(weight), rounded(upstream).T @ rounded(x)
    for found, wanted in zip(
        (x.grad, weight.grad, bias.grad), (*expected, upstream.sum(0)), strict=True
    ):
        torch.testing.assert_close(found.double(), wanted.double(), atol=1e-5, rtol=1e-5)


def test_gradients_are_near_those_of_autocast():
    torch.manual_seed(0)
    x, layer = torch.randn(32, 40), torch.nn.Linear(40, 9)
    found = []
    for context in (RoundedProducts(), torch.autocast("cpu", torch.bfloat16)):
        layer.zero_grad()
        with context:
            product = layer(x)
        product.float().square().mean().backward()
        found.append(layer.weight.grad.clone())
    torch.testing.assert_close(*found, atol=3e-4, rtol=0.02)
    assert found[0].abs().max() > 0.01


def test_frozen_weights_get_no_gradient():
    layer = torch.nn.Linear(4, 3).requires_grad_(False)
    x = torch.randn(2, 4, requires_grad=True)
    with RoundedProducts():
        layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None


AUTOCAST = torch.autocast("cpu", torch.bfloat16)


@pytest.mark.parametrize(
    ("native", "around", "reference"),
    [(False, nullcontext(), RoundedProducts()), (True, AUTOCAST, AUTOCAST)],
)
def test_kept_weights_change_no_product(native, around, reference):
    torch.manual_seed(0)
    x, layer, kept = torch.randn(6, 40), torch.nn.Linear(40, 9), KeptWeights(native=native)
    for _ in range(2):  # the second time they were changed in between
        with torch.inference_mode(), reference:
            expected = layer(x)
        with torch.inference_mode(), around, kept:
            assert all(torch.equal(layer(x), expected) for _ in range(2))
        with torch.no_grad():
            layer.weight.neg_()


def test_weights_are_rounded_once_while_there_is_room(monkeypatch):
    rounded_ones = []
    original = rounding._rounded
    monkeypatch.setattr(
        rounding, "_rounded", lambda x: (rounded_ones.append(x.shape), original(x))[1]
    )
    monkeypatch.setattr(rounding, "MOST_KEPT", 4 * 40 * 9)
    kept, layers = KeptWeights(native=False), [torch.nn.Linear(40, 9) for _ in range(2)]
    for _ in range(3):
        with torch.inference_mode(), kept:
            for layer in layers:
                layer(torch.ones(1, 40))
    assert rounded_ones.count((9, 40)) == 1 + 3


@pytest.mark.parametrize(
    ("name", "features", "faster"),
    [
        ("Intel Xeon", {"avx2": True}, False),
        ("Intel Xeon", {"avx2": True, "avx512_bf16": True}, False),
        ("Intel Xeon", {"avx2": True, "avx512_bf16": True, "amx_bf16": True}, True),
        ("AMD EPYC", {"avx2": True}, False),
        ("AMD EPYC", {"avx2": True, "avx512_bf16": True}, True),
        ("Neoverse V2", {"neon": True, "bf16": True}, True),
    ],
)
def test_autocast_is_left_to_cpus_that_are_faster_in_bfloat16(name, features, faster):
    assert bf16_is_faster({"cpu_name": name, **features}) is faster


def test_torch_tells_what_the_choice_is_made_by():
    known = torch.cpu.get_capabilities()
    assert known["cpu_name"]
    assert {"avx2", "avx512_bf16", "amx_bf16"} <= set(known) or known["architecture"] != "x86_64"
