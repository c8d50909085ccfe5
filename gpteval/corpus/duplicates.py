"""Documents of a corpus that nearly repeat an earlier one, by MinHash (Broder 1997).

One hash function and a minimum per bin of its range (one-permutation hashing, Li et al. 2012; empty
bins filled from the next, Shrivastava and Li 2014) cost one look at a document instead of one per
slot of the signature. Candidates share a band of their signatures and are then compared exactly.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from tempfile import TemporaryFile

import numpy as np

from gpteval.corpus.ngrams import mixed, runs
from gpteval.corpus.tokens import Document, TokenFile
from gpteval.progress import Progress, Silent

SHINGLE = 8
"""Tokens of a run: some five words and the marks between them."""
SLOTS = 128
BANDS = 32
"""Of 4 slots each: two documents that share 4/5 of their runs are compared all but surely, two that
share 1/10 hardly ever."""
ALIKE = 0.8
"""Least Jaccard similarity of near-duplicates' sets of runs."""
BLOCK = 1 << 20
"""Tokens looked at in one go."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A document that nearly repeats an earlier one.

    Attributes:
        document, earlier: Their names.
        similarity: Runs of 8 tokens they share, over those that either has: 0.8 to 1.
    """

    document: str
    earlier: str
    similarity: float


def near_duplicates(
    files: Sequence[TokenFile], progress: Progress | None = None
) -> list[Duplicate]:
    """Documents of token files that nearly repeat an earlier one.

    Memory holds some 50 bytes a document; the signatures, 1 KiB each, lie in a temporary file.

    Args:
        files: In order: a document of the second may repeat one of the first.
        progress: Told how many documents are read.

    Returns:
        At most one per document, in the documents' order.
    """
    progress, documents = progress or Silent(), _Joined(files)
    progress.begin("find near-duplicates", len(documents))
    repeated: dict[int, tuple[int, float]] = {}
    compared: set[tuple[int, int]] = set()
    with TemporaryFile() as file:
        shape = (len(documents), SLOTS)
        signatures = np.memmap(file, np.uint64, mode="w+", shape=shape)
        for row in range(len(documents)):
            signatures[row] = signature(documents.ids(row))
            progress.advance(1)
        for pair in _candidates(signatures):
            later, earlier = pair
            if later in repeated or pair in compared:
                continue
            compared.add(pair)
            similarity = jaccard(documents.ids(later), documents.ids(earlier))
            if similarity >= ALIKE:
                repeated[later] = earlier, round(similarity, 4)
    progress.end()
    name = documents.name
    return [Duplicate(name(row), name(at), alike) for row, (at, alike) in sorted(repeated.items())]


def signature(ids: np.ndarray) -> np.ndarray:
    """Where two are equal in a share j of their slots, the documents' similarity is about j.

    Args:
        ids: Token ids of a document, (N,).

    Returns:
        The smallest hash of a run in each of `SLOTS` equal parts of the hashes' range, (SLOTS,).
    """
    none = np.iinfo(np.uint64).max
    smallest = np.full(SLOTS, none)
    for hashes in _shingles(ids):
        slots = (hashes >> np.uint64(64 - SLOTS.bit_length() + 1)).astype(np.intp)
        np.minimum.at(smallest, slots, hashes)
    filled = np.flatnonzero(smallest < none)
    following = filled[np.searchsorted(filled, np.arange(SLOTS)) % len(filled)]
    chosen: np.ndarray = smallest[following]
    return chosen


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Shared runs of two documents over all their runs, each run counted once."""
    earlier, later = (np.unique(np.concatenate(list(_shingles(ids)))) for ids in (first, second))
    shared = len(np.intersect1d(earlier, later, assume_unique=True))
    return shared / (len(earlier) + len(later) - shared)


class _Joined:
    """The documents of several token files, numbered through."""

    def __init__(self, files: Sequence[TokenFile]) -> None:
        self.files = files
        self.stops = list(accumulate(len(file.documents) for file in files))

    def __len__(self) -> int:
        return self.stops[-1]

    def ids(self, row: int) -> np.ndarray:
        """A document's token ids."""
        file, document = self._find(row)
        return file.tokens[document.start : document.stop]

    def name(self, row: int) -> str:
        """A document's name."""
        return self._find(row)[1].name

    def _find(self, row: int) -> tuple[TokenFile, Document]:
        place = bisect_right(self.stops, row)
        file = self.files[place]
        return file, file.documents[row - self.stops[place] + len(file.documents)]


def _candidates(signatures: np.ndarray) -> Iterator[tuple[int, int]]:
    """Rows that agree with an earlier one in all slots of a band, and the first such row."""
    width = SLOTS // BANDS
    for first in range(0, SLOTS, width):
        keys = np.zeros(len(signatures), np.uint64)
        for slot in range(first, first + width):
            keys = mixed(keys ^ signatures[:, slot])
        order = np.argsort(keys, kind="stable")
        begins = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
        heads = np.repeat(begins, np.diff(begins, append=len(order)))
        for place in np.flatnonzero(heads != np.arange(len(order))).tolist():
            yield int(order[place]), int(order[heads[place]])


def _shingles(ids: np.ndarray) -> Iterator[np.ndarray]:
    """Hashes of the runs of a document, a block at a time; a short document is one run."""
    length = min(SHINGLE, len(ids))
    for start in range(0, len(ids) - length + 1, BLOCK):
        yield runs(mixed(ids[start : start + BLOCK + length - 1]), length)
