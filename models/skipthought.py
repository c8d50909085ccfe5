"""Skip-thought: a sentence's state tells the sentences around it (Kiros et al. 2015).

As in the authors' code (ryankiros/skip-thoughts, training/model.py, commit 8fc6ac7; paper: arXiv
1506.06726): a GRU reads a sentence, its last state is the sentence's; two more GRUs begin with that
state and predict the neighbours token by token; all three read one matrix of embeddings, and both
decoders share one output layer. Departures: tokens are pieces of words, not words, and the output
is a matrix from the units to the embeddings' width and the embeddings again, as in `lstm.py`: a
layer of its own would be most of a small model. A decoder reads a token that begins every sentence
where theirs reads zeros, and the encoder reads it first; no token ends a sentence, for its own
full stop does. Dropout, which theirs has not, falls on what is read.

Shape letters: N tokens of all trees, D width of embeddings, U units, V vocabulary; R sentences, P
tokens that are predicted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from gpteval import ConfigError
from gpteval_models.gpt import INIT, with_rows
from gpteval_models.lstm import along_paths

if TYPE_CHECKING:
    from gpteval import Trees


@dataclass(frozen=True, slots=True)
class SkipThoughtConfig:
    """The shape of an encoder and its decoders; the defaults are those of the authors' code.

    `context` bounds the texts it is given; it could read on.
    """

    vocab_size: int
    context: int = 512
    embedding: int = 620
    units: int = 2400
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a shape that none can have."""
        for name in ("vocab_size", "context", "embedding", "units"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name} is a whole number from 1 on, not {value!r}")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is a share from 0 to below 1, not {self.dropout!r}")

    @property
    def parameters(self) -> int:
        """How many a model of this shape has."""
        gates = 3 * self.units * (self.embedding + self.units + 2)
        return self.vocab_size * self.embedding + 3 * gates + (self.units + 1) * self.embedding


class SkipThought(nn.Module):
    """A GRU that reads sentences, and the two that tell its neighbours in training.

    Attributes:
        dropout: Rate of dropout on what is read while training; may be set.
        width, vocab_size, context: U, V, and the longest text in tokens.
    """

    def __init__(self, config: SkipThoughtConfig) -> None:
        super().__init__()
        self.shape = config
        self.width, self.context, self.dropout = config.units, config.context, config.dropout
        self.tokens = nn.Parameter(torch.randn(config.vocab_size, config.embedding))
        self.tokens.data.mul_(INIT / math.sqrt(config.embedding))
        self.encoder = nn.GRU(config.embedding, config.units)
        self.before = nn.GRU(config.embedding, config.units)
        self.after = nn.GRU(config.embedding, config.units)
        self.out = nn.Linear(config.units, config.embedding)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, V."""
        return len(self.tokens)

    @property
    def embedding(self) -> int:
        """Width of an embedding, D: that of what `decoded` gives and `logits` takes."""
        return self.tokens.shape[1]

    def hidden(self, trees: Trees) -> Tensor:
        """The encoder's state after every token, (N, U); a text's is that after its last."""

        def recur(
            rows: Sequence[Tensor], begin: Sequence[Tensor] | None
        ) -> tuple[list[Tensor], list[Tensor]]:
            return _recur(self.encoder, rows, None if begin is None else torch.stack([*begin]))

        return along_paths(trees.spans, self._read(trees.tokens), recur)

    def decoded(
        self, sentences: Sequence[Tensor], before: Sequence[Tensor], after: Sequence[Tensor]
    ) -> Tensor:
        """States that predict the neighbours of R sentences, for `logits`, (P, D).

        Args:
            sentences: Token ids (L,) of each, the token that begins a sentence first; L may differ.
            before: The sentence before each, likewise.
            after: The one after.

        Returns:
            A state for each token of `before` but the first ones, then for each of `after`.
        """
        _, ends = _recur(self.encoder, self._rows(sentences), None)
        thoughts = torch.stack(ends)  # (R, U)
        states: list[Tensor] = []
        for decoder, told in ((self.before, before), (self.after, after)):
            states += _recur(decoder, self._rows([row[:-1] for row in told]), thoughts)[0]
        decoded: Tensor = self.out(torch.cat(states))
        return decoded

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of a neighbour's next tokens, of what `decoded` gives: (..., D) → (..., V)."""
        return F.linear(hidden, self.tokens)

    def add_tokens(self, count: int) -> int:
        """Append `count` embeddings ~ N(0, 0.02), as `GPT` does; return the id of the first."""
        first, self.tokens = self.vocab_size, with_rows(self.tokens, count)
        return first

    def config(self) -> Mapping[str, Any]:
        """What `build` needs to make the same shape again."""
        return asdict(self.shape) | {"vocab_size": self.vocab_size, "dropout": self.dropout}

    def _rows(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """What is read of some rows of ids, (L,) → (L, D) each."""
        return list(self._read(torch.cat([*rows])).split([len(row) for row in rows]))

    def _read(self, tokens: Tensor) -> Tensor:
        """Embeddings, some dropped in training, (N,) → (N, D)."""
        return F.dropout(F.embedding(tokens, self.tokens), self.dropout, self.training)


def _recur(
    network: nn.GRU, rows: Sequence[Tensor], begin: Tensor | None
) -> tuple[list[Tensor], list[Tensor]]:
    """States (L, U) of R rows (L, D), whose L differ, and the last one (U,) of each.

    `begin` is what they begin with, (R, U); None for zeros.
    """
    first = None if begin is None else begin[None]  # (1, R, U)
    states, ends = network(pack_sequence(list(rows), enforce_sorted=False), first)
    return unpack_sequence(states), list(ends[0])


def build(config: Mapping[str, Any]) -> SkipThought:
    """A model with fresh weights, from torch's current random state."""
    return SkipThought(SkipThoughtConfig(**config))
