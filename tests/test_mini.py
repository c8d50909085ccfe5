"""The bundled model: small, loadable, and really trained."""

import re
from pathlib import Path

import pytest
import torch

import gpteval_models
from gpteval import load_model
from gpteval.corpus.documents import find_documents
from gpteval.corpus.tokens import encode_documents
from gpteval.plugins import registry
from gpteval.pretrain.bits_per_byte import bits_per_byte

MINI = Path(gpteval_models.__file__).parent / "mini"
TEXT = """The old captain came down to the harbour early in the morning, before the boys who sold
apples had opened their stalls. He had slept badly, and he was in no mood to talk. "Good morning,
sir," said the youngest of them. "Will there be wind enough to sail?" The captain looked at the
sky for a long while. "There will be more than enough," he answered at last, "and you will be glad
that you stayed at home." Then he took an apple, paid for it, and walked slowly to his ship.
"""


@pytest.fixture(scope="module")
def mini():
    return load_model("mini")


@pytest.fixture(scope="module")
def text(mini, tmp_path_factory):
    directory = tmp_path_factory.mktemp("text")
    (directory / "harbour.txt").write_text(TEXT, encoding="utf-8")
    return encode_documents(find_documents([directory]), mini.tokenizer, directory / "all.tokens")


def test_it_fits_in_six_megabytes():
    assert sum(path.stat().st_size for path in MINI.iterdir()) <= 6_000_000


def test_it_has_gpt1s_context_and_about_eight_thousand_merges(mini):
    assert mini.model.context == 512
    assert 8000 <= mini.tokenizer.vocab_size <= 8600


def test_it_predicts_english_far_better_than_random_weights(mini, text):
    torch.manual_seed(0)
    random = registry().models()["gpt"].build(mini.model.config())
    trained = bits_per_byte(mini.model, text, 512)
    assert trained < 2.2
    assert trained < 0.75 * bits_per_byte(random, text, 512)


def test_it_prefers_english_to_its_words_in_disorder(mini, tmp_path):
    def bits(name, words):
        (tmp_path / name).write_text(" ".join(words), encoding="utf-8")
        corpus = find_documents([tmp_path / name])
        return encode_documents(corpus, mini.tokenizer, tmp_path / f"{name}.tokens")

    words = TEXT.split()
    disorder = bits_per_byte(mini.model, bits("b.txt", sorted(words)), 512)
    assert bits_per_byte(mini.model, bits("a.txt", words), 512) < disorder - 0.3


def test_its_card_states_the_measured_figures(mini):
    card, made = (MINI / "README.md").read_text("utf-8"), mini.details["pretraining"]
    assert f"{made['bits_per_byte']:.3f}" in card
    assert f"{made['tokens']:,}" in card and made["commit"] in card
    assert all(name in card for name in made["held_out"])
    assert not re.search(r"/(work|root|home|tmp)/", card)
