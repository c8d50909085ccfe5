"""OpenAI's weights in OpenAI's own files, written here by hand, and in Hugging Face's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

from gpteval import BpeTokenizer, CheckpointError, Loaded, load_model
from gpteval.encode.batch import Encoded, pack
from gpteval.testing import check_model
from gpteval.tree import fold

TEXT = "the captain couldn't say whether the café by the sea was open on sunday ."


@pytest.fixture(scope="module")
def theirs() -> OpenAIGPTLMHeadModel:
    torch.manual_seed(0)
    size = BpeTokenizer.train([TEXT], merges=30).vocab_size
    config = OpenAIGPTConfig(vocab_size=size, n_positions=48, n_embd=128, n_layer=2, n_head=2)
    model = OpenAIGPTLMHeadModel(config).eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def write_bpe(directory: Path, vocabulary: str, merges: str) -> None:
    BpeTokenizer.train([TEXT], merges=30).save(directory)
    model = json.loads((directory / "tokenizer.json").read_text())["model"]
    (directory / "tokenizer.json").unlink()
    del model["vocab"]["<eot>"]
    (directory / vocabulary).write_text(json.dumps(model["vocab"]))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"]), ""]
    (directory / merges).write_text("\n".join(lines))


@pytest.fixture
def numpy_directory(theirs: OpenAIGPTLMHeadModel, tmp_path: Path) -> Path:
    """Variables in the order of OpenAI's graph, flat, in ten files; matrices as convolutions."""
    body = theirs.transformer
    variables = [body.positions_embed.weight, body.tokens_embed.weight]
    for block in body.h:
        layers = (block.attn.c_attn, block.attn.c_proj, block.ln_1)
        for layer in (*layers, block.mlp.c_fc, block.mlp.c_proj, block.ln_2):
            matrix = layer.weight.ndim == 2
            variables += [layer.weight[None] if matrix else layer.weight, layer.bias]
    flat = torch.cat([v.detach().flatten() for v in variables]).numpy()
    for index, part in enumerate(np.array_split(flat, 10)):
        np.save(tmp_path / f"params_{index}.npy", part)
    (tmp_path / "params_shapes.json").write_text(json.dumps([list(v.shape) for v in variables]))
    write_bpe(tmp_path, "encoder_bpe_40000.json", "vocab_40000.bpe")
    return tmp_path


@pytest.fixture
def transformers_directory(theirs: OpenAIGPTLMHeadModel, tmp_path: Path) -> Path:
    theirs.save_pretrained(tmp_path)
    write_bpe(tmp_path, "vocab.json", "merges.txt")
    return tmp_path


def assert_same_logits(loaded: Loaded, theirs: OpenAIGPTLMHeadModel) -> None:
    ids = torch.randint(theirs.config.vocab_size, (48,))
    model = loaded.model.eval()
    batch = pack([Encoded("", fold([ids.tolist()]), (), 0)], 0)
    ours, reference = model.logits(model.hidden(batch.trees)), theirs(ids[None]).logits[0]
    torch.testing.assert_close(ours, reference, atol=1e-4, rtol=0)


@pytest.mark.parametrize("prefix", ["", "openai-gpt:", "openai-gpt-bert:"])
def test_openais_files_give_transformers_logits(
    numpy_directory: Path, theirs: OpenAIGPTLMHeadModel, prefix: str
) -> None:
    assert_same_logits(load_model(f"{prefix}{numpy_directory}"), theirs)


@pytest.mark.parametrize("prefix", ["", "openai-gpt:"])
def test_transformers_files_give_its_logits(
    transformers_directory: Path, theirs: OpenAIGPTLMHeadModel, prefix: str
) -> None:
    assert_same_logits(load_model(f"{prefix}{transformers_directory}"), theirs)


def test_tensors_without_transformers_prefix_load_too(
    transformers_directory: Path, theirs: OpenAIGPTLMHeadModel
) -> None:
    path = transformers_directory / "model.safetensors"
    tensors = {n.removeprefix("transformer."): t for n, t in load_file(path).items()}
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 48, 48)  # the mask that old files carry
    save_file(tensors, path)
    assert_same_logits(load_model(str(transformers_directory)), theirs)


def test_both_formats_have_one_digest(numpy_directory: Path, theirs: OpenAIGPTLMHeadModel) -> None:
    first = load_model(str(numpy_directory)).digest
    theirs.save_pretrained(numpy_directory / "other")
    write_bpe(numpy_directory / "other", "vocab.json", "merges.txt")
    assert load_model(str(numpy_directory / "other")).digest == first


def test_text_is_split_openais_way_unless_bert_is_asked_for(numpy_directory: Path) -> None:
    openai = load_model(f"openai-gpt:{numpy_directory}").tokenizer
    bert = load_model(f"openai-gpt-bert:{numpy_directory}").tokenizer
    words = ["the captain couldn't"]
    assert openai.encode(words) == openai.encode(["the captain could n't"])
    assert bert.encode(words) == bert.encode(["the captain couldn ' t"])
    assert openai.start is None


def fails(reference: Path | str, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        load_model(f"openai-gpt:{reference}")
    assert "\n" not in str(caught.value)


def test_a_missing_part_is_named(numpy_directory: Path) -> None:
    (numpy_directory / "params_7.npy").unlink()
    fails(numpy_directory, r"has no params_7\.npy")


def test_too_few_numbers_are_counted(numpy_directory: Path) -> None:
    np.save(numpy_directory / "params_9.npy", np.zeros(3, np.float32))
    fails(numpy_directory, r"params_shapes\.json asks for \d+ numbers in 26 tensors")


def test_a_cut_part_is_named(numpy_directory: Path) -> None:
    path = numpy_directory / "params_3.npy"
    path.write_bytes(path.read_bytes()[:-9])
    fails(numpy_directory, r"params_3\.npy is no whole array file")


def test_a_pickled_part_is_refused(numpy_directory: Path) -> None:
    np.save(numpy_directory / "params_0.npy", np.array([{}]), allow_pickle=True)
    fails(numpy_directory, r"params_0\.npy is no whole array file")


def test_a_misshapen_layer_is_named(numpy_directory: Path) -> None:
    path = numpy_directory / "params_shapes.json"
    shapes = json.loads(path.read_text())
    shapes[2] = [1, 384, 128]
    path.write_text(json.dumps(shapes))
    fails(
        numpy_directory, r"blocks\.0\.attention\.qkv\.weight \(128, 384\) instead of \(384, 128\)"
    )


def test_broken_shapes_are_named(numpy_directory: Path) -> None:
    (numpy_directory / "params_shapes.json").write_text("[[48, 128],")
    fails(numpy_directory, r"params_shapes\.json:1: not JSON")


@pytest.mark.parametrize("shapes", ["[[48, 128], 7]", "[[48, 128]]", '[["a"], [1, 2]]'])
def test_shapes_that_are_none_are_named(numpy_directory: Path, shapes: str) -> None:
    (numpy_directory / "params_shapes.json").write_text(shapes)
    fails(numpy_directory, r"params_shapes\.json: not a list of shapes")


def test_missing_merges_are_named(numpy_directory: Path) -> None:
    (numpy_directory / "vocab_40000.bpe").unlink()
    fails(numpy_directory, r"has no vocab_40000\.bpe")


def test_a_merge_of_three_symbols_is_shown(numpy_directory: Path) -> None:
    (numpy_directory / "vocab_40000.bpe").write_text("#version: 0.2\nt h\na b c\n")
    fails(numpy_directory, r"vocab_40000\.bpe:3: expected two symbols, not 'a b c'")


def test_another_architecture_is_named(transformers_directory: Path) -> None:
    path = transformers_directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "gpt2"}))
    fails(transformers_directory, "holds a 'gpt2', not an 'openai-gpt': try hf:")


def test_missing_tensors_of_transformers_are_named(transformers_directory: Path) -> None:
    path = transformers_directory / "model.safetensors"
    tensors = load_file(path)
    del tensors["transformer.h.1.mlp.c_fc.weight"]
    save_file(tensors, path)
    fails(transformers_directory, r"1 missing \(blocks\.1\.up\.weight\)")


def test_an_empty_directory_says_what_was_expected(tmp_path: Path) -> None:
    fails(tmp_path, r"expected OpenAI's params_shapes\.json or Hugging Face's config\.json")


def test_no_such_directory(tmp_path: Path) -> None:
    fails(tmp_path / "nowhere", "no such directory")


def test_an_unreachable_hub_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="can't get openai-community/openai-gpt from the hub"):
        load_model("openai-gpt")


def test_they_pass_the_kit_and_come_back_as_they_were_saved(numpy_directory: Path) -> None:
    check_model("openai-gpt-bert", f"openai-gpt-bert:{numpy_directory}")
