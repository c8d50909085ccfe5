"""What a model of transformers makes of its last hidden states: scores, that some scale or cap.

Shape letters: D width, V vocabulary.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gpteval import CheckpointError

if TYPE_CHECKING:
    from gpteval_models.huggingface import HuggingFaceModel


class _Given(nn.Module):
    """In place of a model's blocks: the last hidden states are those that it is given."""

    def forward(self, inputs_embeds: Tensor, **_: Any) -> Any:
        """(1, M, D), as the blocks' output; that of experts has all fields of the others."""
        from transformers.modeling_outputs import MoeModelOutputWithPast

        return MoeModelOutputWithPast(last_hidden_state=inputs_embeds)


def own_logits(lm: Any, hidden: Tensor) -> Tensor:
    """Scores of every next token by a model's own way from its last states, (..., D) → (..., V).

    Its own `forward` is called on a shallow copy whose blocks hand the states on: so whatever it
    does to the scores of its output layer is done here too. Weights are shared, with gradients.
    """
    shell = copy.copy(lm)
    shell._modules = {**lm._modules, lm.base_model_prefix: _Given()}
    states = hidden.reshape(1, -1, hidden.shape[-1])  # (1, M, D)
    scores: Tensor = shell(inputs_embeds=states, use_cache=False).logits
    return scores.reshape(*hidden.shape[:-1], -1)


@torch.no_grad()
def find_output(model: HuggingFaceModel, tolerance: float) -> None:
    """Find how the model's own scores come of its hidden states; some scale or cap them.

    Args:
        model: `plain` is set.
        tolerance: How far apart they may be, as a part of the largest.

    Raises:
        CheckpointError: Neither its output layer gives them nor all that it does after its blocks.
    """
    row = torch.linspace(0, model.vocab_size - 1, 8).long()
    apart = {}
    try:
        # XLM takes an id for padding where no mask says that it is none.
        own = model.lm(input_ids=row[None], attention_mask=torch.ones_like(row)[None]).logits[0]
        states = model.rows([row, row[:5]])[: len(row)]
        for model.plain in (True, False):
            difference = (own - model.logits(states)).abs().max()
            apart[model.plain] = float(difference / own.abs().max().clamp(min=1))
            if apart[model.plain] <= tolerance:
                return
    except Exception as error:  # whatever a model that is built otherwise raises
        name = type(model.lm).__name__
        raise CheckpointError(f"{name} can't be read: {first_line(error)}") from error
    raise CheckpointError(
        f"{type(model.lm).__name__}'s scores are not made of its last hidden states alone "
        f"({apart[False]:.1e} of their size apart): it can't be read here"
    )


def first_line(error: Exception) -> str:
    """What an error says first, or its kind where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
