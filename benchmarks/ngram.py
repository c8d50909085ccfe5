"""Bits per byte of an n-gram model, as a figure to hold a language model's against.

Interpolated modified Kneser-Ney of order 5 (Chen and Goodman 1998, §3) over the *same* tokens as
the model, trained on the documents it was pre-trained on and asked for those held out. KenLM's
Python package only queries, NLTK's models are dictionaries and too slow for tens of millions of
tokens; so counting is sorting here, in NumPy.

Documents count as one long text; the few n-grams across their borders are counted too. As in
pre-training, a document's first token is given, and bytes are those of the text as it was read.

Run: `python benchmarks/ngram.py BOOKS --also wikitext-2/test.txt`. The names of the documents held
out come from the checkpoint; `--measure` asks the model for its bits per byte too, which takes
longer.
"""

from __future__ import annotations

import argparse
import gzip
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gpteval import Loaded, load_model
from gpteval.pretrain.bits_per_byte import negative_log_likelihood

ENCODED_AT_ONCE = 1 << 24
"""Characters of text that are encoded in one call."""

WINDOWS_AT_ONCE = 4
"""Sequences of the model's context that are scored in one call."""


@dataclass(frozen=True, slots=True)
class Level:
    """The n-grams of one order, sorted.

    Attributes:
        keys: Rank of the first n − 1 tokens among the (n − 1)-grams × V + the last token.
        discounted: Count less its discount, at least 0; the count of a lower order is the number of
            distinct tokens before the n-gram.
        totals: For every (n − 1)-gram, the counts of its continuations added up.
        left: For every (n − 1)-gram, what the discounts took from them.
    """

    keys: np.ndarray
    discounted: np.ndarray
    totals: np.ndarray
    left: np.ndarray


class KneserNey:
    """An n-gram model of token ids below `vocab_size`."""

    def __init__(self, tokens: np.ndarray, vocab_size: int, order: int = 5) -> None:
        self.vocab_size = vocab_size
        self.levels: list[Level] = []
        ranks = np.zeros(len(tokens) + 1, np.int64)  # of the empty n-gram before every token
        keys, counts, contexts = np.zeros(1, np.int64), np.zeros(0, np.int64), 1
        for n in range(1, order + 1):
            found = ranks[: len(tokens) - n + 1] * vocab_size + tokens[n - 1 :]
            distinct, first, places, times = np.unique(
                found, return_index=True, return_inverse=True, return_counts=True
            )
            if n > 1:
                counts = np.bincount(ranks[first + 1], minlength=len(keys))
                self.levels.append(_level(keys, counts, contexts, vocab_size))
                contexts = len(keys)
            keys, counts, ranks = distinct, times, places
            print(f"{len(keys):,} distinct {n}-grams", file=sys.stderr)
        self.levels.append(_level(keys, counts, contexts, vocab_size))

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """p of every token, given the order − 1 tokens before it or as many as there are."""
        chances = np.full(len(tokens), 1 / self.vocab_size)
        ranks = np.zeros(len(tokens) + 1, np.int64)  # -1: never seen
        for n, level in enumerate(self.levels, start=1):
            contexts = ranks[: len(tokens) - n + 1]
            keys = contexts * self.vocab_size + tokens[n - 1 :]
            places = np.searchsorted(level.keys, keys).clip(max=len(level.keys) - 1)
            known = (level.keys[places] == keys) & (contexts >= 0)
            totals = level.totals[contexts]
            seen = (contexts >= 0) & (totals > 0)
            lower = chances[n - 1 :]
            mass = known * level.discounted[places] + level.left[contexts] * lower
            chances[n - 1 :] = np.where(seen, mass / np.maximum(totals, 1), lower)
            ranks = np.where(known, places, -1)
        return chances


def _level(keys: np.ndarray, counts: np.ndarray, contexts: int, vocab_size: int) -> Level:
    """One order, its discounts estimated from how many n-grams occur once to four times."""
    once, twice, thrice, four = (int((counts == times).sum()) for times in (1, 2, 3, 4))
    if not once * twice * thrice * four:
        raise SystemExit("the text is too short: no n-gram of some order occurs 1, 2, 3 or 4 times")
    share = once / (once + 2 * twice)
    discounts = np.array([
        0.0,
        1 - 2 * share * twice / once,
        2 - 3 * share * thrice / twice,
        3 - 4 * share * four / thrice,
    ])  # fmt: skip
    taken = discounts[counts.clip(max=3)]
    before = keys // vocab_size
    return Level(
        keys,
        counts - taken,
        np.bincount(before, counts, contexts),
        np.bincount(before, taken, contexts),
    )


def read(path: Path) -> str:
    """Text of a file, plain or gzipped."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")


def encode(loaded: Loaded, texts: Iterable[str]) -> list[np.ndarray]:
    """Ids of each text, each after the tokenizer's start if it has one."""
    start = [] if loaded.tokenizer.start is None else [loaded.tokenizer.start]
    kind = np.uint16 if loaded.tokenizer.vocab_size <= 1 << 16 else np.uint32
    found: list[np.ndarray] = []
    waiting: list[str] = []
    for text in (*texts, None):
        if text is not None:
            waiting.append(text)
        if text is None or sum(map(len, waiting)) >= ENCODED_AT_ONCE:
            found += [np.array(start + i, kind) for i in loaded.tokenizer.encode(waiting)]
            waiting = []
    return found


def ngram_bits(model: KneserNey, documents: Iterable[np.ndarray]) -> float:
    """−log2 p of all tokens but each document's first."""
    return -sum(float(np.log2(model.probabilities(tokens)[1:]).sum()) for tokens in documents)


@torch.no_grad()
def model_bits(loaded: Loaded, documents: Iterable[np.ndarray]) -> float:
    """The same by the language model, in windows side by side as pre-training measures it."""
    model, nats = loaded.model.eval(), 0.0
    for tokens in documents:
        ids, size = torch.from_numpy(tokens.astype("int64")), model.context
        windows = [ids[i : i + size + 1] for i in range(0, len(ids) - 1, size)]
        for i in range(0, len(windows), WINDOWS_AT_ONCE):
            nats += negative_log_likelihood(model, windows[i : i + WINDOWS_AT_ONCE]).item()
    return nats / math.log(2)


def report(loaded: Loaded, model: KneserNey, name: str, paths: Sequence[Path], ask: bool) -> str:
    """A line on some documents."""
    texts = [read(path) for path in paths]
    size = sum(len(text.encode()) for text in texts)
    documents = encode(loaded, texts)
    tokens = sum(map(len, documents))
    line = f"{name}: {len(model.levels)}-gram {ngram_bits(model, documents) / size:.4f}"
    if ask:
        line += f", {loaded.reference} {model_bits(loaded, documents) / size:.4f}"
    return f"{line} bits per byte ({tokens:,} tokens, {size:,} bytes)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="directory of the texts it was pre-trained on")
    parser.add_argument("--model", default="mini", help="checkpoint with its tokenizer")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--also", type=Path, action="append", default=[], help="another text")
    parser.add_argument("--measure", action="store_true", help="ask the model too")
    options = parser.parse_args()
    loaded = load_model(options.model)
    names = set(loaded.details["pretraining"]["held_out"])
    paths = sorted(p for p in options.corpus.rglob("*") if p.name.endswith((".txt", ".txt.gz")))
    held_out = [path for path in paths if path.name in names]
    if len(held_out) != len(names):
        raise SystemExit(f"{options.corpus} lacks documents held out: {', '.join(sorted(names))}")
    trained = [path for path in paths if path.name not in names]
    tokens = np.concatenate(encode(loaded, map(read, trained)))
    print(f"{len(trained)} documents, {len(tokens):,} tokens", file=sys.stderr)
    model = KneserNey(tokens, loaded.tokenizer.vocab_size, options.order)
    print(report(loaded, model, "held out", held_out, options.measure))
    for path in options.also:
        print(report(loaded, model, path.name, [path], options.measure))


if __name__ == "__main__":
    main()
