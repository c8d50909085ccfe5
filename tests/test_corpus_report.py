import json
import random
import re

import numpy as np
import pytest
from official import RTE, rte

from gpteval import BpeTokenizer
from gpteval.corpus import contamination as module
from gpteval.corpus.contamination import Runs, find_quotes
from gpteval.corpus.documents import find_documents
from gpteval.corpus.duplicates import jaccard, near_duplicates, signature
from gpteval.corpus.report import survey
from gpteval.corpus.tokens import encode_documents
from gpteval.plugins import registry
from gpteval.progress import Silent
from gpteval.upkeep import Reading

WORDS = [f"{a}{b}{c}" for a in "bdfg" for b in "aeio" for c in "lmnr"]


def story(seed, words=400):
    return " ".join(random.Random(seed).choices(WORDS, k=words))


@pytest.fixture(scope="module")
def tokenizer():
    return BpeTokenizer.train([story(n) for n in range(5)], merges=30)


def encoded(directory, texts, tokenizer, name="all.tokens"):
    lines = "\n".join(json.dumps({"text": text}) for text in texts)
    (directory / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    corpus = find_documents([directory / f"{name}.jsonl"])
    return encode_documents(corpus, tokenizer, directory / name)


def sets(ids):
    return {tuple(ids[i : i + 8]) for i in range(len(ids) - 7)}


@pytest.mark.parametrize("changed", [0, 5, 20, 60, 200])
def test_similarity_is_that_of_the_sets_and_signatures_estimate_it(changed):
    draw = np.random.default_rng(changed)
    first = draw.integers(0, 8000, 3000)
    second = first.copy()
    second[draw.integers(0, 3000, changed)] = 7
    one, other = sets(first.tolist()), sets(second.tolist())
    expected = len(one & other) / len(one | other)
    assert jaccard(first, second) == pytest.approx(expected, abs=1e-9)
    assert (signature(first) == signature(second)).mean() == pytest.approx(expected, abs=0.12)


def test_a_document_that_nearly_repeats_an_earlier_one_is_found(tmp_path, tokenizer):
    texts = [story(n) for n in range(40)]
    texts[17] = texts[4] + " at the end"
    texts[30] = "short"
    texts[31] = "short"
    file = encoded(tmp_path, texts, tokenizer)
    other = encoded(tmp_path, [story(99), texts[8]], tokenizer, "held-out.tokens")
    found = near_duplicates([file, other])
    assert [(d.document, d.earlier) for d in found] == [
        ("all.tokens.jsonl:18", "all.tokens.jsonl:5"),
        ("all.tokens.jsonl:32", "all.tokens.jsonl:31"),
        ("held-out.tokens.jsonl:2", "all.tokens.jsonl:9"),
    ]
    assert 0.9 < found[0].similarity < 1 == found[1].similarity == found[2].similarity


def test_documents_that_share_half_their_text_are_no_near_duplicates(tmp_path, tokenizer):
    half = story(1)
    file = encoded(tmp_path, [half + story(2), half + story(3)], tokenizer)
    assert near_duplicates([file]) == []


def rows_of(tmp_path, premises):
    header, *_ = RTE.splitlines()
    lines = [f"{n}\t{p}\tIt is so.\tentailment" for n, p in enumerate(premises)]
    return rte(tmp_path, "\n".join([header, *lines]) + "\n")


def grams(text):
    words = re.findall(r"[a-z0-9]+", text.lower())
    return {tuple(words[i : i + 13]) for i in range(len(words) - 12)}


@pytest.mark.parametrize("block", [1 << 20, 40])
def test_examples_that_share_13_words_are_those_a_plain_search_finds(
    tmp_path, tokenizer, monkeypatch, block
):
    monkeypatch.setattr(module, "BLOCK", block)
    texts = [story(n) for n in range(6)]
    draw, premises = random.Random(0), []
    for n in range(30):
        words = texts[n % 6].split()
        start, length = draw.randrange(300), draw.randrange(9, 18)
        quote = " ".join(words[start : start + length]).title().replace(" ", ", ", 3)
        premises.append(f"{story(n + 50, 4)} “{quote}” {story(n + 80, 4)}")
    expected = {str(n) for n, p in enumerate(premises) if any(grams(p) & grams(t) for t in texts)}
    rows = rows_of(tmp_path, premises)
    splits = [Runs(registry().tasks()["rte"], rows, tokenizer)]
    [found] = find_quotes(encoded(tmp_path, texts, tokenizer), tokenizer, splits)
    assert set(found.found) == expected and 5 < len(expected) < 25


def test_examples_too_short_to_tell_are_counted(tmp_path, tokenizer):
    rows = rows_of(tmp_path, ["a short one", story(1, 12), story(2, 13)])
    splits = [Runs(registry().tasks()["rte"], rows, tokenizer)]
    [found] = find_quotes(encoded(tmp_path, [story(1)], tokenizer), tokenizer, splits)
    assert (found.examples, found.short, found.found) == (3, 2, ())


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self):
        self.lines, self.phases = [], []

    def say(self, line):
        self.lines.append(line)

    def begin(self, what, total):
        self.phases.append(what)


def test_the_survey_is_told_written_and_not_made_twice(tmp_path, tokenizer):
    data = tmp_path / "data"
    rows_of(data, [story(1, 40), story(60, 40)])
    file = encoded(tmp_path, [story(1), story(1)], tokenizer)
    reading, page = Reading(overlap="rte", data_dir=str(data)), tmp_path / "survey.json"
    first, second = Heard(), Heard()
    survey([file], tokenizer, reading, page, first)
    survey([file], tokenizer, reading, page, second)
    assert second.lines == first.lines and second.phases == []
    assert "rte dev: 1 of 2 examples share 13 words with the corpus" in first.lines
    assert any("1 documents nearly repeat" in line for line in first.lines)
    content = json.loads(page.read_text())
    assert content["train"]["tokens"] == len(file.tokens)
    assert content["overlap"][0]["found"] == ["0"]
