"""Hashes of runs of items: of tokens, to find repeated texts, and of words, to find quotes."""

from __future__ import annotations

import numpy as np

from gpteval.encode.tokenizer import UNKNOWN, WORD_END, BpeTokenizer

STEP = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose powers stand for places in a run."""


def mixed(values: np.ndarray) -> np.ndarray:
    """Integers as hashes whose bits all depend on theirs (SplitMix64's finaliser), uint64."""
    x = values.astype(np.uint64) + STEP
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = x ^ (x >> np.uint64(31))
    return mixed


def runs(hashes: np.ndarray, length: int) -> np.ndarray:
    """A hash for every run of `length` items, from the items' own.

    Args:
        hashes: Hashes of the items, (N,) uint64.
        length: Items of a run.

    Returns:
        (N − length + 1,) uint64; () for fewer items.
    """
    count = len(hashes) - length + 1
    if count < 1:
        return np.empty(0, np.uint64)
    total, power = np.zeros(count, np.uint64), np.ones(1, np.uint64)
    for place in range(length):
        total += hashes[place : place + count] * power
        power *= STEP
    return mixed(total)


class Words:
    """The words of token ids; what has no known letter or digit is no word."""

    def __init__(self, tokenizer: BpeTokenizer) -> None:
        """Words are those the tokenizer's splitting makes: "don't" is two."""
        tokens = tokenizer.tokens
        self.ends = np.array([t.endswith(WORD_END) or t == UNKNOWN for t in tokens])
        texts = ("" if t == UNKNOWN else t.removesuffix(WORD_END) for t in tokens)
        self.spells = np.array([any(map(str.isalnum, text)) for text in texts])

    def hashes(self, ids: np.ndarray) -> np.ndarray:
        """A hash per word, the same for the same tokens, (words,) uint64.

        Args:
            ids: Token ids, (N,); those after the last word's end are left out.
        """
        stops = np.flatnonzero(self.ends[ids]) + 1
        if not len(stops):
            return np.empty(0, np.uint64)
        starts = np.concatenate([[0], stops[:-1]])
        ids = ids[: stops[-1]].astype(np.uint64)
        places = np.arange(len(ids)) - np.repeat(starts, stops - starts)
        parts = mixed(ids + (places.astype(np.uint64) << np.uint64(32)))
        spelled = np.logical_or.reduceat(self.spells[ids], starts)
        hashes: np.ndarray = np.add.reduceat(parts, starts)[spelled]
        return hashes
