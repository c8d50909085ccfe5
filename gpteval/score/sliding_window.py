"""The sliding window of Richardson et al. 2013 (MCTest, algorithm 1): a baseline for reading tests.

It reads no order and knows no language: the answer whose words, with the question's, are found
closest together in the passage, rare words counting more.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpteval.task import Prompt

WORD = re.compile(r"\w+")


def sliding_window(prompt: Prompt) -> int:
    """The index of the answer with the highest score; the first among equals."""
    passage, weights = _read(prompt.passage)
    scores = [
        _score(passage, weights, {*_words(candidate.context), *_words(candidate.continuation)})
        for candidate in prompt.candidates
    ]
    return scores.index(max(scores))


def _score(passage: Sequence[str], weights: dict[str, float], wanted: set[str]) -> float:
    """The heaviest window of as many words as are wanted."""
    values = [weights[word] if word in wanted else 0.0 for word in passage]
    size = len(wanted)
    total = highest = sum(values[:size])
    for last in range(size, len(values)):
        total += values[last] - values[last - size]
        highest = max(highest, total)
    return highest


@lru_cache(maxsize=8)
def _read(text: str) -> tuple[list[str], dict[str, float]]:
    """Words of a passage, and log(1 + 1 / count) of each."""
    words = _words(text)
    return words, {word: math.log(1 + 1 / count) for word, count in Counter(words).items()}


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
