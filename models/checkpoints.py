"""Loads checkpoints that gpteval wrote: GPTs, LSTMs, and skip-thought's encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gpteval import (
    BpeTokenizer,
    CheckpointError,
    ConfigError,
    Loaded,
    load_weights,
    read_config,
    read_tensors,
    weights_digest,
)
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.lstm import LSTM, LSTMConfig
from gpteval_models.skipthought import SkipThought, SkipThoughtConfig

if TYPE_CHECKING:
    from torch import Tensor

    from gpteval import Model

FAMILY = "gpt"


Network = GPT | LSTM | SkipThought
Shape = GPTConfig | LSTMConfig | SkipThoughtConfig


def load_gpt(reference: str, directory: Path) -> Loaded:
    """Load the checkpoint of a GPT; as `load_checkpoint`."""
    return load_checkpoint(reference, directory, GPTConfig, GPT)


def load_lstm(reference: str, directory: Path) -> Loaded:
    """Load the checkpoint of an LSTM; as `load_checkpoint`."""
    return load_checkpoint(reference, directory, LSTMConfig, LSTM)


def load_skip_thought(reference: str, directory: Path) -> Loaded:
    """Load the checkpoint of skip-thought's encoder and decoders; as `load_checkpoint`."""
    return load_checkpoint(reference, directory, SkipThoughtConfig, SkipThought)


def load_checkpoint(
    reference: str, directory: Path, shape: type[Shape], network: Callable[[Any], Network]
) -> Loaded:
    """Load a checkpoint directory.

    Args:
        reference: What the user asked for.
        directory: Where it lies.
        shape: What `config.json` describes.
        network: From that shape to a model with fresh weights.

    Raises:
        CheckpointError: It is missing, of another family, or its tensors don't fit.
    """
    config = read_config(directory)
    tensors = read_tensors(directory / "model.safetensors")
    model = network(_shape(config, tensors, directory, shape))
    load_weights(model, tensors, directory)
    tokenizer = BpeTokenizer.load(directory)
    details = {key: value for key, value in config.items() if key != "model"}
    return identify(reference, model, tokenizer, details)


def _shape(
    config: dict[str, Any], tensors: Mapping[str, Tensor], directory: Path, kind: type[Shape]
) -> Shape:
    """The shape that the configuration describes.

    Raises:
        CheckpointError: It describes none, or one far larger than the weights, which would take
            all memory before a tensor is compared.
    """
    name = kind.__name__.removesuffix("Config")
    try:
        shape = kind(**config["model"])
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{directory}/config.json describes no {name}: {error}") from error
    held = sum(tensor.numel() for tensor in tensors.values())
    if shape.parameters > 2 * held:
        raise CheckpointError(
            f"{directory}/config.json describes a {name} of {shape.parameters:,} parameters, and "
            f"the weights are {held:,}: mend the one or get the other"
        )
    return shape


def identify(
    reference: str, model: Network, tokenizer: BpeTokenizer, details: dict[str, Any]
) -> Loaded:
    """A model with its identity.

    Raises:
        CheckpointError: The tokenizer makes ids that the model has no embedding for.
    """
    if tokenizer.vocab_size > model.vocab_size:
        raise CheckpointError(
            f"{reference}: the tokenizer has {tokenizer.vocab_size} ids, "
            f"the model {model.vocab_size} embeddings"
        )
    parameters = sum(p.numel() for p in model.parameters())
    own = cast("Model", model)
    return Loaded(
        model=own,
        tokenizer=tokenizer,
        reference=reference,
        digest=weights_digest(own, tokenizer),
        details={"parameters": parameters, **details},
    )
