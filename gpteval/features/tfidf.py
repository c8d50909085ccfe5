"""TF-IDF columns of examples: what words alone tell a linear model.

Every sequence of an example is read as two texts: the *last* segment (hypothesis, answer, ending)
and what is *given* before it. Words and pairs of neighbours are hashed into buckets and weighted by
TF-IDF; the two texts keep columns of their own, beside three of their overlap. Nothing is tuned,
nothing is drawn.

With `last_only` nothing given is seen: a score above chance is an artefact of the data
(hypothesis-only: Gururangan et al. 2018, Poliak et al. 2018; ending-only: Schwartz et al. 2017).

Shape letters: U distinct texts, S sequences, n examples, V buckets, F = 2 V + 3 columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gpteval.features.words import WORD

if TYPE_CHECKING:
    from gpteval.task import Example, Task

    Matrix = Any  # scipy's csr_array, which has no stubs

SETTINGS: Mapping[str, Any] = {
    "words": 2,  # longest run of words
    "buckets": 2**18,
}
"""All there is to set."""

CHUNK = 1000
"""Examples at a time."""

Done = Callable[[int], None]
"""Told how many more examples have been read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One sequence as the baseline reads it.

    Attributes:
        given: The texts before the last, () where there is none or it may not be seen.
        last: The last text.
        given_tells, last_tells: Whether the text has columns of its own. Of a choice, what all
            answers share can't tell them apart: it counts in the overlap alone.
    """

    given: tuple[str, ...]
    last: str
    given_tells: bool
    last_tells: bool


def readings(task: Task, example: Example, last_only: bool) -> list[Reading]:
    """An example's sequences."""
    before = (example.context,) if example.context else ()
    given = [() if last_only else (*before, *texts[:-1]) for texts in example.sequences]
    last = [texts[-1] for texts in example.sequences]
    choose = task.kind == "choose"
    given_tells, last_tells = (not choose or len(set(texts)) > 1 for texts in (given, last))
    return [Reading(g, t, given_tells, last_tells) for g, t in zip(given, last, strict=True)]


class TextFeatures:
    """The columns of one task's examples."""

    def __init__(self, task: Task, *, last_only: bool = False) -> None:
        """Not fitted yet.

        Args:
            task: Its kind decides what a row is: an example, or for a choice a sequence.
            last_only: See the last segment of every sequence alone.
        """
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self.task, self.last_only = task, last_only
        self.counts = HashingVectorizer(
            ngram_range=(1, SETTINGS["words"]),
            n_features=SETTINGS["buckets"],
            token_pattern=WORD,
            alternate_sign=False,
            norm=None,
        )
        self.weights = TfidfTransformer(sublinear_tf=True)

    def fit(self, examples: Sequence[Example], done: Done = lambda count: None) -> Matrix:
        """Learn document frequencies, of the distinct texts, and which buckets are used.

        Args:
            examples: The training split.
            done: Told how many more examples have been read.

        Returns:
            Their columns, as `columns` gives them.
        """
        import numpy as np

        read = [readings(self.task, example, self.last_only) for example in examples]
        places, counts = self._count(read, done)
        self.weights.fit(counts)
        columns = self._columns(read, places, self.weights.transform(counts))
        # Buckets that no training text falls into would have the weight 0. Overlap always stays.
        overlap = np.arange(columns.shape[1] - 3, columns.shape[1])
        self.used = np.union1d(columns.indices, overlap)
        return columns[:, self.used]

    def columns(self, examples: Sequence[Example], done: Done = lambda count: None) -> Matrix:
        """Used columns of a choice's sequences, (S, used); else of the examples, (n, used)."""
        read = [readings(self.task, example, self.last_only) for example in examples]
        places, counts = self._count(read, done)
        return self._columns(read, places, self.weights.transform(counts))[:, self.used]

    def _count(
        self, read: Sequence[Sequence[Reading]], done: Done
    ) -> tuple[Mapping[str, int], Matrix]:
        """Distinct texts and their rows, and how often each bucket occurs in each, (U, V)."""
        from scipy.sparse import vstack

        places: dict[str, int] = {}
        parts = []
        for chunk in _chunks(read):
            texts = dict.fromkeys(
                t for readings in chunk for r in readings for t in (*r.given, r.last)
            )
            new = [text for text in texts if text not in places]
            places |= {text: row for row, text in enumerate(new, start=len(places))}
            if new:
                parts.append(self.counts.transform(new))
            done(len(chunk))
        return places, vstack(parts, format="csr")

    def _columns(
        self, read: Sequence[Sequence[Reading]], places: Mapping[str, int], vectors: Matrix
    ) -> Matrix:
        """(S, F) for a choice; else (n, F), the mean over an example's sequences."""
        from scipy.sparse import vstack

        parts = []
        for chunk in _chunks(read):
            part = _joined(chunk, places, vectors)
            parts.append(part if self.task.kind == "choose" else _means(part, chunk))
        return vstack(parts, format="csr")


def _chunks(read: Sequence[Sequence[Reading]]) -> Iterator[Sequence[Sequence[Reading]]]:
    return (read[start : start + CHUNK] for start in range(0, len(read), CHUNK))


def _joined(
    read: Iterable[Sequence[Reading]], places: Mapping[str, int], vectors: Matrix
) -> Matrix:
    """Given, last and overlap of every sequence side by side, (S, F)."""
    from scipy.sparse import diags_array, hstack
    from sklearn.preprocessing import normalize

    rows = [reading for readings in read for reading in readings]
    texts = [[places[text] for text in row.given] for row in rows]
    # Several given texts (article, question) are added up: joined, each would be counted anew.
    given = normalize(_picked(texts, vectors.shape[0]) @ vectors)
    last = vectors[[places[row.last] for row in rows]]
    columns = [
        diags_array([float(row.given_tells) for row in rows]) @ given,
        diags_array([float(row.last_tells) for row in rows]) @ last,
        _overlap(given, last),
    ]
    joined = hstack(columns, format="csr")
    joined.eliminate_zeros()  # what doesn't tell is stored as zeros: all of RACE's articles
    return joined


def _means(columns: Matrix, read: Iterable[Sequence[Reading]]) -> Matrix:
    """The mean over each example's sequences, (S, F) → (n, F)."""
    import numpy as np
    from scipy.sparse import diags_array

    sizes = np.array([len(readings) for readings in read])
    members = [range(start, stop) for start, stop in pairwise([0, *np.cumsum(sizes)])]
    return diags_array(1 / sizes) @ (_picked(members, columns.shape[0]) @ columns)


def _picked(groups: Sequence[Sequence[int]], width: int) -> Matrix:
    """A matrix that adds up the rows of each group, (groups, width)."""
    import numpy as np
    from scipy.sparse import csr_array

    starts = np.cumsum([0, *map(len, groups)])
    chosen = np.array([place for group in groups for place in group], dtype=np.int64)
    return csr_array((np.ones(len(chosen)), chosen, starts), shape=(len(groups), width))


def _overlap(given: Matrix, last: Matrix) -> Matrix:
    """Cosine, share of the last text's buckets that are given, and the other way round, (S, 3)."""
    import numpy as np
    from scipy.sparse import csr_array

    shared = given.multiply(last)
    common = np.asarray(shared.astype(bool).sum(1)).ravel()
    cosine = np.asarray(shared.sum(1)).ravel()
    sizes = [np.maximum(np.diff(counts.indptr), 1) for counts in (last, given)]
    return csr_array(np.stack([cosine, *(common / size for size in sizes)], axis=1))
