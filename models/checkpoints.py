"""Loads GPT checkpoints that gpteval wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpteval import (
    BpeTokenizer,
    CheckpointError,
    Loaded,
    load_weights,
    read_config,
    read_tensors,
    weights_digest,
)
from gpteval_models.gpt import GPT, build

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
    try:
        model = build(config["model"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{directory}/config.json describes no GPT: {error}") from error
    load_weights(model, read_tensors(directory / "model.safetensors"), directory)
    tokenizer = BpeTokenizer.load(directory)
    details = {key: value for key, value in config.items() if key != "model"}
    return identify(reference, model, tokenizer, details)


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
