"""GPT-1's decoder against transformers' on the same weights, and its dropout against OpenAI's."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import Tensor
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

from gpteval import ConfigError, Trees, load_weights
from gpteval.encode.batch import Encoded, pack
from gpteval.tree import fold
from gpteval_models import PRESETS
from gpteval_models.dropout import Dropout
from gpteval_models.gpt import GPT, GPTConfig, build
from gpteval_models.openai import translate

SHAPE = GPTConfig(vocab_size=90, context=40, width=32, layers=3, heads=4)


def packed(*sequences: list[int]) -> Trees:
    return pack([Encoded(str(i), fold([s]), (), i) for i, s in enumerate(sequences)], 0).trees


def random_ids(length: int) -> list[int]:
    return torch.randint(90, (length,)).tolist()


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    return GPT(SHAPE).eval()


@pytest.fixture
def transformers_model() -> OpenAIGPTLMHeadModel:
    """Random in every parameter, so that none can be swapped or left out unseen."""
    torch.manual_seed(1)
    config = OpenAIGPTConfig(vocab_size=90, n_positions=40, n_embd=32, n_layer=3, n_head=4)
    theirs = OpenAIGPTLMHeadModel(config).eval()
    for parameter in theirs.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.2)
    return theirs


def test_logits_equal_transformers_on_the_same_weights(
    model: GPT, transformers_model: OpenAIGPTLMHeadModel
) -> None:
    load_weights(model, translate(transformers_model.state_dict()), "transformers")
    sequences = [random_ids(n) for n in (40, 7, 7, 1, 23)]
    ours = model.logits(model.hidden(packed(*sequences)))
    theirs = [transformers_model(torch.tensor([s])).logits[0] for s in sequences]
    torch.testing.assert_close(ours, torch.cat(theirs), atol=1e-4, rtol=0)


def test_the_papers_size_has_the_papers_parameters() -> None:
    with torch.device("meta"):
        model = build({"vocab_size": 40_478, **PRESETS["gpt1"]})
    assert sum(p.numel() for p in model.parameters()) == 116_534_784


@pytest.mark.parametrize(("preset", "millions"), [("mini", 2.65), ("small", 10.1)])
def test_presets_have_about_the_size_they_are_described_by(preset: str, millions: float) -> None:
    with torch.device("meta"):
        model = build({"vocab_size": 8_478, **PRESETS[preset]})
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(millions * 1e6, rel=0.02)


@pytest.mark.parametrize(("width", "deviation"), [(768, 0.02), (192, 0.04)])
def test_fresh_weights_have_the_papers_deviation_at_its_width(width: int, deviation: float) -> None:
    torch.manual_seed(0)
    fresh = dict(GPT(GPTConfig(500, width=width, layers=1, heads=2)).named_parameters())
    for name, parameter in fresh.items():
        if parameter.ndim == 2:
            assert parameter.std().item() == pytest.approx(deviation, rel=0.05), name
        else:
            assert (parameter == (0 if name.endswith("bias") else 1)).all(), name


def test_the_same_seed_builds_the_same_model() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build({"vocab_size": 20, "width": 8, "layers": 1, "heads": 2}).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_embedding_dropout_falls_on_the_matrix_that_the_logits_use_too() -> None:
    model = GPT(GPTConfig(vocab_size=90, context=40, width=32, layers=0, heads=4)).train()
    model.positions.data.zero_()
    model.dropout = 0.4
    batch = packed(random_ids(30), random_ids(30))
    hidden = model.hidden(batch)
    matrix = model.logits(torch.eye(32)).T  # (V, D)
    torch.testing.assert_close(hidden, matrix[batch.tokens])
    assert (matrix == 0).float().mean().item() == pytest.approx(0.4, abs=0.05)
    torch.testing.assert_close(matrix[matrix != 0], (model.tokens / 0.6)[matrix != 0])


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_entries_of_the_matrix_are_dropped_independently_at_the_rate(rate: float) -> None:
    torch.manual_seed(1)
    table = torch.rand(1000, 200, requires_grad=True)
    dropped = Dropout(rate)(table)
    gone = (dropped == 0).double()
    pairs = [(gone[:, :-1] * gone[:, 1:]).mean(), (gone[:-1] * gone[1:]).mean()]
    assert gone.mean().item() == pytest.approx(rate, abs=0.006)
    assert [p.item() for p in pairs] == pytest.approx([rate**2] * 2, abs=0.012)
    assert gone.mean(0).std().item() == pytest.approx((rate * (1 - rate) / 1000) ** 0.5, rel=0.2)
    assert {gone[0].sum().item(), gone[-1].sum().item()} <= set(range(1, 200))


def test_kept_entries_are_scaled_and_alone_receive_gradients() -> None:
    table = torch.rand(30, 20, requires_grad=True)
    dropped = Dropout(0.3)(table)
    kept = dropped != 0
    torch.testing.assert_close(dropped, table * kept / 0.7)
    (dropped * 3).sum().backward()
    torch.testing.assert_close(table.grad, 3 * kept / 0.7)


def test_a_new_step_draws_a_new_embedding_mask(model: GPT) -> None:
    batch, masks = packed(random_ids(5)), []
    model.train()
    for _ in range(2):
        model.hidden(batch)
        masks.append(model.logits(torch.eye(32)) == 0)
    assert not torch.equal(*masks)


def test_a_backward_pass_frees_the_dropped_out_matrix(model: GPT) -> None:
    hidden = model.train().hidden(packed(random_ids(9)))
    matrix = weakref.ref(model._dropped)
    loss = model.logits(hidden).sum()
    del hidden
    assert matrix() is not None
    loss.backward()
    assert matrix() is None
    assert model.tokens.grad.any()


def test_evaluation_after_training_sees_the_whole_matrix(model: GPT) -> None:
    batch = packed(random_ids(9))
    before = model.logits(model.hidden(batch))
    model.train().hidden(batch)
    torch.testing.assert_close(model.eval().logits(model.hidden(batch)), before)


def test_dropout_set_to_zero_trains_as_it_evaluates(model: GPT) -> None:
    batch = packed(random_ids(9))
    expected = model.hidden(batch)
    model.dropout = 0.0
    torch.testing.assert_close(model.train().hidden(batch), expected)


def test_added_tokens_leave_the_others_as_they_were(model: GPT) -> None:
    batch = packed(random_ids(9))
    before = model.logits(model.hidden(batch))
    assert model.add_tokens(3) == 90
    assert model.vocab_size == 93
    torch.testing.assert_close(model.logits(model.hidden(batch))[:, :90], before)
    assert model.tokens[90:].std().item() == pytest.approx(model.tokens[:90].std().item(), rel=0.3)


def test_the_config_builds_the_same_shape_again(model: GPT) -> None:
    model.add_tokens(2)
    again = build(model.config()).state_dict()
    assert {n: t.shape for n, t in again.items()} == {
        n: t.shape for n, t in model.state_dict().items()
    }


def test_every_parameter_learns(model: GPT) -> None:
    model.logits(model.hidden(packed(list(range(40))))).logsumexp(-1).sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_bf16_autocast_stays_near_fp32(model: GPT) -> None:
    batch = packed(random_ids(30), random_ids(12))
    exact = model.logits(model.hidden(batch))
    with torch.autocast("cpu", torch.bfloat16):
        rough: Tensor = model.logits(model.hidden(batch))
    torch.testing.assert_close(rough.float(), exact, atol=0.03, rtol=0)


def test_a_width_that_the_heads_cant_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="width 30 can't be shared by 4 heads"):
        GPTConfig(vocab_size=10, width=30, heads=4)
