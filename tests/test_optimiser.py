import math

import numpy as np
import pytest
import torch

from gpteval.train.optimiser import (
    adamw,
    clipped_step,
    gradient_norm,
    moments,
    set_rate,
    warmup_cosine,
)


def numpy_adamw(p, gradients, lr, decay):
    """AdamW (Loshchilov & Hutter, algorithm 2) in float64."""
    m = v = np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        corrected, root = m / (1 - 0.9**t), np.sqrt(v / (1 - 0.999**t))
        p = p - lr * (corrected / (root + 1e-8) + decay * p)
    return p


@pytest.mark.parametrize("steps", [1, 25])
def test_updates_equal_the_formula_with_decay_on_matrices_only(steps):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 4)
    before = {n: p.detach().double().numpy().copy() for n, p in model.named_parameters()}
    gradients = {
        n: np.random.default_rng(1).normal(size=(steps, *p.shape)) for n, p in before.items()
    }
    optimiser = adamw(model, lr=0.01, weight_decay=0.1)
    for step in range(steps):
        for name, parameter in model.named_parameters():
            parameter.grad = torch.tensor(gradients[name][step], dtype=torch.float32)
        optimiser.step()
    for name, decay in (("weight", 0.1), ("bias", 0.0)):
        expected = numpy_adamw(before[name], gradients[name], 0.01, decay)
        assert np.allclose(getattr(model, name).detach().numpy(), expected, atol=1e-5)


def test_frozen_parameters_stay_out():
    model = torch.nn.Linear(3, 4)
    model.weight.requires_grad_(False)
    groups = adamw(model, 0.1, 0.1).param_groups
    assert [len(g["params"]) for g in groups] == [0, 1]


def test_set_rate_reaches_every_group():
    optimiser = adamw(torch.nn.Linear(3, 4), 0.1, 0.1)
    set_rate(optimiser, 0.025)
    assert [g["lr"] for g in optimiser.param_groups] == [0.025, 0.025]


def stepped(gradient, way):
    """One weight after a step whose gradient is clipped to norm 1 in one of two ways."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimiser = adamw(model, 0.1, 0.01)
    for scale in (1.0, 0.5):
        for p in model.parameters():
            p.grad = torch.full_like(p, gradient * scale)
        if way == "fused":
            clipped_step(optimiser, gradient_norm(model), 1.0, unless=torch.tensor(False))
        else:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
    return model.weight.detach()


@pytest.mark.parametrize("gradient", [3.0, 0.01])
def test_a_clipped_step_is_clipping_and_then_a_step(gradient):
    expected = stepped(gradient, "apart")
    torch.testing.assert_close(stepped(gradient, "fused"), expected, atol=1e-6, rtol=1e-6)


def test_the_norm_of_millions_of_gradients_is_exact():
    layer = torch.nn.Linear(3000, 1000)
    torch.manual_seed(0)
    for p in layer.parameters():
        p.grad = torch.randn_like(p)
    exact = sum(p.grad.double().square().sum() for p in layer.parameters()).sqrt()
    assert gradient_norm(layer).item() == pytest.approx(exact.item(), rel=1e-5)


def test_cosine_schedule_rises_linearly_then_falls_to_zero():
    rates = [warmup_cosine(step, 12, 4) for step in range(1, 13)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[7] == pytest.approx(0.5)
    assert rates[5] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert rates[-1] == pytest.approx(0.0)


def large_and_small():
    """A matrix whose moments have 8 bits, if any have, and a bias whose moments don't."""
    torch.manual_seed(0)
    return torch.nn.Linear(64, 80)


def learnt(bits, steps=30):
    """A layer, its optimiser, and its losses while it learns another one's outputs."""
    pytest.importorskip("bitsandbytes")
    model, inputs = large_and_small(), torch.randn(50, 64)
    wanted = torch.randn(50, 80)
    optimiser, losses = adamw(model, 0.01, 0.01, bits=bits), []
    for _ in range(steps):
        loss = (model(inputs) - wanted).square().mean()
        loss.backward()
        losses.append(loss.item())
        clipped_step(optimiser, gradient_norm(model), 1.0)
        optimiser.zero_grad()
    return model, optimiser, losses


def test_moments_of_8_bits_learn_as_those_of_32():
    (_, _, exact), (_, _, rough) = (learnt(bits) for bits in (32, 8))
    assert exact[-1] < 0.7 * exact[0]
    assert rough == pytest.approx(exact, rel=0.01)
    assert rough != exact


@pytest.mark.parametrize("bits", [32, 8])
def test_what_is_kept_for_a_parameter_is_told_beforehand(bits):
    model, optimiser, _ = learnt(bits, steps=1)
    for parameter in model.parameters():
        told = moments(optimiser, parameter)
        kept = {n: torch.as_tensor(value) for n, value in optimiser.state[parameter].items()}
        assert {n: value.shape for n, value in kept.items()} == {n: s for n, (s, _) in told.items()}
        assert all(kept[n].element_size() == size for n, (_, size) in told.items() if n != "step")


@pytest.mark.parametrize("bits", [32, 8])
def test_a_step_that_is_not_to_be_changes_nothing(bits):
    model, optimiser, _ = learnt(bits, steps=2)
    before = model.weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, torch.nan)
    clipped_step(optimiser, gradient_norm(model), 1.0, unless=torch.tensor(True))
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("bits", [32, 8])
def test_a_gradient_counts_as_much_as_the_limit_lets_it(bits):
    """Moments of Adam scale with the gradient: they show what was clipped."""
    pytest.importorskip("bitsandbytes")
    first = []
    for size in (1.0, 1000.0):
        model = torch.nn.Linear(3, 2, bias=False)
        optimiser = adamw(model, 0.1, 0.0, bits=bits)
        model.weight.grad = torch.full_like(model.weight, size)
        clipped_step(optimiser, gradient_norm(model), 1.0)
        state = optimiser.state[model.weight]
        first.append(state["exp_avg" if bits == 32 else "state1"])
    assert torch.allclose(*first)
    assert first[0].norm() == pytest.approx(0.1, rel=1e-3)
