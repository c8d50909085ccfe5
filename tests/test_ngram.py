"""The benchmark's Kneser-Ney model against the formula written with dictionaries."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "ngram.py"
spec = importlib.util.spec_from_file_location("ngram", SCRIPT)
ngram = importlib.util.module_from_spec(spec)
sys.modules["ngram"] = ngram
spec.loader.exec_module(ngram)

VOCABULARY = 200


def text(seed, length):
    """Tokens of very different frequencies, with some order in them; the last one never occurs."""
    draw = np.random.default_rng(seed)
    tokens = [0]
    for _ in range(length - 1):
        fresh, usual = draw.zipf(1.6) - 1, (7 * tokens[-1] + draw.geometric(0.4)) % 150
        tokens.append(int(usual if draw.random() < 0.5 else min(fresh, VOCABULARY - 2)))
    return np.array(tokens, np.uint16)


class ByHand:
    """Chen and Goodman's formula, one n-gram at a time."""

    def __init__(self, tokens, order):
        grams = [
            Counter(tuple(tokens[i : i + n].tolist()) for i in range(len(tokens) - n + 1))
            for n in range(1, order + 1)
        ]
        below = [Counter(gram[1:] for gram in longer) for longer in grams[1:]]
        self.counts = [*below, grams[-1]]

    def discount(self, level, count):
        times = Counter(self.counts[level].values())
        share = times[1] / (times[1] + 2 * times[2])
        k = min(count, 3)
        return k - (k + 1) * share * times[k + 1] / times[k] if k else 0

    def probability(self, context, token):
        level = len(context)
        lower = self.probability(context[1:], token) if level else 1 / VOCABULARY
        after = {g[-1]: c for g, c in self.counts[level].items() if g[:-1] == context}
        if not after:
            return lower
        own = after.get(token, 0)
        left = sum(self.discount(level, c) for c in after.values())
        return (own - self.discount(level, own) + left * lower) / sum(after.values())


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_are_those_of_the_formula(order):
    train, asked = text(0, 1500), text(1, 60)
    asked[20:22] = VOCABULARY - 1
    reference = ByHand(train, order)
    expected = [
        reference.probability(tuple(asked[max(0, i - order + 1) : i].tolist()), int(asked[i]))
        for i in range(len(asked))
    ]
    found = ngram.KneserNey(train, VOCABULARY, order).probabilities(asked)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("context", [[], [3], [1, 2], [0, 199, 4], [5, 10, 0, 7]])
def test_probabilities_of_all_tokens_add_up_to_one(context):
    model = ngram.KneserNey(text(0, 2000), VOCABULARY, 4)
    every = [model.probabilities(np.array([*context, t]))[-1] for t in range(VOCABULARY)]
    assert sum(every) == pytest.approx(1)
    assert min(every) > 0


def test_a_text_too_short_to_estimate_discounts_is_one_line():
    with pytest.raises(SystemExit, match="too short"):
        ngram.KneserNey(np.arange(8), VOCABULARY, 2)


def test_a_corpus_without_the_documents_held_out_is_one_line(tmp_path):
    command = [sys.executable, SCRIPT, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "lacks documents held out" in done.stderr.splitlines()[-1]
