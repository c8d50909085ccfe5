"""Loads GPT checkpoints that gpteval wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = "gpt"


def load_gpt(reference: str, directory: Path) -> Loaded:
    """Load a checkpoint directory.

    Args:
        reference: What the user asked for.
        directory: Where it lies.

    Raises:
        CheckpointError: It is missing, of another family, or its tensors don't fit.
    """
    config = read_config(directory)
    tensors = read_tensors(directory / "model.safetensors")
    load_weights(model := _built(config, tensors, directory), tensors, directory)
    tokenizer = BpeTokenizer.load(directory)
    details = {key: value for key, value in config.items() if key != "model"}
    return identify(reference, model, tokenizer, details)


def _built(config: dict[str, Any], tensors: Mapping[str, Tensor], directory: Path) -> GPT:
    """A GPT of the shape that the configuration describes, with fresh weights.

    Raises:
        CheckpointError: It describes none, or one far larger than the weights, which would take
            all memory before a tensor is compared.
    """
    try:
        shape = GPTConfig(**config["model"])
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{directory}/config.json describes no GPT: {error}") from error
    held = sum(tensor.numel() for tensor in tensors.values())
    if shape.parameters > 2 * held:
        raise CheckpointError(
            f"{directory}/config.json describes a GPT of {shape.parameters:,} parameters, and the "
            f"weights are {held:,}: mend the one or get the other"
        )
    return GPT(shape)


def identify(
    reference: str, model: GPT, tokenizer: BpeTokenizer, details: dict[str, Any]
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
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        reference=reference,
        digest=weights_digest(model, tokenizer),
        details={"family": FAMILY, "parameters": parameters, **details},
    )
