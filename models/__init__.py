"""The built-in model families. Listing them imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gpteval import hookimpl

if TYPE_CHECKING:
    from gpteval import Loaded, Model, ModelFamily, Tokenizer

MINI = Path(__file__).parent / "mini"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "gpt1": {"context": 512, "width": 768, "layers": 12, "heads": 12},
    "small": {"context": 512, "width": 256, "layers": 10, "heads": 8},
    "mini": {"context": 512, "width": 160, "layers": 4, "heads": 5},
}
"""Shapes for `gpteval pretrain --preset`: the paper's, about 10 M and about 2.7 M parameters."""

LSTM_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "lstm": {"context": 512, "width": 768, "units": 2048},
    "lstm-mini": {"context": 512, "width": 160, "units": 480},
}
"""The LSTM of the paper's ablation, and one with as many parameters as `mini`."""

SKIP_THOUGHT_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "skipthought": {"context": 512, "embedding": 620, "units": 2400},
    "skipthought-mini": {"context": 512, "embedding": 160, "units": 300},
}
"""The encoder of the authors' code (uni-skip), and one with as many parameters as `mini`."""

OPENAI = {"openai-gpt": "openai", "openai-gpt-bert": "bert"}
"""Names of OpenAI's weights → how text is split for them."""


@hookimpl
def gpteval_register_models() -> list[ModelFamily]:
    """GPT-1's decoder, its ablation's LSTM, skip-thought, OpenAI's weights, transformers'."""
    from gpteval import ModelFamily

    return [
        ModelFamily(
            name="gpt",
            description="GPT-1's decoder, pre-trained here",
            load=_load_gpt,
            references={"mini": "bundled, 2.7 M parameters, pre-trained on English novels"},
            build=_build_gpt,
            presets=PRESETS,
            layer=_gpt_layer,
        ),
        ModelFamily(
            name="lstm",
            description="the one-layer LSTM of the paper's ablation, pre-trained here",
            load=_load_lstm,
            build=_build_lstm,
            presets=LSTM_PRESETS,
            layer=lambda name: int(name != "tokens"),
        ),
        ModelFamily(
            name="skipthought",
            description="a GRU that tells neighbouring sentences, pre-trained here; for probes",
            load=_load_skip_thought,
            build=_build_skip_thought,
            presets=SKIP_THOUGHT_PRESETS,
            objective="sentences",
        ),
        *(_openai(name, splitting) for name, splitting in OPENAI.items()),
        ModelFamily(
            name="huggingface",
            description="any causal language model of transformers: a hub id, directory or GGUF",
            load=_load_huggingface,
            build=_build_huggingface,
            layer=_huggingface_layer,
            prefix="hf:",
            recognises=_recognise_huggingface,
            save=_save_huggingface,
        ),
    ]


def _openai(name: str, splitting: str) -> ModelFamily:
    from gpteval import ModelFamily

    manner = "transformers' Bert-style" if splitting == "bert" else "OpenAI's own"
    return ModelFamily(
        name=name,
        description=f"OpenAI's GPT-1, text split in {manner} way; {name}:DIRECTORY for a copy",
        load=lambda reference: _load_openai(reference, name, splitting),
        references={name: f"openai-community/openai-gpt of the hub, {manner} tokens"},
        prefix=f"{name}:",
        recognises=_recognise_openai if splitting == "openai" else None,
        save=lambda model, tokenizer, directory: _save(directory, name, model, tokenizer),
    )


def _load_gpt(reference: str) -> Loaded:
    from gpteval_models.checkpoints import load_gpt

    return load_gpt(reference, MINI if reference == "mini" else Path(reference))


def _build_gpt(config: Mapping[str, Any]) -> Model:
    from gpteval_models.gpt import build

    return cast("Model", build(config))


def _gpt_layer(name: str) -> int:
    return int(name.split(".")[1]) + 1 if name.startswith("blocks.") else 0


def _load_lstm(reference: str) -> Loaded:
    from gpteval_models.checkpoints import load_lstm

    return load_lstm(reference, Path(reference))


def _build_lstm(config: Mapping[str, Any]) -> Model:
    from gpteval_models.lstm import build

    return cast("Model", build(config))


def _load_skip_thought(reference: str) -> Loaded:
    from gpteval_models.checkpoints import load_skip_thought

    return load_skip_thought(reference, Path(reference))


def _build_skip_thought(config: Mapping[str, Any]) -> Model:
    from gpteval_models.skipthought import build

    return cast("Model", build(config))


def _load_openai(reference: str, name: str, splitting: str) -> Loaded:
    from gpteval_models.openai import load_openai

    return load_openai(reference, reference.removeprefix(name).removeprefix(":"), splitting)


def _recognise_openai(directory: Path) -> bool:
    from gpteval_models.openai import recognises

    return recognises(directory)


def _load_huggingface(reference: str) -> Loaded:
    from gpteval_models.huggingface import load_huggingface

    return load_huggingface(reference, reference.removeprefix("hf:"))


def _build_huggingface(config: Mapping[str, Any]) -> Model:
    from gpteval_models.huggingface import build

    return cast("Model", build(config))


def _huggingface_layer(name: str) -> int:
    """Blocks stand in a list; what stands outside it (embeddings, last norm, output) is kept."""
    numbers = [int(part) for part in name.split(".") if part.isdecimal()]
    return numbers[0] + 1 if numbers else 0


def _save(directory: Path, name: str, model: Model, tokenizer: Tokenizer) -> None:
    from gpteval import save_checkpoint

    save_checkpoint(directory, name, model, tokenizer)


def _save_huggingface(model: Model, tokenizer: Tokenizer, directory: Path) -> None:
    from gpteval_models.huggingface import save

    save(model, tokenizer, directory)


def _recognise_huggingface(directory: Path) -> bool:
    return (directory / "config.json").is_file() or any(directory.glob("*.gguf"))
