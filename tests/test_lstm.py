"""The ablation's LSTM: trees against separate sequences, torch's cell and NumPy by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.utils.flop_counter import FlopCounterMode

import gpteval
from gpteval import CheckpointError, Compute, ConfigError, load_model, save_checkpoint
from gpteval.cli.pretrain import command as pretrain
from gpteval.compute.cost import forward_flops
from gpteval.encode.batch import Batch, Encoded, pack
from gpteval.tree import fold
from gpteval_models import LSTM_PRESETS
from gpteval_models.lstm import LSTM, LSTMConfig, build

TEXT = "the captain looked at the sea and said nothing , and nobody could ask for more . "
ARTICLE, QUESTION = list(range(5, 25)), list(range(30, 40))
ANSWERS = [[1, 2, 3], [4, 5, 6, 7], [8]]
SEQUENCES = [[*ARTICLE, *QUESTION, *a] for a in ANSWERS] + [[*ARTICLE, 60, 61], [70, 71, 72]]


def batch(*trees: list[list[int]], shared: int = 8) -> Batch:
    return pack([Encoded(str(i), fold(t, shared), (), i) for i, t in enumerate(trees)], 1)


@pytest.fixture
def model() -> LSTM:
    torch.manual_seed(0)
    return LSTM(LSTMConfig(vocab_size=90, context=64, width=12, units=20)).eval()


def test_a_tree_gives_the_states_of_separate_sequences(model: LSTM) -> None:
    tree, apart = batch(SEQUENCES), batch(SEQUENCES, shared=99)
    assert max(len(span.ancestors) for span in tree.trees.spans) == 2
    together, alone = model.hidden(tree.trees)[tree.ends], model.hidden(apart.trees)[apart.ends]
    torch.testing.assert_close(together, alone)
    first = batch([SEQUENCES[0]])
    path = fold(SEQUENCES).path(int(tree.ends[0]))
    torch.testing.assert_close(model.hidden(tree.trees)[path], model.hidden(first.trees))


def test_gradients_of_a_tree_are_those_of_separate_sequences(model: LSTM) -> None:
    found = []
    for packed in (batch(SEQUENCES), batch(SEQUENCES, shared=99)):
        model.zero_grad()
        model.hidden(packed.trees)[packed.ends].pow(2).sum().backward()
        found.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(*found)


def test_several_trees_of_a_batch_do_not_mix(model: LSTM) -> None:
    both = model.hidden(batch(SEQUENCES[:3], SEQUENCES[3:]).trees)
    apart = [model.hidden(batch(part).trees) for part in (SEQUENCES[:3], SEQUENCES[3:])]
    torch.testing.assert_close(both, torch.cat(apart))


def test_states_are_those_of_the_formula(model: LSTM) -> None:
    weights = {name: p.detach().double().numpy() for name, p in model.named_parameters()}
    output, cell = np.zeros(20), np.zeros(20)
    for token in SEQUENCES[0]:
        gates = weights["lstm.weight_ih_l0"] @ weights["tokens"][token]
        gates = gates + weights["lstm.weight_hh_l0"] @ output
        gates += weights["lstm.bias_ih_l0"] + weights["lstm.bias_hh_l0"]
        enter, forget, new, leave = np.split(gates, 4)
        cell = cell / (1 + np.exp(-forget)) + np.tanh(new) / (1 + np.exp(-enter))
        output = np.tanh(cell) / (1 + np.exp(-leave))
    expected = weights["out.weight"] @ output + weights["out.bias"]
    found = model.hidden(batch([SEQUENCES[0]]).trees)[-1].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_papers_size_is_2048_units_and_mini_is_as_large_as_mini() -> None:
    with torch.device("meta"):
        paper = build({"vocab_size": 40_478, **LSTM_PRESETS["lstm"]})
        mini = build({"vocab_size": 8_478, **LSTM_PRESETS["lstm-mini"]})
    assert paper.lstm.weight_hh_l0.shape == (4 * 2048, 2048)
    assert sum(p.numel() for p in paper.parameters()) == paper.shape.parameters
    assert sum(p.numel() for p in mini.parameters()) == pytest.approx(2_675_520, rel=0.02)


def test_its_arithmetic_is_what_torch_counts_with_nothing_for_attention(model: LSTM) -> None:
    packed = batch(SEQUENCES)
    with FlopCounterMode(display=False) as counter:
        model.logits(model.hidden(packed.trees)[:10])
    counted = counter.get_total_flops()
    assert counted == forward_flops(model, len(packed.trees.tokens), keys=999, predicted=10)


def test_dropout_falls_on_both_sides_of_the_recurrence_in_training_only(model: LSTM) -> None:
    packed = batch([SEQUENCES[0]])
    still = model.hidden(packed.trees)
    torch.testing.assert_close(model.hidden(packed.trees), still)
    model.train()
    assert not torch.equal(model.hidden(packed.trees), model.hidden(packed.trees))
    model.dropout = 0.0
    torch.testing.assert_close(model.hidden(packed.trees), still)


def test_added_tokens_are_new_rows_of_the_one_matrix(model: LSTM) -> None:
    assert (model.add_tokens(3), model.vocab_size) == (90, 93)
    assert model.logits(model.hidden(batch([[92, 1]]).trees)).shape == (2, 93)
    assert model.config()["vocab_size"] == 93


@pytest.mark.parametrize("wrong", [{"units": 0}, {"width": 2.5}, {"dropout": 1.0}])
def test_a_shape_that_no_lstm_has_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is a "):
        build({"vocab_size": 10, **wrong})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `gpteval pretrain --preset lstm-mini` leaves after three updates."""
    directory = tmp_path_factory.mktemp("lstm")
    (directory / "book.txt").write_text(TEXT * 40, encoding="utf-8")
    arguments = f"{directory} --output {directory}/out --preset lstm-mini --context 128 --merges 60"
    arguments += " --batch-size 2 --updates 3 --warmup 1 --held-out 0 --device cpu"
    assert CliRunner().invoke(pretrain, arguments.split(), catch_exceptions=False).exit_code == 0
    return directory / "out" / "model"


def test_it_is_pre_trained_fine_tuned_and_asked_like_any_model(
    trained: Path, tmp_path: Path
) -> None:
    settings = {"model": str(trained), "sample": True, "limit": 8, "compute": Compute("cpu")}
    fitted = gpteval.run("copa", results=tmp_path, changes={"epochs": 1}, **settings)
    asked = gpteval.score_zeroshot("copa", results=tmp_path, **settings)
    assert [r.n for r in (*fitted, *asked)] == [8, 8, 8]
    assert "untrained" in asked[0].baselines
    assert fitted[0].cost["train_flops"] > 0


def test_weights_that_do_not_fit_are_one_line(trained: Path, tmp_path: Path) -> None:
    loaded = load_model(str(trained))
    save_checkpoint(tmp_path / "gpt", "gpt", loaded.model, loaded.tokenizer)
    with pytest.raises(CheckpointError, match="describes no GPT"):
        load_model(str(tmp_path / "gpt"))
