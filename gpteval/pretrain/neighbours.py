"""Learning to tell the sentences around one from its state, as skip-thought does.

Sentences are found among the tokens of a window: they end at . ! or ?, but for the full stop of an
abbreviation, with what closes a quotation or bracket that was opened in them. What a window cuts
off at its ends is no sentence, and neighbours stand in one document. (Kiros et al. 2015 had a
corpus with a sentence a line, and left out those of 30 words and more; here a sentence is read up
to `LONGEST` tokens.)

Shape letters: L + 1 tokens of a window, T triples of neighbouring sentences, P tokens predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpteval.compute.cost import matrix_parameters
from gpteval.compute.distributed import World
from gpteval.corpus.tokens import TokenFile
from gpteval.encode.tokenizer import WORD_END, BpeTokenizer
from gpteval.errors import ConfigError, DataError
from gpteval.pretrain.bits_per_byte import Objective, summed, windows_of
from gpteval.train.token_loss import token_loss

if TYPE_CHECKING:
    from gpteval.model import SentenceModel

LONGEST = 40
"""Tokens of a sentence that are read, and predicted."""
MARKS = {**dict.fromkeys(".!?", "stop"), '"': "quote", **dict.fromkeys(")]", "closing")}
"""What a mark is to a sentence."""
ABBREVIATED = frozenset("mr mrs messrs dr st prof rev hon capt col gen".split())
"""Words whose full stop ends no sentence, beside single letters."""
LOOKED_AT = 256
"""Windows in which neighbours are looked for before training."""


@dataclass(frozen=True)
class Sentences:
    """Where sentences are among the ids of a tokenizer.

    Attributes:
        tokenizer: Whose ids they are; its `start` begins every document.
    """

    tokenizer: BpeTokenizer

    def __post_init__(self) -> None:
        """Refuse a tokenizer that shows no ends of sentences.

        Raises:
            ConfigError: No token begins documents, or none ends a sentence.
        """
        if self.start < 0 or "stop" not in self._kinds:
            raise ConfigError(
                "--tokenizer has no token that begins documents, or none for . ! ?: sentences are "
                "told by them; leave it out, and one is trained"
            )

    @property
    def start(self) -> int:
        """Id that begins every document, and every sentence that is read; -1: there is none."""
        return -1 if self.tokenizer.start is None else self.tokenizer.start

    @cached_property
    def _kinds(self) -> list[str]:
        """What every id is to a sentence: "stop", "quote", "closing", "short" or ""."""
        return [_kind(token) for token in self.tokenizer.tokens]

    def runs(self, tokens: Sequence[int]) -> list[list[list[int]]]:
        """Whole sentences of a window, those that follow each other together."""
        kinds, runs = self._kinds, [list[list[int]]()]
        sentence: list[int] = []
        whole = ended = False  # whether the sentence's beginning, and its end, have been seen
        for token in tokens:
            begins = token == self.start
            if begins or (ended and not self._closes(token, sentence)):
                if sentence and whole:
                    runs[-1].append(sentence)
                sentence, whole, ended = [], True, False
            if begins:
                runs.append([])
                continue
            short = bool(sentence) and kinds[sentence[-1]] == "short"
            ended = ended or (kinds[token] == "stop" and not short)
            sentence.append(token)
        return runs

    def _closes(self, token: int, sentence: Sequence[int]) -> bool:
        """Whether a token behind a full stop still belongs to the sentence."""
        kinds = self._kinds
        if kinds[token] == "quote":
            return sum(kinds[own] == "quote" for own in sentence) % 2 == 1
        return kinds[token] in ("stop", "closing")


def _kind(token: str) -> str:
    word = token.removesuffix(WORD_END)
    if word == token:
        return ""  # the beginning of a word
    if word in ABBREVIATED or (len(word) == 1 and word.isalpha() and word != "i"):
        return "short"  # but "so am I."
    return MARKS.get(word, "")


Triple = tuple[list[int], list[int], list[int]]
"""A sentence, the one before and the one after, each behind the token that begins it."""


class Neighbours(Objective):
    """A model that reads windows, and tells in each the neighbours of the sentences in it."""

    model: SentenceModel

    def __init__(self, model: SentenceModel, sentences: Sentences) -> None:
        """The model's weights are this module's."""
        super().__init__(model)
        self.sentences = sentences

    def forward(self, windows: Sequence[Tensor]) -> Tensor:
        """Sum over all windows of L times the mean −log p of the tokens predicted, in nats.

        So each window counts alike, however many neighbours are in it; one without three sentences
        in a row counts nothing.
        """
        found = [self.triples(window.tolist()) for window in windows]
        triples = list(chain.from_iterable(found))
        if not triples:
            return torch.stack([(p * 0).sum() for p in self.model.parameters()]).sum()
        device = windows[0].device
        rows = zip(*triples, strict=True)
        sentences, before, after = ([torch.tensor(r, device=device) for r in own] for own in rows)
        shares = [
            (len(window) - 1) / sum(len(b) + len(a) - 2 for _, b, a in own)
            for window, own in zip(windows, found, strict=True)
            for _ in own
        ]  # (T,) weight of each triple's tokens
        counts = torch.tensor([len(row) - 1 for row in (*before, *after)], device=device)
        weights = torch.tensor([*shares, *shares], device=device).repeat_interleave(counts)  # (P,)
        targets = torch.cat([row[1:] for row in (*before, *after)])  # (P,)
        decoded = self.model.decoded(sentences, before, after)  # (P, D)
        return token_loss(self.model, decoded, targets, weights)

    def triples(self, window: Sequence[int]) -> list[Triple]:
        """A window's sentences that have a neighbour on both sides, with these."""
        triples = list[Triple]()
        for run in self.sentences.runs(window):
            rows = [[self.sentences.start, *sentence[:LONGEST]] for sentence in run]
            triples += [
                (own, before, after)
                for before, own, after in zip(rows, rows[1:], rows[2:], strict=False)
            ]
        return triples

    def window_flops(self, length: int) -> int:
        """FLOPs of training on a window: each token is read once, and predicted twice."""
        output = 2 * self.model.embedding * self.model.vocab_size
        return 3 * length * (2 * matrix_parameters(self.model) + 2 * output)

    def held_out(
        self,
        documents: TokenFile,
        context: int,
        world: World,
        read: Callable[[Sequence[Tensor]], Tensor],
    ) -> dict[str, float]:
        """Loss on documents kept apart, in windows side by side: `held_out_loss`."""
        windows = windows_of(documents, context)
        used = [(a, b) for a, b in windows if self.triples(documents.tokens[a:b].tolist())]
        if not used:
            return {}
        total = summed(self.model, documents, used, world, read)
        return {"held_out_loss": total / sum(b - a - 1 for a, b in used)}

    def refuse(self, data: TokenFile, context: int) -> None:
        """Refuse a corpus in whose beginning no sentence has neighbours.

        Raises:
            DataError: Three in a row stand in none of its first windows.
        """
        begins = range(0, min(len(data.tokens), LOOKED_AT * context), context)
        if not any(self.triples(data.tokens[a : a + context + 1].tolist()) for a in begins):
            raise DataError(
                "no three sentences in a row, ended by . ! or ?, in any of the first "
                f"{len(begins)} windows of {context} tokens: give text, or a longer --context"
            )
