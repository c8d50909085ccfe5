"""Attention over token trees for models of transformers, through their own interface for it.

transformers lets a model's attention be replaced by a registered function, which gets queries, keys
and values after rotary positions and all else that is the model's own. Ours reads a batch's spans
as GPT's does, without a mask of all tokens by all; without spans it is the attention it replaces.

Shape letters: N tokens, H heads of queries, K of keys, C channels of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gpteval_models.dropout import Dropout
from gpteval_models.packed import Arrangement

NAME = "gpteval_spans"
REPLACED = "sdpa"
"""The attention that ours can take the place of; a model with another has a reason for it."""
BEYOND = ("softcap", "s_aux", "position_bias")
"""What a model may ask of its attention that ours has not."""


def install(lm: Any) -> bool:
    """Have a model attend by our function; whether it can."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if lm.config._attn_implementation != REPLACED:
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    try:
        lm.set_attn_implementation(NAME)
    except Exception:  # a model that allows no other raises whatever it likes
        return False
    return bool(lm.config._attn_implementation == NAME)


def remove(lm: Any) -> None:
    """Give a model its own attention back."""
    lm.set_attn_implementation(REPLACED)


def attend(  # noqa: PLR0913, D417 (transformers calls it so)
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    spans: Arrangement | None = None,
    masks: Dropout | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """(1, H, N, C), (1, K, N, C) twice → (1, N, H, C), in the spans' order.

    Args:
        module: The model's attention.
        query, key, value: After positions; rows of a padded batch where there are no spans.
        attention_mask: For padded rows alone.
        dropout: Of the probabilities.
        scaling: Factor of the scores; 1/√C where not given.
        spans: The batch's.
        masks: Draws them; of the same rate.
        more: What else the model hands on.

    Raises:
        ValueError: The model asks for what this attention has not.
    """
    if spans is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        options = {"dropout": dropout, "scaling": scaling, **more}
        read, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return read, None
    asked = [name for name in BEYOND if more.get(name) is not None]
    if asked:
        raise ValueError(f"this attention has no {asked[0]}")
    q = query[0].transpose(0, 1).unsqueeze(1)  # (N, 1, H, C)
    kv = torch.stack((key[0], value[0])).permute(2, 0, 1, 3)  # (N, 2, K, C)
    drawn = masks if masks is not None and masks.rate == dropout else Dropout(dropout)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    window = more.get("sliding_window") or 0
    return spans.attend(q, kv.to(q.dtype), drawn, scale, window)[None], None
