"""What a model must be for any of its numbers to mean something, asked when it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gpteval.encode.batch import pack_trees
from gpteval.errors import CheckpointError
from gpteval.plugins import registry
from gpteval.tree import fold

if TYPE_CHECKING:
    from torch import Tensor

    from gpteval.model import Loaded, Model

LENGTH = 12
"""Tokens of the row that a model reads whole, and of which it reads the first half by itself."""

TOLERANCE = 1e-3
"""How far apart the states of the two may be, as a part of the largest: rounding is 1e-5."""


@torch.no_grad()
def probe(loaded: Loaded) -> None:
    """Check that a model is causal, gives numbers, and has an embedding for every id.

    Raises:
        CheckpointError: It is not, does not, or has not.
    """
    model, tokenizer, name = loaded.model, loaded.tokenizer, loaded.reference
    if max(tokenizer.vocab_size - 1, tokenizer.start or 0) >= model.vocab_size:
        raise CheckpointError(
            f"{name}: the tokenizer makes ids up to {tokenizer.vocab_size - 1} and begins with "
            f"{tokenizer.start}, and the model has {model.vocab_size} embeddings: take the "
            "tokenizer that belongs to it"
        )
    length = min(LENGTH, model.context)
    row = torch.linspace(0, model.vocab_size - 1, length).long().tolist()
    whole, beginning = _states(model, row), _states(model, row[: length // 2])
    family = registry().models().get(loaded.family)
    tells = family is None or family.objective == "tokens"
    if not (whole.isfinite().all() and (not tells or model.logits(whole).isfinite().all())):
        raise CheckpointError(
            f"{name} computes what is not a number: its weights hold NaN or infinity; get them "
            "again, or train it with a lower rate"
        )
    apart = (whole[: length // 2] - beginning).abs().max() / beginning.abs().max().clamp(min=1e-6)
    if apart > TOLERANCE:
        raise CheckpointError(
            f"{name} is no causal language model: what it makes of a text changes with what "
            "follows; take a model that reads from left to right"
        )


def _states(model: Model, row: list[int]) -> Tensor:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    states = model.hidden(pack_trees([fold([row])])).float()
    for module, training in modes:
        module.training = training
    return states
