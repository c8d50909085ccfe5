"""GPT-1 in plain eager torch, as one writes it with nanoGPT in mind: a side of `pretrain.py`.

Shape letters: B windows of T tokens, D width, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpteval_models.gpt import GPTConfig


class Decoder(nn.Module):
    """GPT-1 as a plain module, its parameters named as in `GPT` but for `.weight`."""

    def __init__(self, shape: GPTConfig, rate: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(shape.vocab_size, shape.width)
        self.positions = nn.Embedding(shape.context, shape.width)
        self.drop = nn.Dropout(rate)
        self.blocks = nn.ModuleList(
            Layer(shape.width, shape.heads, rate) for _ in range(shape.layers)
        )
        self.apply(begin)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of tokens (B, T), each with the token after it."""
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        x = self.drop(x)  # (B, T, D)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(x, self.tokens.weight)  # (B, T, V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def begin(module: nn.Module) -> None:
    """Fresh weights from N(0, 0.02)."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class Layer(nn.Module):
    """Attention and feed-forward, each with dropout, sum and norm."""

    def __init__(self, width: int, heads: int, rate: float) -> None:
        super().__init__()
        self.attention = Heads(width, heads, rate)
        self.norm1 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.gelu = nn.GELU(approximate="tanh")
        self.down = nn.Linear(4 * width, width)
        self.drop = nn.Dropout(rate)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.drop(self.attention(x)))
        return self.norm2(x + self.drop(self.down(self.gelu(self.up(x)))))


class Heads(nn.Module):
    """Causal self-attention by torch's function."""

    def __init__(self, width: int, heads: int, rate: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, rate
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        rate = self.rate if self.training else 0.0
        read = F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
        return self.out(read.transpose(1, 2).flatten(2))
