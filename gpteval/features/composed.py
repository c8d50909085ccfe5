"""Vectors of texts put together to the columns of an example, whatever the vectors are of.

Two texts u and v are told as [u, v, |u - v|, u·v] (InferSent: Conneau et al. 2017, §2.1; SentEval,
`snli.py`, has them for entailment; for paraphrases and similarity the last two alone, `mrpc.py`
and `sick.py`, which this has among its columns). An example read in both orders is the mean of
both. Vectors of words, or of words and states side by side (CoVe: McCann et al. 2017, §5), are
composed by the same function.

Shape letters: U texts, D width of a text's vector, S sequences, n examples, F columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gpteval.features.pairs import pair_features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Layout:
    """Which texts the sequences of a split are made of.

    Attributes:
        texts: (S, 1) or (S, 2) places in the list of texts.
        sizes: (n,) sequences of each example.
        apart: Whether every sequence is a row by itself (the answers of a choice); else an example
            is one row, the mean over its sequences.
    """

    texts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    apart: bool

    @classmethod
    def of(cls, examples: Sequence[Sequence[Sequence[int]]], *, apart: bool) -> Layout:
        """From the places of the texts by example and sequence.

        A sequence of one text among pairs is given it twice.
        """
        sequences = [tuple(texts) for own in examples for texts in own]
        most = max(map(len, sequences), default=1)
        padded = [texts if len(texts) == most else (texts[-1],) * most for texts in sequences]
        sizes = np.array([len(own) for own in examples], np.int64)
        return cls(np.array(padded, np.int64).reshape(len(padded), most), sizes, apart)

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) rows of each example."""
        return self.sizes if self.apart else np.ones_like(self.sizes)


def side_by_side(
    first: Layout, second: Layout
) -> tuple[NDArray[np.int64], NDArray[np.int64], Layout]:
    """Vectors of two kinds of the same sequences as one kind.

    Args:
        first: Which of the first kind make a sequence.
        second: Which of the second do; as many sequences, of as many texts.

    Returns:
        Places among the first and among the second kind, (U,) each, of every pair that there is,
        and which of these pairs make a sequence.
    """
    pairs = np.stack([first.texts.ravel(), second.texts.ravel()], axis=1)
    (one, other), places = _distinct(pairs)
    return one, other, replace(first, texts=places.reshape(first.texts.shape))


def _distinct(pairs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    found, places = np.unique(pairs, axis=0, return_inverse=True)
    return found.T, places


def composed(vectors: Any, layout: Layout) -> NDArray[np.float32]:
    """Columns of a split: (S, F) where sequences stand apart, else (n, F).

    Args:
        vectors: (U, D) one of each text.
        layout: Which texts make a sequence; F is D of one text, 4·D of two.
    """
    first, *others = (np.asarray(vectors[places]) for places in layout.texts.T)  # (S, D) each
    columns = first
    for second in others:
        columns = pair_features(first, second)
    if layout.apart or len(columns) == len(layout.sizes):
        return columns
    starts = np.cumsum(layout.sizes) - layout.sizes
    summed: NDArray[np.float32] = np.add.reduceat(columns, starts, axis=0)
    summed /= layout.sizes[:, None].astype(np.float32)
    return summed
