"""Reads OpenAI's weights of 2018, in OpenAI's own format or in Hugging Face's.

OpenAI's: ten `params_*.npy` that are one flat array, cut by `params_shapes.json`, in the order in
which `train.py` made its variables, positions and tokens first; its vocabulary and merges beside
it. Hugging Face's: `config.json`, `model.safetensors`, `vocab.json`, `merges.txt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gpteval import (
    BpeTokenizer,
    CheckpointError,
    Loaded,
    load_weights,
    read_config,
    read_json,
    read_tensors,
)
from gpteval_models.checkpoints import identify, load_gpt
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.hub import snapshot

HUB = "openai-community/openai-gpt"
HUB_FILES = ("config.json", "model.safetensors", "vocab.json", "merges.txt")
SHAPES = "params_shapes.json"
PARTS = 10
HEAD_WIDTH = 64
"""Channels of a head (paper §4.1: 768 / 12); OpenAI's files don't tell."""

_BLOCK = {
    "attn.c_attn": "attention.qkv",
    "attn.c_proj": "attention.out",
    "ln_1": "norm1",
    "mlp.c_fc": "up",
    "mlp.c_proj": "down",
    "ln_2": "norm2",
}
"""Layer of a block in OpenAI's naming → here, in the order of OpenAI's variables."""


def load_openai(reference: str, source: str, splitting: str) -> Loaded:
    """Load OpenAI's weights.

    Args:
        reference: What the user asked for.
        source: A directory in either format; "" for the hub.
        splitting: "openai" or "bert", see `gpteval.encode.tokenizer`.

    Raises:
        CheckpointError: Neither format is there, or a file of it is missing or does not fit.
    """
    directory = Path(source) if source else snapshot(HUB, HUB_FILES)
    if not directory.is_dir():
        raise CheckpointError(f"no such directory: {directory}")
    if (directory / "config.json").is_file() and "family" in read_config(directory):
        return load_gpt(reference, directory)  # saved by gpteval, with the way to split text
    ours = (directory / SHAPES).is_file()
    config, tensors = _read_numpy(directory) if ours else _read_transformers(directory)
    model = GPT(config)
    load_weights(model, translate(tensors), directory)
    names = ("encoder_bpe_40000.json", "vocab_40000.bpe") if ours else ("vocab.json", "merges.txt")
    ids, merges = _read_bpe(directory, *names)
    tokenizer = BpeTokenizer.of(ids, merges, "bert" if splitting == "bert" else "openai")
    return identify(reference, model, tokenizer, {"splitting": splitting})


def recognises(directory: Path) -> bool:
    """Whether a directory holds OpenAI's weights in either format."""
    if (directory / SHAPES).is_file():
        return True
    config = directory / "config.json"
    return config.is_file() and read_config(directory).get("model_type") == "openai-gpt"


def translate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in transformers' names and shapes → in those of `GPT`.

    Conv1D matrices are transposed; masks and the tied output matrix are left out; a name that is
    not known stays, so that it is reported as extra.
    """
    translated = {}
    for full_name, tensor in tensors.items():
        name = full_name.removeprefix("transformer.")
        if name in ("lm_head.weight", "position_ids") or name.endswith(".attn.bias"):
            continue
        matrix = tensor.ndim == 2 and name.startswith("h.")
        translated[_translate(name)] = tensor.T if matrix else tensor
    return translated


def _translate(name: str) -> str:
    if name in ("tokens_embed.weight", "positions_embed.weight"):
        return name.removesuffix("_embed.weight")
    h, _, rest = name.partition(".")
    block, _, rest = rest.partition(".")
    layer, _, kind = rest.rpartition(".")
    return f"blocks.{block}.{_BLOCK[layer]}.{kind}" if h == "h" and layer in _BLOCK else name


def _read_numpy(directory: Path) -> tuple[GPTConfig, dict[str, Tensor]]:
    """OpenAI's format, in transformers' names."""
    shapes = read_json(directory / SHAPES, list)
    flat = np.concatenate([_read_part(directory / f"params_{i}.npy") for i in range(PARTS)])
    layers = (len(shapes) - 2) // (2 * len(_BLOCK))
    names = ["positions_embed.weight", "tokens_embed.weight"]
    for block in range(layers):
        for layer in _BLOCK:
            names += [f"h.{block}.{layer}.weight", f"h.{block}.{layer}.bias"]
    try:
        sizes = [int(np.prod(shape)) for shape in shapes]
        (context, width), (vocabulary, _) = shapes[:2]
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{directory / SHAPES}: not a list of shapes: {error}") from error
    if sum(sizes) != flat.size or len(sizes) != len(names):
        raise CheckpointError(
            f"{directory}: {SHAPES} asks for {sum(sizes)} numbers in {len(sizes)} tensors, "
            f"params_*.npy hold {flat.size}: fetch the files again"
        )
    pieces = np.split(flat, np.cumsum(sizes)[:-1])
    tensors = {
        # A matrix of [C] is a convolution of kernel 1: (1, in, out).
        name: torch.from_numpy(piece.reshape(shape[-2:]))
        for name, piece, shape in zip(names, pieces, shapes, strict=True)
    }
    return GPTConfig(vocabulary, context, width, layers, width // HEAD_WIDTH), tensors


def _read_part(path: Path) -> np.ndarray:
    try:
        values: np.ndarray = np.load(path, allow_pickle=False).astype(np.float32, copy=False)
        return values
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} has no {path.name}") from error
    except (ValueError, EOFError) as error:
        raise CheckpointError(f"{path} is no whole array file: {error}") from error


def _read_transformers(directory: Path) -> tuple[GPTConfig, dict[str, Tensor]]:
    """Hugging Face's format."""
    if not (directory / "config.json").is_file():
        raise CheckpointError(
            f"{directory} holds no GPT-1: expected OpenAI's {SHAPES} or Hugging Face's config.json"
        )
    config = read_config(directory)
    if config.get("model_type") != "openai-gpt":
        raise CheckpointError(
            f"{directory} holds a {config.get('model_type')!r}, not an 'openai-gpt': "
            f"try hf:{directory}"
        )
    tensors = read_tensors(directory / "model.safetensors")
    return _shape(config, directory), tensors


def _shape(config: Mapping[str, Any], directory: Path) -> GPTConfig:
    try:
        return GPTConfig(
            vocab_size=config["vocab_size"],
            context=config["n_positions"],
            width=config["n_embd"],
            layers=config["n_layer"],
            heads=config["n_head"],
            dropout=config.get("resid_pdrop", 0.1),
        )
    except KeyError as error:
        raise CheckpointError(f"{directory}/config.json has no {error}") from error


def _read_bpe(
    directory: Path, vocabulary: str, merges: str
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    ids = read_json(directory / vocabulary, dict)
    path = directory / merges
    if not path.is_file():
        raise CheckpointError(f"{directory} has no {merges}")
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line and not line.startswith("#version"):
            left, space, right = line.partition(" ")
            if not space or " " in right:
                raise CheckpointError(f"{path}:{number}: expected two symbols, not {line!r}")
            pairs.append((left, right))
    return ids, pairs
