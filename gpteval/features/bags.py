"""Texts as the mean of their words' vectors, plain or weighted: what words mean, not their order.

SIF, smooth inverse frequency (Arora, Liang, Ma 2017, "A simple but tough-to-beat baseline for
sentence embeddings", algorithm 1; their code is PrincetonML/SIF): every word's vector counts
a / (a + p(w)), their sum is divided by the number of words, and the projection on the first
singular vector of all texts, which are not centred, is taken away. Here p(w) is the share of the
word among those of the training split's distinct texts, and the singular vector is theirs too: a
text that is scored changes no other's features. In the paper it is of the set that is scored, which
had no training split.

A text given and a last one are a pair; a choice's answers are sequences of their own (see `tfidf`).
The columns are centred and scaled by the training split, and divided by the root of how many there
are, so that a row's length is about 1: that of a TF-IDF row, which the strength of the head's
penalty is for.

Shape letters: U distinct texts, S sequences, n examples, W words with a vector, D width,
F = D or 4 D columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from gpteval.features.pairs import pair_features
from gpteval.features.tfidf import Done, Reading, readings
from gpteval.features.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.features.vector_files import WordVectors
    from gpteval.task import Example, Task

    Array = NDArray[np.float64]

SMOOTHING = 1e-3
"""SIF's a; the paper's."""


def wanted_words(task: Task, examples: Iterable[Example]) -> frozenset[str]:
    """The words of examples, as they are written and in small letters."""
    texts = _texts([readings(task, example, last_only=False) for example in examples])
    words = set(chain.from_iterable(map(words_of, texts)))
    return frozenset(words | {word.lower() for word in words})


class BagFeatures:
    """The columns of one task's examples."""

    def __init__(self, task: Task, vectors: WordVectors, *, smoothing: float | None = None) -> None:
        """Not fitted yet.

        Args:
            task: Its kind decides what a row is: an example, or for a choice a sequence.
            vectors: Of its words.
            smoothing: SIF's a; None for the plain mean.
        """
        self.task, self.vectors, self.smoothing = task, vectors, smoothing

    def fit(self, examples: Sequence[Example], done: Done = lambda count: None) -> Array:
        """Learn SIF's weights and direction, and every column's mean and scale.

        Args:
            examples: The training split.
            done: Told how many more examples have been read.

        Returns:
            Their columns, as `columns` gives them.
        """
        from sklearn.preprocessing import StandardScaler

        read = [readings(self.task, example, last_only=False) for example in examples]
        self.paired = any(reading.given for each in read for reading in each)
        texts = _texts(read)
        self.weights = self._weights(texts)
        self.common = self._common(texts)
        self.scaler = StandardScaler()
        columns = self._columns(read, done)
        return self._scaled(self.scaler.fit_transform(columns))

    def columns(self, examples: Sequence[Example], done: Done = lambda count: None) -> Array:
        """Columns of a choice's sequences, (S, F); else of the examples, (n, F)."""
        read = [readings(self.task, example, last_only=False) for example in examples]
        return self._scaled(self.scaler.transform(self._columns(read, done)))

    def _scaled(self, columns: Array) -> Array:
        scaled: Array = columns / columns.shape[1] ** 0.5
        return scaled

    def _weights(self, texts: Sequence[str]) -> Array:
        """What every vector counts, (W,)."""
        import numpy as np

        met = Counter(chain.from_iterable(map(words_of, texts)))
        shares = np.zeros(len(self.vectors.matrix))
        for word, count in met.items():
            row = self.vectors.row(word)
            if row is not None:
                shares[row] += count / met.total()
        a = self.smoothing
        return np.ones_like(shares) if a is None else a / (a + shares)

    def _common(self, texts: Sequence[str]) -> Array | None:
        """The first right singular vector of the texts' vectors, (D,); None of the plain mean."""
        import numpy as np

        if self.smoothing is None:
            return None
        vectors = word_means(self.vectors, [(text,) for text in texts], self.weights)
        _, directions = np.linalg.eigh(vectors.T @ vectors)  # by rising eigenvalue
        common: Array = directions[:, -1]
        return common

    def _embedded(self, groups: Sequence[Sequence[str]]) -> Array:
        """The vectors of groups of texts without the common direction, (groups, D)."""
        import numpy as np

        own = list(dict.fromkeys(map(tuple, groups)))
        places = {group: place for place, group in enumerate(own)}
        vectors = word_means(self.vectors, own, self.weights)
        if self.common is not None:
            vectors -= np.outer(vectors @ self.common, self.common)
        return vectors[[places[tuple(group)] for group in groups]]

    def _columns(self, read: Sequence[Sequence[Reading]], done: Done) -> Array:
        """(S, F) for a choice; else (n, F), the mean over an example's sequences."""
        import numpy as np

        rows = [reading for each in read for reading in each]
        last = self._embedded([(row.last,) for row in rows])
        if not self.paired:
            columns = last
        else:
            columns = pair_features(self._embedded([row.given for row in rows]), last)
            width = last.shape[1]
            columns[:, :width] *= np.array([[row.given_tells] for row in rows])
            columns[:, width : 2 * width] *= np.array([[row.last_tells] for row in rows])
        done(len(read))
        if self.task.kind == "choose":
            return columns
        sizes = np.array([len(each) for each in read])
        means: Array = np.add.reduceat(columns, np.cumsum([0, *sizes[:-1]])) / sizes[:, None]
        return means


def word_means(
    vectors: WordVectors, groups: Sequence[Sequence[str]], weights: Array | None = None
) -> Array:
    """The weighted sum of the vectors of every group's words by their number, (groups, D).

    A word without a vector doesn't count; a group of such words alone is 0.

    Args:
        vectors: Of the words.
        groups: Texts that are read together.
        weights: What every vector counts, (W,); 1 by default.
    """
    import numpy as np
    from scipy.sparse import csr_array

    found = [[vectors.row(word) for text in texts for word in words_of(text)] for texts in groups]
    rows = [[row for row in own if row is not None] for own in found]
    starts = np.cumsum([0, *map(len, rows)])
    chosen = np.fromiter(chain.from_iterable(rows), np.int64, starts[-1])
    counts = np.ones(len(chosen)) if weights is None else weights[chosen]
    shape = (len(groups), len(vectors.matrix))
    sums = csr_array((counts, chosen, starts), shape) @ vectors.matrix
    means: Array = sums / np.maximum(np.diff(starts), 1)[:, None]
    return means


def _texts(read: Iterable[Sequence[Reading]]) -> list[str]:
    """The distinct texts of sequences, in their order."""
    return list(dict.fromkeys(t for each in read for r in each for t in (*r.given, r.last)))
