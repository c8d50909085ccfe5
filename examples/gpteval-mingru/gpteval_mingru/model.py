"""A language model of minimal gated recurrent units (Feng et al. 2024, arXiv 2410.01201, §3.1).

A unit's gate and candidate read the token alone, not the state before it:

    h = (1 - z) · h_before + z · c        z = sigmoid(W x)        c = U x

So all states of a tree can be had in log2(longest path) steps (`scan`), with no attention, no
padding and no positions. Around the units stands what a transformer has: norms, residuals and a
feed-forward layer.

Shape letters: N tokens of all trees, D width, U units, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpteval import BpeTokenizer, Loaded, load_weights, read_config, read_tensors, weights_digest

if TYPE_CHECKING:
    from gpteval import Model, Trees

INIT = 0.02


def scan(keep: Tensor, add: Tensor, parents: Tensor) -> Tensor:
    """States of every token of some trees, (N, U): keep · the state of its parent + add.

    Before a path begins the state is 0. Each round joins what a token has summed up with what the
    token that far up its path has: after n rounds a state holds the last 2^n tokens.

    Args:
        keep: (N, U) share of the state before that is kept.
        add: (N, U) what a token adds.
        parents: (N,) index of the token before, -1 at a path's beginning.
    """
    while bool((parents >= 0).any()):
        before = parents.clamp(min=0)
        inside = (parents >= 0)[:, None]  # (N, 1)
        add = add + torch.where(inside, keep * add.index_select(0, before), 0.0)
        keep = torch.where(inside, keep * keep.index_select(0, before), keep)
        parents = torch.where(parents >= 0, parents[before], -1)
    return add


class Units(nn.Module):
    """Minimal gated recurrent units over packed token trees."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.read = nn.Linear(width, 2 * units)
        self.write = nn.Linear(units, width)

    def forward(self, states: Tensor, parents: Tensor) -> Tensor:
        """(N, D) → (N, D)."""
        gate, candidate = self.read(states).float().chunk(2, dim=-1)  # (N, U) each
        add = torch.sigmoid(gate) * candidate
        written: Tensor = self.write(scan(torch.sigmoid(-gate), add, parents).to(states.dtype))
        return written


class Block(nn.Module):
    """Units, then a feed-forward layer, each behind a norm and beside what it reads."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.norm, self.units = nn.LayerNorm(width), Units(width, units)
        self.inner_norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, states: Tensor, parents: Tensor, dropout: float) -> Tensor:
        """(N, D) → (N, D)."""
        states = states + F.dropout(self.units(self.norm(states), parents), dropout)
        read = F.gelu(self.inner(self.inner_norm(states)))
        return states + F.dropout(self.outer(read), dropout)


class MinGRU(nn.Module):
    """A stack of minimal gated recurrent units that predicts the next token.

    Attributes:
        dropout: Rate of dropout while training; a recipe sets it.
        context: Longest path in tokens. It bounds what is read, not what could be.
    """

    def __init__(
        self,
        vocab_size: int,
        width: int,
        layers: int,
        units: int,
        context: int,
        dropout: float = 0.1,
    ) -> None:
        """Weights are drawn from torch's current random state."""
        super().__init__()
        self.shape = {"width": width, "layers": layers, "units": units, "context": context}
        self.width, self.context, self.dropout = width, context, dropout
        self.tokens = nn.Parameter(INIT * torch.randn(vocab_size, width))
        self.blocks = nn.ModuleList(Block(width, units) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, V."""
        return len(self.tokens)

    def hidden(self, trees: Trees) -> Tensor:
        """Final hidden states of every token, (N, D)."""
        rate = self.dropout if self.training else 0.0
        states = F.dropout(F.embedding(trees.tokens, self.tokens), rate)  # (N, D)
        for block in self.blocks:
            states = block(states, trees.parents, rate)
        final: Tensor = self.norm(states)
        return final

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every next token, (..., D) → (..., V)."""
        return F.linear(hidden, self.tokens)

    def add_tokens(self, count: int) -> int:
        """Append embeddings; return the id of the first."""
        first = self.vocab_size
        fresh = INIT * torch.randn(count, self.width, device=self.tokens.device)
        self.tokens = nn.Parameter(torch.cat([self.tokens.detach(), fresh]))
        return first

    def config(self) -> Mapping[str, Any]:
        """What makes the same shape again."""
        return {**self.shape, "vocab_size": self.vocab_size, "dropout": self.dropout}


def build_mingru(config: Mapping[str, Any]) -> Model:
    """A model with fresh weights."""
    return cast("Model", MinGRU(**config))


def load_mingru(reference: str) -> Loaded:
    """The model of a checkpoint directory.

    Raises:
        CheckpointError: It is missing, or its tensors don't fit.
    """
    directory = Path(reference)
    config = read_config(directory)
    model = build_mingru(config["model"])
    load_weights(model, read_tensors(directory / "model.safetensors"), directory)
    tokenizer = BpeTokenizer.load(directory)
    details = {key: value for key, value in config.items() if key != "model"}
    return Loaded(model, tokenizer, reference, weights_digest(model, tokenizer), details)
