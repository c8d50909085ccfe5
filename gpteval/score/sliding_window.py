"""The sliding window of Richardson et al. 2013 (MCTest, algorithm 1): a baseline for reading tests.

It reads no order and knows no language: the answer whose words, with the question's, are found
closest together in the passage, rare words counting more. This is the window alone: the paper's
best baseline subtracts the distance between question and answer words (algorithm 2).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpteval.task import Candidate, Prompt

WORD = re.compile(r"\w+")

ROUNDING = 1e-9
"""Far above what rounding does to sums of logarithms: closer scores are compared exactly."""

Weights = dict[str, float]


def sliding_window(prompt: Prompt) -> int:
    """The index of the answer with the highest score; the first among equals."""
    scores = window_weights(prompt)
    nearly = max(scores) - ROUNDING
    best = [place for place, score in enumerate(scores) if score >= nearly]
    if len(best) == 1:
        return best[0]
    passage, weights = _read(prompt.passage)
    wanted = [_wanted(candidate) for candidate in prompt.candidates]
    return max(best, key=lambda place: _exact(passage, weights, wanted[place], nearly))


def window_weights(prompt: Prompt) -> list[float]:
    """The weight of each answer's heaviest window, but for rounding."""
    passage, weights = _read(prompt.passage)
    return [max(_windows(passage, weights, _wanted(own))) for own in prompt.candidates]


def _wanted(candidate: Candidate) -> frozenset[str]:
    """Words of question and answer."""
    return frozenset((*_words(candidate.context), *_words(candidate.continuation)))


def _windows(passage: Sequence[str], weights: Weights, wanted: frozenset[str]) -> list[float]:
    """Weights of all windows of as many words as are wanted, but for rounding."""
    values = [weights[word] if word in wanted else 0.0 for word in passage]
    size = len(wanted)
    totals = [sum(values[:size])]
    for last in range(size, len(values)):
        totals.append(totals[-1] + values[last] - values[last - size])
    return totals


def _exact(
    passage: Sequence[str], weights: Weights, wanted: frozenset[str], nearly: float
) -> Fraction:
    """The heaviest window's weight, as the number of which it is the logarithm.

    Sums of logarithms that are equal, log 3/2 + log 4/3 and log 2, differ when they are rounded.
    """
    counts, size = Counter(passage), len(wanted)
    products = {
        tuple(sorted(counts[word] for word in passage[start : start + size] if word in wanted))
        for start, weight in enumerate(_windows(passage, weights, wanted))
        if weight >= nearly - ROUNDING
    }
    return max(math.prod((Fraction(n + 1, n) for n in own), start=Fraction(1)) for own in products)


@lru_cache(maxsize=8)
def _read(text: str) -> tuple[list[str], Weights]:
    """Words of a passage, and log(1 + 1 / count) of each."""
    words = _words(text)
    return words, {word: math.log(1 + 1 / count) for word, count in Counter(words).items()}


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
