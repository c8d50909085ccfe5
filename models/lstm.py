"""The one-layer LSTM of the paper's ablation (§5, table 5): 2048 units, no attention.

The paper says no more than "a single layer 2048 unit LSTM in the same framework". The rest is our
reading: embeddings as wide as GPT-1's (768), a matrix from the units back to that width, and one
matrix for reading and for predicting tokens, as GPT-1 has. The task head then reads states of the
same width. Dropout falls on what goes into the recurrence and what comes out of it, never on the
recurrence itself (Zaremba et al. 2014).

Shape letters: N tokens of all trees, D width, U units, V vocabulary; R spans of one depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from gpteval import ConfigError
from gpteval_models.gpt import INIT, with_rows

if TYPE_CHECKING:
    from gpteval import Span, Trees

End = TypeVar("End")
"""What a recurrence hands on at the end of a row."""


@dataclass(frozen=True, slots=True)
class LSTMConfig:
    """The shape of an LSTM; the defaults are the paper's, as read above.

    `context` bounds the sequences it is given, so that it reads what GPT-1 reads; it could read on.
    """

    vocab_size: int
    context: int = 512
    width: int = 768
    units: int = 2048
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a shape that no LSTM can have."""
        for name in ("vocab_size", "context", "width", "units"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name} is a whole number from 1 on, not {value!r}")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is a share from 0 to below 1, not {self.dropout!r}")

    @property
    def parameters(self) -> int:
        """How many an LSTM of this shape has."""
        gates = 4 * self.units * (self.width + self.units + 2)
        return self.vocab_size * self.width + gates + (self.units + 1) * self.width


class LSTM(nn.Module):
    """A one-layer LSTM over packed token trees.

    A span goes on from the state at the end of its nearest ancestor: a shared prefix is read once.

    Attributes:
        dropout: Rate of dropout before and after the recurrence while training; may be set.
        width, vocab_size, context: D, V, and the longest path in tokens.
    """

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__()
        self.shape = config
        self.width, self.context, self.dropout = config.width, config.context, config.dropout
        self.tokens = nn.Parameter(torch.randn(config.vocab_size, config.width))
        self.tokens.data.mul_(INIT / math.sqrt(config.width))
        self.lstm = nn.LSTM(config.width, config.units)
        self.out = nn.Linear(config.units, config.width)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, V."""
        return len(self.tokens)

    def hidden(self, trees: Trees) -> Tensor:
        """Final hidden states of every token, (N, D)."""
        rate = self.dropout if self.training else 0.0
        read = F.dropout(F.embedding(trees.tokens, self.tokens), rate)  # (N, D)
        states: Tensor = along_paths(trees.spans, read, self._recur)  # (N, U)
        hidden: Tensor = self.out(F.dropout(states, rate))
        return hidden

    def _recur(
        self, rows: Sequence[Tensor], begin: Sequence[tuple[Tensor, Tensor]] | None
    ) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]]]:
        """States (L, U) of R rows (L, D), whose L differ, and the output and cell each ends with.

        `begin` has the output and cell (U,) that each begins with; None for zeros.
        """
        first = None
        if begin is not None:
            outputs, cells = zip(*begin, strict=True)
            first = torch.stack(outputs)[None], torch.stack(cells)[None]  # (1, R, U) each
        states, (output, cell) = self.lstm(pack_sequence(list(rows), enforce_sorted=False), first)
        return unpack_sequence(states), list(zip(output[0], cell[0], strict=True))

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every next token, (..., D) → (..., V)."""
        return F.linear(hidden, self.tokens)

    def add_tokens(self, count: int) -> int:
        """Append `count` embeddings ~ N(0, 0.02), as `GPT` does; return the id of the first."""
        first, self.tokens = self.vocab_size, with_rows(self.tokens, count)
        return first

    def config(self) -> Mapping[str, Any]:
        """What `build` needs to make the same shape again."""
        return asdict(self.shape) | {"vocab_size": self.vocab_size, "dropout": self.dropout}


def depths(spans: Sequence[Span]) -> list[list[Span]]:
    """The spans without ancestors, those with one, with two, and so on."""
    levels: dict[int, list[Span]] = {}
    for span in spans:
        levels.setdefault(len(span.ancestors), []).append(span)
    return [levels[depth] for depth in sorted(levels)]


def along_paths(
    spans: Sequence[Span],
    read: Tensor,
    recur: Callable[[Sequence[Tensor], Sequence[End] | None], tuple[list[Tensor], list[End]]],
) -> Tensor:
    """States of a recurrence along every path of some trees, (N, D) → (N, U).

    Args:
        spans: Of the trees; one goes on from what its nearest ancestor ended with.
        read: What is read of each token, (N, D).
        recur: From R rows (L, D) and what each begins with (None at the beginning of all paths) to
            the states (L, U) of each, and what it ends with.
    """
    states: list[Tensor] = []
    order: list[Tensor] = []
    ends: dict[tuple[int, int], End] = {}
    for level in depths(spans):
        begin = [ends[s.ancestors[-1]] for s in level] if level[0].ancestors else None
        made, last = recur([read[s.start : s.stop] for s in level], begin)
        states += made
        order += [torch.arange(s.start, s.stop) for s in level]
        ends |= {(s.start, s.stop): end for s, end in zip(level, last, strict=True)}
    place = torch.argsort(torch.cat(order)).to(read.device)
    return torch.cat(states).index_select(0, place)


def build(config: Mapping[str, Any]) -> LSTM:
    """An LSTM with fresh weights, from torch's current random state."""
    return LSTM(LSTMConfig(**config))
