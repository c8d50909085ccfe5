"""Checkpoints: written whole, read only if every tensor fits, one line where they don't."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gpteval import (
    CheckpointError,
    GptevalError,
    Loaded,
    load_model,
    save_checkpoint,
    weights_digest,
)

Tensors = dict[str, Tensor]


@pytest.fixture
def copy(tiny_directory: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may damage."""
    return Path(shutil.copytree(tiny_directory, tmp_path / "copy"))


def change(directory: Path, edit: Callable[[Tensors], object]) -> None:
    tensors = load_file(directory / "model.safetensors")
    edit(tensors)
    save_file(tensors, directory / "model.safetensors")


def message(reference: Path | str) -> str:
    with pytest.raises(GptevalError) as caught:
        load_model(str(reference))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_saved_model_loads_as_it_was(tiny: Loaded, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "new", "gpt", tiny.model, tiny.tokenizer, {"loss": 3.5})
    again = load_model(str(tmp_path / "new"))
    assert again.digest == tiny.digest
    assert again.details["loss"] == 3.5
    assert again.tokenizer.encode(["the sea"]) == tiny.tokenizer.encode(["the sea"])


def test_added_tokens_are_saved_too(tiny: Loaded, tmp_path: Path) -> None:
    tiny.model.add_tokens(3)
    save_checkpoint(tmp_path / "new", "gpt", tiny.model, tiny.tokenizer)
    again = load_model(str(tmp_path / "new")).model
    torch.testing.assert_close(again.state_dict(), tiny.model.state_dict(), atol=0, rtol=0)


def test_bf16_halves_the_file_and_loads_as_fp32(tiny: Loaded, tmp_path: Path) -> None:
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        save_checkpoint(tmp_path / name, "gpt", tiny.model, tiny.tokenizer, dtype=dtype)
    size = {n: (tmp_path / n / "model.safetensors").stat().st_size for n in ("fp32", "bf16")}
    assert size["bf16"] < 0.6 * size["fp32"]
    tokens = load_model(str(tmp_path / "bf16")).model.tokens
    torch.testing.assert_close(tokens, tiny.model.tokens.bfloat16().float(), atol=0, rtol=0)


def test_an_earlier_checkpoint_is_replaced(tiny: Loaded, copy: Path) -> None:
    (copy / "stale.txt").write_text("old")
    save_checkpoint(copy, "gpt", tiny.model, tiny.tokenizer)
    assert sorted(p.name for p in copy.parent.iterdir()) == ["copy"]
    assert not (copy / "stale.txt").exists()


def test_a_directory_that_is_no_checkpoint_is_never_replaced(tiny: Loaded, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(CheckpointError, match="is no checkpoint: choose another name"):
        save_checkpoint(tmp_path, "gpt", tiny.model, tiny.tokenizer)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_save_that_fails_leaves_nothing_half_written(tiny: Loaded, copy: Path) -> None:
    before = (copy / "config.json").read_text()
    with pytest.raises(TypeError):
        save_checkpoint(copy, "gpt", tiny.model, tiny.tokenizer, {"bad": object()})
    assert [p.name for p in copy.parent.iterdir()] == ["copy"]
    assert (copy / "config.json").read_text() == before


def test_missing_tensors_are_named_and_counted(copy: Path) -> None:
    change(copy, lambda t: [t.pop(name) for name in list(t) if name.startswith("blocks.0.norm")])
    assert "4 missing (blocks.0.norm1.weight, blocks.0.norm1.bias, " in message(copy)


def test_extra_tensors_are_named(copy: Path) -> None:
    change(copy, lambda t: t.update(head=torch.zeros(2)))
    assert "1 extra (head)" in message(copy)


def test_misshapen_tensors_are_shown_with_both_shapes(copy: Path) -> None:
    change(copy, lambda t: t.update(positions=t["positions"][:7].clone()))
    assert "1 misshapen (positions (7, 32) instead of (64, 32))" in message(copy)


def test_a_cut_weight_file_is_named(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "model.safetensors is cut or damaged" in message(copy)


def test_a_pickle_beside_no_safetensors_is_not_read(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert "has no model.safetensors: only safetensors are read" in message(copy)


def test_broken_json_is_shown_with_its_line(copy: Path) -> None:
    (copy / "config.json").write_text('{\n"family": "gpt",\n"model": {')
    assert "config.json:3: not JSON" in message(copy)


@pytest.mark.parametrize("config", [{"family": "gpt"}, {"family": "gpt", "model": {"depth": 3}}])
def test_a_config_of_another_shape_is_refused(copy: Path, config: dict[str, object]) -> None:
    (copy / "config.json").write_text(json.dumps(config))
    assert "describes no GPT" in message(copy)


def test_a_tokenizer_larger_than_the_model_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["model"]["vocab_size"] = 10
    (copy / "config.json").write_text(json.dumps(config))
    change(copy, lambda t: t.update(tokens=t["tokens"][:10].clone()))
    assert "embeddings" in message(copy)


def test_an_unknown_family_is_named_with_the_nearest(copy: Path) -> None:
    (copy / "config.json").write_text('{"family": "gpd"}')
    assert "unknown model family 'gpd'; did you mean 'gpt'?" in message(copy)


def test_an_unknown_model_is_named_with_the_nearest() -> None:
    text = message("minni")
    assert "unknown model 'minni'; did you mean 'mini'?" in text
    assert "hf:" in text


def test_a_directory_without_a_model_says_so(tmp_path: Path) -> None:
    assert "holds no model" in message(tmp_path)


def test_the_digest_follows_weights_and_tokenizer(tiny: Loaded) -> None:
    with torch.no_grad():
        tiny.model.positions[0, 0] += 1e-4
    assert weights_digest(tiny.model, tiny.tokenizer) != tiny.digest
