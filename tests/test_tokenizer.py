"""Token ids: transformers' for the `bert` splitting, OpenAI's own encoder's for `openai`."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import ftfy
import pytest
from spacy.lang.en import English
from transformers import OpenAIGPTTokenizer

from gpteval import BpeTokenizer, CheckpointError, ConfigError
from gpteval.encode import tokenizer as module
from gpteval.encode.tokenizer import ALPHABET, openai_words, standardize

WORDS = (
    "the captain couldn't say why café naïve Zürich İstanbul straße 3.14 1,000,000 e-mail "
    "o'clock rock'n'roll U.S.A. (well) [sic] «non» “quoted” ‘so’ — – … ´ ½ € £5 50% #tag @you "
    "a_b c++ \\n C:\\dir ~ ~~ --- !!! ?! 🙂 👩\u200d👧 漢字 かな Москва Ελλάδα عربى é e\u0301 "
    "\u200b\u00ad &amp; <b>bold</b> ﬁne №5 10a.m. Mr. don’t CAN'T i.e. :-) word.Word "
    "http://x.org/?q=1&r=2"
).split(" ")
GAPS = (" ", " ", " ", "  ", "\t", "\n", " \n\n ", "\u00a0", "\r\n", "")


def sentences(count: int) -> list[str]:
    draw = random.Random(7)
    return [
        "".join(draw.choice(WORDS) + draw.choice(GAPS) for _ in range(12)) for _ in range(count)
    ]


@pytest.fixture(scope="module")
def trained() -> BpeTokenizer:
    return BpeTokenizer.train(sentences(400), merges=300)


def parts(tokenizer: BpeTokenizer, directory: Path) -> tuple[dict[str, int], list[list[str]]]:
    tokenizer.save(directory)
    model = json.loads((directory / "tokenizer.json").read_text())["model"]
    return model["vocab"], model["merges"]


def openai_encoder(
    vocabulary: dict[str, int], merges: list[list[str]]
) -> Callable[[str], list[int]]:
    """OpenAI's `TextEncoder.encode`, written plainly: the reference."""
    ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
    spacy = English().tokenizer

    def bpe(word: str) -> list[str]:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            pairs = list(pairwise(pieces))
            best = min(pairs, key=lambda pair: ranks.get(pair, sys.maxsize))
            if best not in ranks:
                break
            at = pairs.index(best)
            pieces[at : at + 2] = ["".join(best)]
        return ["\n</w>"] if pieces == ["\n", " </w>"] else pieces

    def standard(text: str) -> str:
        for old, new in (("—", "-"), ("–", "-"), ("―", "-"), ("…", "..."), ("´", "'")):
            text = text.replace(old, new)
        marks = (
            r"(-+|~+|!+|\"+|;+|\?+|\++|,+|\)+|\(+|\+|\/+|\*+|\[+|\]+|}+|{+|\|+|_+)"  # as it runs
        )
        text = re.sub(marks, r" \1 ", text)
        text = re.sub(r"\s*\n\s*", " \n ", text)
        return re.sub(r"[^\S\n]+", " ", text).strip()

    def encode(text: str) -> list[int]:
        words = [token.text.lower() for token in spacy(standard(ftfy.fix_text(text)))]
        return [vocabulary.get(piece, 0) for word in words for piece in bpe(word)]

    return encode


def test_bert_ids_equal_transformers_on_a_thousand_varied_sentences(
    trained: BpeTokenizer, tmp_path: Path
) -> None:
    vocabulary, merges = parts(trained, tmp_path)
    theirs = OpenAIGPTTokenizer(vocab=vocabulary, merges=[tuple(pair) for pair in merges])
    texts = [*sentences(1000), "an <unk> token", "", " "]
    expected = [theirs(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert trained.with_splitting("bert").encode(texts) == expected


def test_openai_ids_equal_its_own_encoder_on_varied_sentences(
    trained: BpeTokenizer, tmp_path: Path
) -> None:
    vocabulary, merges = parts(trained, tmp_path)
    vocabulary["\n</w>"] = len(vocabulary)
    ours = BpeTokenizer.of(vocabulary, [(a, b) for a, b in merges], "openai")
    texts = [*sentences(300), "", "\n\n", ": ) a . m ."]
    reference = openai_encoder(vocabulary, merges)
    assert ours.encode(texts) == [reference(text) for text in texts]


def test_openai_splits_contractions_and_keeps_line_breaks() -> None:
    assert openai_words(["Don’t  stop—\nNOW!"]) == [["do", "n't", "stop", "-", "\n", "now", "!"]]


def test_a_backslash_is_left_alone_as_in_openais_pattern() -> None:
    assert standardize("a\\b c/d (e)") == "a\\b c / d ( e )"


def test_fast_keeps_accents_and_straightens_quotes_and_dashes(trained: BpeTokenizer) -> None:
    same = ["CAFÉ — “don’t”…", 'cafe\u0301 - "don\'t"...']
    first, second = trained.encode(same)
    assert first == second
    assert trained.encode(["café"]) != trained.encode(["cafe"])


def test_the_three_splittings_differ_on_a_contraction_with_an_accent(trained: BpeTokenizer) -> None:
    kinds = [trained.with_splitting(s) for s in ("fast", "bert", "openai")]
    assert len({tuple(kind.encode(["Zürich couldn't"])[0]) for kind in kinds}) == 3


def test_unknown_characters_become_id_zero(trained: BpeTokenizer) -> None:
    assert trained.encode(["ꙮ"]) == [[0]]


def test_the_separator_is_the_last_id_and_never_comes_from_text(trained: BpeTokenizer) -> None:
    assert trained.start == trained.vocab_size - 1
    assert trained.start not in trained.encode(["<eot> eot < eot >"])[0]


def test_training_learns_the_merges_asked_for_and_two_symbols_a_character() -> None:
    tokenizer = BpeTokenizer.train(["abcd abcd abce bcda dcba cdab"], merges=5)
    assert tokenizer.vocab_size == 1 + 2 * len("abcde") + 5 + 1


def test_training_keeps_the_most_frequent_characters() -> None:
    rare = "".join(chr(0x4E00 + i) for i in range(ALPHABET))
    tokenizer = BpeTokenizer.train(["ab " * 9 + rare], merges=2)
    assert 0 not in tokenizer.encode(["a b"])[0]
    assert tokenizer.encode([rare[-1]]) == [[0]]


def test_the_same_texts_train_the_same_tokenizer_even_from_an_iterator() -> None:
    texts = sentences(60)
    first = BpeTokenizer.train(texts, merges=200)
    assert first.digest == BpeTokenizer.train(iter(texts), merges=200).digest


@pytest.mark.parametrize("splitting", ["fast", "bert", "openai"])
def test_a_saved_tokenizer_loads_with_its_splitting(
    trained: BpeTokenizer, tmp_path: Path, splitting: module.Splitting
) -> None:
    saved = trained.with_splitting(splitting)
    saved.save(tmp_path)
    loaded = BpeTokenizer.load(tmp_path)
    assert (loaded.splitting, loaded.digest) == (splitting, saved.digest)
    assert loaded.encode(sentences(20)) == saved.encode(sentences(20))


def test_decoding_gives_lower_cased_words_back(trained: BpeTokenizer) -> None:
    ids = trained.encode(["The captain   couldn't say"])[0]
    assert trained.decode(ids) == "the captain couldn ' t say"


def test_an_empty_batch_has_no_ids(trained: BpeTokenizer) -> None:
    assert trained.encode([]) == trained.with_splitting("openai").encode([]) == []


def test_a_missing_extra_is_named(trained: BpeTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    module._english.cache_clear()
    with pytest.raises(ConfigError, match=r"needs ftfy.*pip install 'gpteval\[openai\]'"):
        trained.with_splitting("openai").encode(["text"])


def test_a_checkpoint_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no tokenizer\.json"):
        BpeTokenizer.load(tmp_path)


def test_a_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is no readable tokenizer"):
        BpeTokenizer.load(tmp_path)


def test_merges_outside_the_vocabulary_are_refused() -> None:
    with pytest.raises(CheckpointError, match="vocabulary and merges don't fit"):
        BpeTokenizer.of({"<unk>": 0, "a": 1, "b</w>": 2}, [("a", "c</w>")])
