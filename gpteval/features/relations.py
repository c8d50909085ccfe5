"""What WordNet says of a text's words and those of the text before it: KIM's features, aligned.

KIM (Chen, Zhu, Ling, Inkpen, Wei 2018, "Neural natural language inference models enhanced with
external knowledge", section 3.2; values as in their code, lukecq1231/kim commit d6b2c6e,
data/preprocess_data.py) gives an attentive network five numbers of every pair of words. Here a
linear model reads them: every word of the last text that the given one lacks is aligned with those
that the last one lacks in turn, and each of its numbers is the largest among them.

Departures: words are in small letters and may be a form of several words of WordNet (KIM's have one
lemma each, CoreNLP's), of which the largest value counts; of several paths to a hypernym the
shortest does (KIM's code keeps any).

Shape letters: S sequences, n examples, F = 13 columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from gpteval.features.tfidf import Done, Reading, readings
from gpteval.features.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.features.wordnet import WordNet
    from gpteval.task import Example, Task

    Array = NDArray[np.float64]

STEPS = 8
"""Hypernyms so many steps above or further count nothing; one n steps above counts 1 − n/8."""


class Relation(NamedTuple):
    """What WordNet says of two words, each from 0 to 1.

    Attributes:
        hypernymy: The second is n steps above the first: 1 − n/8.
        hyponymy: It is n steps below the first: 1 − n/8.
        co_hyponyms: Two synsets of theirs have the same hypernym: 1.
        antonymy: They are opposed: 1.
        synonymy: They have a synset in common, or are the same word: 1.
    """

    hypernymy: float = 0.0
    hyponymy: float = 0.0
    co_hyponyms: float = 0.0
    antonymy: float = 0.0
    synonymy: float = 0.0


class Relations:
    """The relations of any two words, by a WordNet."""

    def __init__(self, wordnet: WordNet) -> None:
        """Nothing is looked up yet; what was is remembered."""
        self.wordnet = wordnet
        self.above = lru_cache(maxsize=None)(self._above)
        self.lemmas = lru_cache(maxsize=None)(wordnet.lemmas)
        self.between = lru_cache(maxsize=None)(self._between)

    def _between(self, first: str, second: str) -> Relation:
        """The largest of every relation among the words that two words may be forms of."""
        pairs = [(a, b) for a in self.lemmas(first) for b in self.lemmas(second)]
        found = [self._of_lemmas(a, b) for a, b in pairs]
        return Relation(*map(max, zip(Relation(), *found, strict=True)))

    def _of_lemmas(self, first: str, second: str) -> Relation:
        if first == second:
            return Relation(synonymy=1.0)
        own, other = self.wordnet.synsets(first), self.wordnet.synsets(second)
        parents = self.wordnet.parents
        siblings = any(
            a != b and not set(parents.get(a, ())).isdisjoint(parents.get(b, ()))
            for a in own
            for b in other
        )
        return Relation(
            hypernymy=max((self.above(a).get(b, 0.0) for a in own for b in other), default=0.0),
            hyponymy=max((self.above(b).get(a, 0.0) for a in own for b in other), default=0.0),
            co_hyponyms=float(siblings),
            antonymy=float(second in self.wordnet.antonyms.get(first, ())),
            synonymy=float(not own.isdisjoint(other)),
        )

    def _above(self, synset: str) -> dict[str, float]:
        """1 − n/8 of every synset that is n < 8 steps above, by the shortest way."""
        found: dict[str, float] = {}
        layer = {synset}
        for steps in range(1, STEPS):
            layer = {parent for child in layer for parent in self.wordnet.parents.get(child, ())}
            for parent in layer - found.keys() - {synset}:
                found[parent] = 1 - steps / STEPS
        return found


class RelationFeatures:
    """The columns of one task's examples: of every sequence, then their mean."""

    def __init__(self, task: Task, relations: Relations) -> None:
        """Not fitted yet."""
        self.task, self.relations = task, relations

    def fit(self, examples: Sequence[Example], done: Done = lambda count: None) -> Array:
        """Learn every column's mean and scale, as `BagFeatures` does; the columns."""
        from sklearn.preprocessing import StandardScaler

        self.scaler = StandardScaler()
        return self._scaled(self.scaler.fit_transform(self._columns(examples, done)))

    def columns(self, examples: Sequence[Example], done: Done = lambda count: None) -> Array:
        """Columns of a choice's sequences, (S, F); else of the examples, (n, F)."""
        return self._scaled(self.scaler.transform(self._columns(examples, done)))

    def _scaled(self, columns: Array) -> Array:
        scaled: Array = columns / columns.shape[1] ** 0.5
        return scaled

    def _columns(self, examples: Sequence[Example], done: Done) -> Array:
        import numpy as np

        rows: list[Array] = []
        for example in examples:
            own = [self._row(reading) for reading in readings(self.task, example, last_only=False)]
            rows += own if self.task.kind == "choose" else [np.mean(own, axis=0)]
            done(1)
        return np.stack(rows)

    def _row(self, reading: Reading) -> Array:
        """What the last text's words are to those given, (F,).

        Of its words that were not given the sum of every relation, and the largest; the share of
        its words that were given, of those given that it has, of its words without any relation.
        """
        import numpy as np

        given = [word for text in reading.given for word in words_of(text.lower())]
        last = words_of(reading.last.lower())
        new = [word for word in last if not self._among(word, given)]
        left = [word for word in given if not self._among(word, last)]
        aligned = np.zeros((len(new), len(Relation._fields)))
        for place, word in enumerate(new):
            for other in left:
                aligned[place] = np.maximum(aligned[place], self.relations.between(other, word))
        unrelated = int((aligned.max(axis=1, initial=0.0) == 0).sum())
        shares = [
            1 - len(new) / max(1, len(last)),
            1 - len(left) / max(1, len(given)),
            unrelated / max(1, len(last)),
        ]
        return np.concatenate([aligned.sum(axis=0), aligned.max(axis=0, initial=0.0), shares])

    def _among(self, word: str, others: Sequence[str]) -> bool:
        """Whether a word, or another form of it, is among others."""
        own = {word, *self.relations.lemmas(word)}
        return any(not own.isdisjoint((other, *self.relations.lemmas(other))) for other in others)
