"""States of frozen models and the columns made of them, against plain torch and NumPy."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fabricated import task
from test_huggingface import falcon, gpt2, llama, write
from torch import Tensor
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

from gpteval import BpeTokenizer, Compute, Example, Loaded, load_model, load_weights
from gpteval.compute.device import resolve
from gpteval.compute.memory import available, refuse_beyond
from gpteval.encode import cache
from gpteval.encode.batch import pack_trees
from gpteval.encode.examples import encode_examples
from gpteval.encode.texts import Read, encode_texts, texts_of
from gpteval.errors import ExampleError, TrainingError
from gpteval.features.composed import Layout, composed
from gpteval.features.frozen import Frozen, Split
from gpteval.features.kept import fitting
from gpteval.features.states import folded, layer_count, pass_tokens, read_states
from gpteval.model import layer_states
from gpteval.tree import fold
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.lstm import LSTM, LSTMConfig
from gpteval_models.openai import translate

MACHINE = resolve(Compute("cpu", "fp32"))
SEQUENCES = [[3, 4, 5, 6, 7, 8], [3, 4, 5, 6, 7, 1, 2], [3, 4, 5, 6, 7, 1, 2, 5, 5], [9, 2], [4]]


def alone(model: torch.nn.Module, tokens: list[int]) -> list[Tensor]:
    """States of one sequence that is read by itself."""
    with torch.no_grad():
        return layer_states(model, pack_trees([fold([tokens])]))  # type: ignore[arg-type]


def test_states_of_gpt_are_transformers_hidden_states() -> None:
    torch.manual_seed(1)
    config = OpenAIGPTConfig(vocab_size=90, n_positions=40, n_embd=32, n_layer=3, n_head=4)
    theirs = OpenAIGPTLMHeadModel(config).eval()
    for parameter in theirs.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.2)
    ours = GPT(GPTConfig(vocab_size=90, context=40, width=32, layers=3, heads=4)).eval()
    load_weights(ours, translate(theirs.state_dict()), "transformers")
    tree = fold(SEQUENCES)
    with torch.no_grad():
        states = ours.states(pack_trees([tree]))
    assert len(states) == 4
    for tokens, end in zip(SEQUENCES, tree.ends, strict=True):
        hidden = theirs(torch.tensor([tokens]), output_hidden_states=True).hidden_states
        for mine, reference in zip(states, hidden, strict=True):
            torch.testing.assert_close(mine[tree.path(end)], reference[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("make", [llama, gpt2, falcon], ids=lambda make: make.__name__)
def test_states_of_a_model_of_transformers_are_its_hidden_states(make, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = make().eval()
    loaded = load_model(f"hf:{write(tmp_path / 'lm', theirs)}")
    tree = fold(SEQUENCES)
    with torch.no_grad():
        states = layer_states(loaded.model, pack_trees([tree]))
        final = loaded.model.hidden(pack_trees([tree]))
    assert torch.equal(states[-1], final)
    for tokens, end in zip(SEQUENCES, tree.ends, strict=True):
        hidden = theirs(torch.tensor([tokens]), output_hidden_states=True).hidden_states
        for mine, reference in zip(states, hidden, strict=True):
            torch.testing.assert_close(mine[tree.path(end)], reference[0], atol=1e-4, rtol=0)


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(vocab_size=20, context=40, width=16, layers=2, heads=2)).eval()


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("pass_bytes", [1, 1 << 28], ids=["a tree a pass", "one pass"])
def test_the_vector_of_a_text_is_that_of_the_text_read_by_itself(
    model: GPT, mean: bool, pass_bytes: int
) -> None:
    reads = [Read(tuple(tokens), len(tokens) // 2) for tokens in SEQUENCES]
    into = {layer: np.full((len(reads), 16), np.nan, np.float32) for layer in (0, 1, 2)}
    read_states(model, reads, into, MACHINE, mean=mean, pass_bytes=pass_bytes)
    for place, read in enumerate(reads):
        for layer, states in enumerate(alone(model, list(read.tokens))):
            expected = states[read.begin :].mean(0) if mean else states[-1]
            np.testing.assert_allclose(into[layer][place], expected.numpy(), atol=1e-5)


def test_a_model_that_tells_no_layers_tells_its_final_states() -> None:
    torch.manual_seed(0)
    model = LSTM(LSTMConfig(vocab_size=20, context=40, width=16, units=8)).eval()
    assert layer_count(model) == 1
    into = {-1: np.zeros((1, 16), np.float32)}
    read_states(model, [Read((3, 4, 5), 0)], into, MACHINE, mean=False)
    (states,) = alone(model, [3, 4, 5])
    np.testing.assert_allclose(into[-1][0], states[-1].numpy(), atol=1e-6)


def test_shared_beginnings_are_computed_once_and_no_pass_is_larger_than_it_may(model: GPT) -> None:
    reads = [Read(tuple(tokens), 0) for tokens in SEQUENCES]
    into = {2: np.zeros((len(reads), 16), np.float32)}
    computed = read_states(model, reads, into, MACHINE, mean=False)
    assert computed == 15 < sum(map(len, SEQUENCES))  # 3 4 5 6 7 of three texts stand once
    most = pass_tokens(model, layer_count(model), pass_bytes=4 * 16 * (3 + 16) * 8)
    assert most == 8
    sizes = [len(one.tree.tokens) for one in folded(reads, most)]
    assert max(sizes) <= 9  # the longest text by itself
    assert sorted(t for one in folded(reads, most) for t in one.texts) == list(range(5))


def test_two_texts_are_told_as_infersent_has_them() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    layout = Layout.of([[(0, 1)], [(4, 2)]], apart=False)
    u, v = vectors[[0, 4]], vectors[[1, 2]]
    expected = np.concatenate([u, v, np.abs(u - v), u * v], axis=1)
    assert np.array_equal(composed(vectors, layout), expected)


def test_both_orders_of_a_pair_are_averaged_and_answers_stand_apart() -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    orders = [[(0, 1), (1, 0)], [(2, 3), (3, 2)]]
    both = composed(vectors, Layout.of(orders, apart=False))
    u, v = vectors[[0, 2]], vectors[[1, 3]]
    sides = (u + v) / 2
    expected = np.concatenate([sides, sides, np.abs(u - v), u * v], axis=1)
    np.testing.assert_allclose(both, expected, rtol=1e-6)
    answers = Layout.of([[(0,), (1,)], [(2,), (3,)]], apart=True)
    assert np.array_equal(composed(vectors, answers), vectors)
    assert answers.rows.tolist() == [2, 2]


def test_answers_are_read_behind_what_is_given_and_other_texts_by_themselves() -> None:
    choice = Example("0", (("who ?", "he"), ("who ?", "she")), 0, context="They met.")
    assert texts_of(task("accuracy", kind="choose"), choice) == [
        (("They met. who ?", "he"),), (("They met. who ?", "she"),),
    ]  # fmt: skip
    pair = Example("0", (("a", "b"), ("b", "a")), "yes")
    assert texts_of(task("accuracy"), pair) == [(("", "a"), ("", "b")), (("", "b"), ("", "a"))]


def test_a_long_text_is_cut_at_its_end_and_what_is_given_first(tiny_directory: Path) -> None:
    words = load_model(str(tiny_directory)).tokenizer
    (whole,) = encode_texts([[("the captain of the ship", "said nothing")]], words, 64)
    asked = whole[0].tokens[whole[0].begin :]
    (short,) = encode_texts([[("the captain of the ship", "said nothing")]], words, len(asked) + 2)
    assert short[0].tokens[short[0].begin :] == asked
    assert len(short[0].tokens) == len(asked) + 2
    (cut,) = encode_texts([[("the captain", "said nothing")]], words, 3)
    start = () if words.start is None else (words.start,)
    assert cut[0].tokens == (*start, *asked)[:3]
    with pytest.raises(ExampleError, match="no token"):
        encode_texts([[("", "the")], [("", "")]], words, 64)


def examples() -> list[Example]:
    texts = ["the captain said nothing", "the captain said that", "a boy asked him", "happy or sad"]
    return [Example(str(n), ((text,),), ("yes", "no")[n % 2]) for n, text in enumerate(texts)]


def loaded_fresh(directory: Path) -> Loaded:
    return load_model(str(directory))


def test_the_extract_state_is_what_fine_tuning_reads_before_its_first_update(
    tiny_directory: Path,
) -> None:
    frozen = Frozen(loaded_fresh(tiny_directory), MACHINE, "extract")
    split = frozen.split(task("accuracy"), examples(), frozen.layers)
    assert frozen._specials is not None
    words, model = frozen.loaded.tokenizer, frozen.loaded.model
    encoded = encode_examples(examples(), None, words, frozen._specials, model.context)
    for place, one in enumerate(encoded):
        states = alone(model, list(one.tree.tokens))
        for layer in frozen.layers:
            row = split.layers[layer][split.layout.texts[place, 0]]
            np.testing.assert_allclose(row, states[layer][-1].numpy(), atol=1e-5)


def test_states_are_kept_and_what_is_damaged_is_made_again(
    tiny_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTEVAL_CACHE", str(tmp_path))
    monkeypatch.setattr("gpteval.features.frozen.FEWEST", 1)
    frozen = Frozen(loaded_fresh(tiny_directory), MACHINE, "mean")
    first = frozen.split(task("accuracy"), examples(), (1, 2))
    before, tokens = np.array(first.layers[2]), frozen.tokens
    again = frozen.split(task("accuracy"), examples(), (1,))
    assert frozen.tokens == tokens > 0
    assert np.array_equal(again.layers[1], first.layers[1])
    files = sorted(tmp_path.glob("*.npy"))
    assert len(files) == 2
    for file in files:
        content = bytearray(file.read_bytes())
        content[200] ^= 1
        file.write_bytes(content)
    mended = frozen.split(task("accuracy"), examples(), (1, 2))
    assert frozen.tokens == 2 * tokens
    assert np.array_equal(mended.layers[2], before)
    other = Frozen(loaded_fresh(tiny_directory), MACHINE, "last")
    other.split(task("accuracy"), examples(), (1,))
    assert len(list(tmp_path.glob("*.npy"))) == 3


def test_states_are_computed_where_none_can_be_kept(
    tiny_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GPTEVAL_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("gpteval.features.frozen.FEWEST", 1)
    cache.tell.cache_clear()
    frozen = Frozen(loaded_fresh(tiny_directory), MACHINE, "mean")
    split = frozen.split(task("accuracy"), examples(), (1,))
    assert np.isfinite(split.layers[1]).all()
    assert "can't be kept" in caplog.text


@pytest.fixture
def kept_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where states are kept, of however few texts."""
    monkeypatch.setenv("GPTEVAL_CACHE", str(tmp_path))
    monkeypatch.setattr("gpteval.features.frozen.FEWEST", 1)
    return tmp_path


def test_what_was_used_longest_ago_makes_room(
    kept_files: Path, tiny_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = Frozen(loaded_fresh(tiny_directory), MACHINE, "mean")
    frozen.split(task("accuracy"), examples(), (1, 2))
    old, used = sorted(kept_files.glob("*.npy"))
    os.utime(old, (0, time.time() - 60))
    monkeypatch.setattr("gpteval.features.kept.MOST", 2 * old.stat().st_size)
    frozen.split(task("accuracy"), examples(), (0,))
    assert not old.exists()
    assert used.exists()
    assert len(list(kept_files.glob("*.npy"))) == 2


def test_only_as_many_layers_are_read_along_as_there_is_room_for(
    kept_files: Path, tiny_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = Frozen(loaded_fresh(tiny_directory), MACHINE, "mean")
    each = 4 * len(examples()) * frozen.loaded.model.width
    assert fitting((0,), (0, 1, 2), (len(examples()), frozen.loaded.model.width)) == [0, 1, 2]
    monkeypatch.setattr("gpteval.features.kept.MOST", 2 * each + 400)
    found = frozen.split(task("accuracy"), examples(), (0,), further=(0, 1, 2))
    assert list(found.layers) == [0, 1]
    assert len(list(kept_files.glob("*.npy"))) == 2


def test_what_no_disk_has_room_for_is_held_in_memory_and_told(
    kept_files: Path, tiny_directory: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("gpteval.features.kept.MOST", 10)
    cache.tell.cache_clear()
    frozen = Frozen(loaded_fresh(tiny_directory), MACHINE, "mean")
    found = frozen.split(task("accuracy"), examples(), (1,), further=(1, 2))
    assert list(found.layers) == [1]
    assert np.isfinite(found.layers[1]).all()
    assert not list(kept_files.glob("*.npy"))
    assert "0.0 GB more, and there may be 0.0" in caplog.text
    monkeypatch.setattr("gpteval.compute.memory.available", lambda: 10)
    with pytest.raises(TrainingError, match=r"GB of memory.*--limit"):
        frozen.split(task("accuracy"), examples(), (2,))


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="no /proc/meminfo")
def test_the_memory_that_is_left_is_less_than_there_is() -> None:
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    left = available()
    assert left is not None
    assert 0 < left <= there
    refuse_beyond(1, "a byte")
    with pytest.raises(TrainingError, match="all there is would take about"):
        refuse_beyond(2 * there, "all there is")


def test_other_vectors_stand_beside_the_states_of_their_texts() -> None:
    draw = np.random.default_rng(0)
    states, others = draw.normal(size=(3, 4)), draw.normal(size=(4, 2))
    own, words = [[(0, 1)], [(2, 0)], [(0, 1)]], [[(3, 0)], [(1, 1)], [(3, 0)]]
    split = Split(Layout.of(own, apart=False), {5: states.astype(np.float32)})
    both = split.with_others(others.astype(np.float32), Layout.of(words, apart=False))
    rows = []
    for ((a, b),), ((c, d),) in zip(own, words, strict=True):
        u, v = np.hstack([others[c], states[a]]), np.hstack([others[d], states[b]])
        rows.append(np.hstack([u, v, np.abs(u - v), u * v]))
    np.testing.assert_allclose(composed(both.vectors(5), both.layout), rows, rtol=1e-5)
    assert both.shape == (4, 6)  # of six texts, four are different in words or state


def test_progress_counts_every_example_once(tiny_directory: Path) -> None:
    frozen = Frozen(loaded_fresh(tiny_directory), MACHINE, "mean")
    told: list[int] = []
    frozen.split(task("accuracy"), [*examples(), *examples()], (1,), told.append)
    assert sum(told) == 8


def test_a_tokenizer_without_a_start_token_is_read_as_it_is() -> None:
    words = BpeTokenizer.train(["a b c a b c a b"], merges=4)
    words.start = None
    ((read,),) = encode_texts([[("", "a b c")]], words, 9)
    assert list(read.tokens) == words.encode(["a b c"])[0]
    assert read.begin == 0
