"""Rates, layers and stages of a fine-tuning; ULMFiT's pieces against plain references."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_finetune import prepared, toy
from torch import Tensor

from gpteval import FinetuneConfig, Loaded
from gpteval.encode.batch import Batch, pack
from gpteval.encode.batching import epoch_order
from gpteval.errors import ConfigError
from gpteval.plugins import registry
from gpteval.train.finetune import Finetuning
from gpteval.train.head import TaskModel, pooled
from gpteval.train.schedule import RATIO, Depths, Schedule, slanted_triangular, warmup_linear
from gpteval.weights.transfer import layers_of

ULMFIT = FinetuneConfig(
    lr=0.01,
    batch_size=4,
    epochs=4,
    warmup=0.1,
    lm_weight=0.0,
    weight_decay=0.0,
    dropout=0.0,
    classifier_dropout=0.0,
    schedule="slanted",
    layer_divisor=2.6,
    unfreeze="gradual",
)


def test_linear_schedule_is_openais():
    """[C] `opt.py`: s·x/warmup + (1 − s), times 1 − x, at x = t / t_total with t from 0."""
    total, warmup = 231, 0.002
    x = np.arange(total) / total
    s = (x <= warmup).astype(float)
    rates = [warmup_linear(step, total, warmup) for step in range(total)]
    assert rates == pytest.approx((s * x / warmup + (1 - s)) * (1 - x))
    assert (rates[0], rates[-1]) == (0, pytest.approx(0.0043, abs=5e-5))


def test_linear_schedule_without_warmup_only_falls():
    assert [warmup_linear(step, 4, 0.0) for step in range(4)] == [1, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("total", [50, 400])
def test_slanted_triangle_is_the_papers(total: int) -> None:
    """Howard & Ruder 2018, equation 3, with cut_frac = 0.1 and ratio = 32."""
    share, ratio, highest = 0.1, 32, 0.01
    cut = math.floor(total * share)
    t = np.arange(total)
    p = np.where(t < cut, t / cut, 1 - (t - cut) / (cut * (1 / share - 1)))
    rates = [highest * slanted_triangular(int(step), total, share) for step in t]
    assert rates == pytest.approx(highest * (1 + p * (ratio - 1)) / ratio)
    assert (rates[0], max(rates)) == (pytest.approx(highest / ratio), highest)


def rates(training: Finetuning, loaded: Loaded, update: int, total: int) -> dict[str, float]:
    """Rate of every parameter that learns at an update."""
    training._begin(update, Schedule(training.config, total))
    by_id = {id(p): g["lr"] for g in training.optimiser.param_groups for p in g["params"]}
    named = training.model.named_parameters()
    return {name: by_id[id(p)] for name, p in named if p.requires_grad}


def test_layers_learn_at_ever_lower_rates_and_one_more_each_epoch(tiny: Loaded) -> None:
    """As fastai's text classifier: groups of embeddings, each layer and head; freeze, freeze_to.

    Its rates for three layers run from lr / 2.6⁴ (embeddings) to lr (head), a factor of 2.6 apart:
    `slice(lr / (2.6 ** 4), lr)`.
    """
    model, _ = prepared(tiny)
    layer = layers_of(tiny)
    assert layer is not None
    training = Finetuning(model, ULMFIT, 0, layer=layer)
    top = 1 + max(layer(name) for name, _ in model.model.named_parameters())
    per_epoch, total = 10, 40
    for epoch in range(4):
        for update in (epoch * per_epoch + 1, (epoch + 1) * per_epoch):
            found = rates(training, tiny, update, total)
            peak = 0.01 * slanted_triangular(update - 1, total, 0.1)
            expected = {
                name: peak / 2.6 ** (top - depth)
                for name, _ in model.named_parameters()
                if (depth := top if name.startswith("linear") else layer(name[6:])) >= top - epoch
            }
            assert found == pytest.approx(expected)
    assert {layer(n[6:]) for n in found if n[:5] == "model"} == set(range(max(0, top - 3), top))


def test_what_is_frozen_stays_and_what_learns_moves_as_adam_moves_it(tiny: Loaded) -> None:
    model, rows = prepared(tiny)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    training = Finetuning(model, ULMFIT, 0, layer=layers_of(tiny))
    training.update(rows[:4], 2, 40)
    rate = 0.01 * slanted_triangular(1, 40, 0.1)
    for name, parameter in model.named_parameters():
        moved = (parameter.detach() - before[name]).abs().max().item()
        # The first update of Adam moves every weight by the rate.
        assert moved == pytest.approx(rate if name.startswith("linear") else 0, rel=1e-3), name


def test_at_once_and_undivided_is_the_recipe_as_it_was(tiny: Loaded) -> None:
    model, _ = prepared(tiny)
    config = FinetuneConfig()
    groups = Finetuning(model, config, 0).optimiser.param_groups
    assert [g["scale"] for g in groups] == [1, 1]
    assert not {"schedule", "layer_divisor", "unfreeze", "pooling", "lm_epochs"} & {
        *config.settings
    }


def test_layers_that_nobody_tells_apart_are_refused(tiny: Loaded) -> None:
    model, _ = prepared(tiny)
    with pytest.raises(ConfigError, match="told apart"):
        Finetuning(model, ULMFIT, 0, layer=None)


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_pooled_states_are_those_of_separate_sequences(tiny: Loaded, kind: str) -> None:
    """[h_T, maxpool(H), meanpool(H)] of every path, by a plain loop over whole sequences."""
    _, rows = prepared(tiny, kind)
    model = TaskModel(tiny.model, toy(kind), 0.0, pooling="concat").eval()
    batch = pack(rows, 2 if kind == "classify" else 1)
    read = model._read(batch, tiny.model.hidden(batch.trees))
    expected = []
    for row in rows:
        hidden = tiny.model.hidden(pack([row], 2 if kind == "classify" else 1).trees)
        for end in row.tree.ends:
            path = hidden[row.tree.path(end)]
            expected.append(torch.cat([path[-1], path.amax(0), path.mean(0)]))
    torch.testing.assert_close(read, torch.stack(expected), atol=1e-5, rtol=1e-5)
    assert model(batch).shape == batch.targets.shape


def test_pooling_takes_the_maximum_and_the_mean() -> None:
    hidden = torch.tensor([[1.0, -1.0], [3.0, -5.0], [2.0, 0.0]])
    largest, mean = pooled(hidden, torch.tensor([0, 1, 0, 2]), torch.tensor([0, 0, 1, 1]))
    assert largest.tolist() == [[3, -1], [2, 0]]
    assert mean.tolist() == [[2, -3], [1.5, -0.5]]


def test_the_texts_come_first_and_the_task_begins_anew(tiny: Loaded) -> None:
    """A stage on the texts is training by the language-model loss alone, then moments are fresh."""
    config = replace(ULMFIT, lm_epochs=1, epochs=1, layer_divisor=1.0, unfreeze="at-once", clip=1e9)
    model, rows = prepared(tiny, count=8)
    reference = deepcopy(model)
    training = Finetuning(model, config, 0)
    training.fit(rows, None)
    optimiser = torch.optim.AdamW(reference.parameters(), lr=0.01, weight_decay=0.0)
    for update in range(1, 5):
        stage, step = divmod(update - 1, 2)
        if update == 3:
            optimiser = torch.optim.AdamW(reference.parameters(), lr=0.01, weight_decay=0.0)
        order = epoch_order(8, 0, stage)
        batch = pack([rows[i] for i in order[step * 4 : step * 4 + 4]], 2)
        hidden = reference.model.hidden(batch.trees)
        if stage:
            logits = reference.linear(hidden[batch.ends])
            loss = F.cross_entropy(logits, batch.targets)
        else:
            predicted = batch.trees.parents >= 0
            logits = reference.model.logits(hidden[batch.trees.parents[predicted]])
            each = F.cross_entropy(logits, batch.trees.tokens[predicted], reduction="none")
            loss = (each * batch.lm_weight[predicted]).sum()
        for group in optimiser.param_groups:
            group["lr"] = 0.01 * slanted_triangular(step, 2, 0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    batch = pack(rows, 2)  # a key's bias changes no number, and Adam moves it by rounding alone
    torch.testing.assert_close(model(batch), reference(batch), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(
        model.text_loss(batch), reference.text_loss(batch), rtol=1e-4, atol=0
    )


def test_the_recipe_has_the_papers_figures() -> None:
    recipe = registry().recipe("ulmfit")
    assert (recipe.warmup, RATIO, recipe.layer_divisor) == (0.1, 32, 2.6)
    assert (recipe.schedule, recipe.unfreeze, recipe.pooling) == ("slanted", "gradual", "concat")
    assert (recipe.lr, recipe.batch_size, recipe.lm_weight) == (0.01, 64, 0.0)


@pytest.mark.parametrize("lowest", [1, 2, 3])
@pytest.mark.parametrize("lm_weight", [0.0, 0.5])
def test_gradients_of_what_learns_are_those_of_the_whole_with_dropout_too(
    tiny: Loaded, lowest: int, lm_weight: float
) -> None:
    model, rows = prepared(tiny)
    model.model.dropout = 0.1
    batch = pack(rows, 2)
    whole = gradients_of(model, batch, lm_weight)
    depths = Depths(model, layers_of(tiny))
    assert depths.head == 3
    depths.learn_from(lowest, model)
    for name, gradient in gradients_of(model, batch, lm_weight).items():
        if depths(name) < lowest:
            assert gradient is None, name
        else:
            torch.testing.assert_close(gradient, whole[name], msg=name)


def gradients_of(model: TaskModel, batch: Batch, lm_weight: float) -> dict[str, Tensor | None]:
    """Of one step with the same dropout masks."""
    model.train().zero_grad()
    torch.manual_seed(0)
    task_loss, lm_loss = model.losses(batch, lm_weight)
    (task_loss + lm_weight * lm_loss).backward()
    return {name: p.grad for name, p in model.named_parameters()}
