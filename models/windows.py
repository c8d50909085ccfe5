"""Layers that look back no further than a window: how far, and masks that keep it along paths.

In a tree a token sees the window's tokens of its own path, wherever in the row they lie.

Shape letters: T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

WIDTHS = ("sliding_window", "window_size", "attention_chunk_size")
"""Where configurations say how far attention reaches back, if not to the beginning."""
WITHIN = {"sliding_attention", "chunked_attention"}
"""Kinds of layer that attend to all tokens before within a window."""
NARROW = 12
"""Tokens of the windows that are tried: fewer than a path of the tree that is tried has."""


def window(shape: Any) -> int:
    """Tokens that the layer with the narrowest view sees; 0: each sees all tokens before.

    Args:
        shape: The configuration of a text model.
    """
    layers = set(getattr(shape, "layer_types", None) or WITHIN)
    widths = filter(None, (getattr(shape, name, None) for name in WIDTHS if layers & WITHIN))
    return min((width if isinstance(width, int) else 1 for width in widths), default=0)


def reaches_back(shape: Any) -> bool:
    """Whether every layer attends to all tokens before within some window, as its `shape` says."""
    layers = set(getattr(shape, "layer_types", None) or ())
    return layers <= ({"full_attention"} | WITHIN if window(shape) else {"full_attention"})


@contextmanager
def narrowed(lm: nn.Module) -> Iterator[None]:
    """Have a model's layers with windows look back `NARROW` tokens, where it can be told to."""
    config: Any = lm.config
    holders = (config, config.get_text_config(), *lm.modules())
    told = [(vars(own), name) for own in holders for name in WIDTHS if vars(own).get(name)]
    before = [own[name] for own, name in told]
    for own, name in told:
        own[name] = NARROW
    try:
        yield
    finally:
        for (own, name), width in zip(told, before, strict=True):
            own[name] = width


def layer_masks(mask: Tensor, positions: Tensor, shape: Any) -> Tensor | dict[str, Tensor]:
    """Masks of the layers: one for all of them, or one for each kind that there is.

    Args:
        mask: (T, T), to be added to scores: 0 where a token sees another without windows, or -inf.
        positions: (T,), along paths.
        shape: The configuration of a text model.

    Returns:
        (1, 1, T, T) each.
    """
    back = positions[:, None] - positions  # (T, T)
    narrow = mask.masked_fill(back >= window(shape), -torch.inf)[None, None]
    kinds = getattr(shape, "layer_types", None)
    if not kinds:
        return narrow
    return {kind: narrow if kind in WITHIN else mask[None, None] for kind in kinds}
