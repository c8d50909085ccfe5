"""What a model of transformers makes of its last hidden states: scores, that some scale or cap.

Shape letters: D width, V vocabulary.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn


class _Given(nn.Module):
    """In place of a model's blocks: the last hidden states are those that it is given."""

    def forward(self, inputs_embeds: Tensor, **_: Any) -> Any:
        """(1, M, D), as the blocks' output."""
        from transformers.modeling_outputs import BaseModelOutputWithPast

        return BaseModelOutputWithPast(last_hidden_state=inputs_embeds)


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
