"""GPT-1's decoder (paper §3.1, §4.1; openai/finetune-transformer-lm, `train.py`).

Twelve blocks of masked self-attention and a feed-forward layer, the norm after each residual sum,
learned positions, one matrix for reading and for predicting tokens.

Shape letters: N tokens of all trees, D width, H heads, C = D / H, V vocabulary; G spans of one
group, each of L tokens that see A ancestor tokens besides themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpteval import ConfigError
from gpteval_models.spans import SpanGroups

if TYPE_CHECKING:
    from gpteval import Batch

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

    @property
    def vocab_size(self) -> int:
        """Number of tokens, V."""
        return len(self.tokens)

    def hidden(self, batch: Batch) -> Tensor:
        """Final hidden states of every token, (N, D)."""
        groups = SpanGroups(batch.spans, batch.tokens.device)
        rate = self.dropout if self.training else 0.0
        # [C] drops out the embedding matrix itself, so `logits` has to see the same one.
        self._dropped = drop_table(self.tokens, rate) if rate else None
        tokens = self.tokens if self._dropped is None else self._dropped
        x = F.embedding(groups.sort(batch.tokens), tokens)  # (N, D)
        if self._dropped is not None:
            x.register_hook(self._let_go)
        x = x + F.embedding(groups.sort(batch.positions), F.dropout(self.positions, rate))
        for block in self.blocks:
            x = block(x, groups, rate)
        return groups.unsort(x)

    def _let_go(self, gradient: Tensor) -> None:
        """Free a matrix that nothing reads any more, before its gradient needs the room."""
        self._dropped = None

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every next token, (..., D) → (..., V); unlike in [C], no position is one."""
        return F.linear(hidden, self.tokens if self._dropped is None else self._dropped)

    def train(self, mode: bool = True) -> GPT:
        """Switch dropout on or off; a matrix dropped out in an earlier step is let go."""
        self._dropped = None
        return super().train(mode)

    def add_tokens(self, count: int) -> int:
        """Append `count` embeddings ~ N(0, 0.02); return the id of the first."""
        first = self.vocab_size
        added = torch.randn(count, self.width, device=self.tokens.device)
        self.tokens = nn.Parameter(
            torch.cat([self.tokens.detach(), added * INIT / math.sqrt(self.width)])
        )
        return first

    def config(self) -> Mapping[str, Any]:
        """What `build` needs to make the same shape again."""
        return asdict(self.shape) | {"vocab_size": self.vocab_size, "dropout": self.dropout}


def drop_table(table: Tensor, rate: float) -> Tensor:
    """`F.dropout` of a large matrix; on a CPU, where random numbers are dear, `DropTable`."""
    return DropTable.apply(table, rate) if table.is_cpu else F.dropout(table, rate)


class DropTable(torch.autograd.Function):
    """Dropout that draws a number for each entry it drops, not for each it keeps.

    The gaps between dropped entries are geometric: ⌈ln(1 − u) / ln(1 − rate)⌉ with u uniform. At
    a rate of 0.1 that is a tenth of the random numbers, and a fifth of the memory of a mask.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rate: float) -> Tensor:
        """(V, D) → (V, D)."""
        size = table.numel()
        mean, deviation = size * rate, math.sqrt(size * rate * (1 - rate))
        # Ten deviations more than are dropped on average: the gaps reach beyond the last entry.
        drawn = torch.rand(int(mean + 10 * deviation) + 10, dtype=torch.float64)
        gaps = drawn.neg_().log1p_().div_(math.log1p(-rate)).ceil_()
        places = gaps.cumsum_(0).sub_(1).long()
        places = places[: int(torch.searchsorted(places, size))]
        ctx.save_for_backward(places)
        ctx.scale = 1 / (1 - rate)
        return _without(table, places, ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """What the kept entries receive."""
        (places,) = ctx.saved_tensors
        return _without(gradient, places, ctx.scale), None


def _without(matrix: Tensor, places: Tensor, scale: float) -> Tensor:
    """A scaled copy with zeros at some places of the flattened matrix."""
    scaled = matrix.mul(scale)
    scaled.view(-1).index_fill_(0, places, 0.0)
    return scaled


class Block(nn.Module):
    """Self-attention and feed-forward, each followed by its residual sum and norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, groups: SpanGroups, dropout: float) -> Tensor:
        """(N, D) → (N, D)."""
        x = self.norm1(x + F.dropout(self.attention(x, groups, dropout), dropout))
        update = self.down(F.gelu(self.up(x), approximate="tanh"))
        return self.norm2(x + F.dropout(update, dropout))


class Attention(nn.Module):
    """Each token attends to itself, the tokens before it in its span, and its span's ancestors."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, groups: SpanGroups, dropout: float) -> Tensor:
        """(N, D) → (N, D)."""
        qkv = self.qkv(x).view(len(x), 3, self.heads, -1)  # (N, 3, H, C)
        return self.out(groups.attend(qkv, dropout).reshape(x.shape))


def build(config: Mapping[str, Any]) -> GPT:
    """A GPT with fresh weights, from torch's current random state."""
    return GPT(GPTConfig(**config))
