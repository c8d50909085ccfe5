"""GPT-1's decoder (paper §3.1, §4.1; openai/finetune-transformer-lm, `train.py`).

Twelve blocks of masked self-attention and a feed-forward layer, the norm after each residual sum,
learned positions, one matrix for reading and for predicting tokens.

Shape letters: N tokens of all trees, D width, H heads, C = D / H, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpteval import ConfigError
from gpteval_models.dropout import Dropout
from gpteval_models.packed import Arrangement, arrange

if TYPE_CHECKING:
    from gpteval import Trees

INIT = 0.02 * math.sqrt(768)
"""Standard deviation of fresh weights and of added tokens, times √width: 0.02 at GPT-1's width
(paper §4.1). Other widths keep the scale of its activations; with 0.02 a narrow model is slow to
learn more than the frequencies of tokens.
"""


@dataclass(frozen=True, slots=True)
class GPTConfig:
    """The shape of a GPT; the defaults are the paper's."""

    vocab_size: int
    context: int = 512
    width: int = 768
    layers: int = 12
    heads: int = 12
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a shape that no GPT can have."""
        for name in ("vocab_size", "context", "width", "layers", "heads"):
            value, least = getattr(self, name), int(name != "layers")
            if type(value) is not int or value < least:
                raise ConfigError(f"{name} is a whole number from {least} on, not {value!r}")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is a share from 0 to below 1, not {self.dropout!r}")
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} can't be shared by {self.heads} heads")

    @property
    def parameters(self) -> int:
        """How many a GPT of this shape has."""
        block = 12 * self.width**2 + 13 * self.width
        return (self.vocab_size + self.context) * self.width + self.layers * block


class GPT(nn.Module):
    """GPT-1 over packed token trees.

    Attributes:
        dropout: Rate of embedding, attention and residual dropout while training; may be set.
        width, vocab_size, context: D, V, and the longest path in tokens.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.shape = config
        self.width, self.context, self.dropout = config.width, config.context, config.dropout
        self.tokens = nn.Parameter(torch.empty(config.vocab_size, config.width))
        self.positions = nn.Parameter(torch.empty(config.context, config.width))
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.layers))
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=INIT / math.sqrt(config.width))
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        self._dropped: Tensor | None = None
        self._scale = 1.0

    @property
    def vocab_size(self) -> int:
        """Number of tokens, V."""
        return len(self.tokens)

    def hidden(self, trees: Trees) -> Tensor:
        """Final hidden states of every token, (N, D)."""
        return self.hidden_at(trees, None)

    def hidden_at(self, trees: Trees, places: Tensor | None) -> Tensor:
        """Final hidden states of the tokens at `places` (U,), or of all: (U, D).

        Of the last block, all that follows attention is computed for these alone.
        """
        blocks = arrange(trees.spans, trees.tokens.device)
        read = None if places is None else blocks.sorted(places)  # (U,) rows of x
        for x in self._layer_by_layer(trees, blocks, read):
            states = x
        if read is None:
            return blocks.unsort(states)  # (N, D), the trees' order
        return states if len(self.blocks) else states.index_select(0, read)  # (U, D)

    def states(self, trees: Trees) -> list[Tensor]:
        """States of every token before the first block and after each one, (N, D) each."""
        blocks = arrange(trees.spans, trees.tokens.device)
        return [blocks.unsort(x) for x in self._layer_by_layer(trees, blocks, None)]

    def _layer_by_layer(
        self, trees: Trees, blocks: Arrangement, read: Tensor | None
    ) -> Iterator[Tensor]:
        """States in sorted order, (N, D): of tokens and positions, then after each block.

        After the last one of the rows `read` (U,) alone, where they are given.
        """
        dropout = Dropout(self.dropout if self.training else 0.0)
        # [C] drops out the embedding matrix itself, so `logits` has to see the same one.
        self._dropped = dropout.unscaled(self.tokens) if dropout.rate else None
        self._scale = dropout.scale
        tokens = self.tokens if self._dropped is None else self._dropped
        # Rows added to the gradient of `logits`, instead of a second whole matrix.
        rows = self._dropped is not None and tokens.is_cpu
        x = F.embedding(blocks.sort(trees.tokens), tokens, sparse=rows) * self._scale  # (N, D)
        if self._dropped is not None and x.requires_grad:  # it is not, where it is frozen
            x.register_hook(self._let_go)
        # On a GPU all of them: to ask for the last would be to wait for it.
        used = self.context if tokens.is_cuda else int(trees.positions.max()) + 1
        positions = dropout(self.positions[:used])  # (longest path, D)
        x = x + F.embedding(blocks.sort(trees.positions), positions)  # (N, D), sorted order
        yield x
        for number, block in enumerate(self.blocks, 1):
            x = block(x, blocks, dropout, read if number == len(self.blocks) else None)
            yield x

    def _let_go(self, gradient: Tensor) -> None:
        """Free a matrix that nothing reads any more, before its gradient needs the room."""
        self._dropped = None

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every next token, (..., D) → (..., V); unlike in [C], no position is one."""
        if self._dropped is None:
            return F.linear(hidden, self.tokens)
        return F.linear(hidden * self._scale, self._dropped)

    def train(self, mode: bool = True) -> GPT:
        """Switch dropout on or off; a matrix dropped out in an earlier step is let go."""
        self._dropped = None
        return super().train(mode)

    def add_tokens(self, count: int) -> int:
        """Append `count` embeddings ~ N(0, 0.02); return the id of the first."""
        first, self.tokens = self.vocab_size, with_rows(self.tokens, count)
        return first

    def config(self) -> Mapping[str, Any]:
        """What `build` needs to make the same shape again."""
        return asdict(self.shape) | {"vocab_size": self.vocab_size, "dropout": self.dropout}


def with_rows(table: Tensor, count: int) -> nn.Parameter:
    """A matrix of embeddings (V, D) with `count` fresh ones below it."""
    width = table.shape[1]
    added = torch.randn(count, width, device=table.device)
    return nn.Parameter(torch.cat([table.detach(), added * INIT / math.sqrt(width)]))


class Block(nn.Module):
    """Self-attention and feed-forward, each followed by its residual sum and norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(
        self, x: Tensor, blocks: Arrangement, dropout: Dropout, rows: Tensor | None = None
    ) -> Tensor:
        """(N, D) → (N, D), or (U, D) for U of the rows."""
        read = self.attention(x, blocks, dropout, rows)  # (N, D) or (U, D)
        return self.token_wise(x if rows is None else x.index_select(0, rows), read, dropout)

    def token_wise(self, x: Tensor, read: Tensor, dropout: Dropout) -> Tensor:
        """All that follows attention, (N, D) and what was read (N, D) → (N, D)."""
        x = self.norm1(dropout.add(x, read))
        update = self.down(F.gelu(self.up(x), approximate="tanh"))  # (N, D) → (N, 4D) → (N, D)
        states: Tensor = self.norm2(dropout.add(x, update))
        return states


class Attention(nn.Module):
    """Each token attends to itself, the tokens before it in its span, and its span's ancestors."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Tensor, blocks: Arrangement, dropout: Dropout, rows: Tensor | None
    ) -> Tensor:
        """(N, D) → (N, D), or (U, D) for U of the rows."""
        qkv = self.qkv(x).view(len(x), 3, self.heads, -1)  # (N, 3, H, C)
        q, kv = qkv.split((1, 2), dim=1)  # (N, 1, H, C), (N, 2, H, C)
        read = blocks.attend(q, kv, dropout, qkv.shape[-1] ** -0.5).reshape(x.shape)  # (N, D)
        states: Tensor = self.out(read if rows is None else read.index_select(0, rows))
        return states


def build(config: Mapping[str, Any]) -> GPT:
    """A GPT with fresh weights, from torch's current random state."""
    return GPT(GPTConfig(**config))
