"""Examples to token trees, against figure 1 of the paper written out by hand."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from gpteval import Example, Loaded, Source, Split, Task
from gpteval.encode.examples import Specials, encode_examples, target
from gpteval.errors import DataError
from gpteval_models.huggingface_tokenizer import HuggingFaceTokenizer

SPECIALS = Specials(1000, 1001, 1002)
SOURCE = Source(hub="", columns=("text",), splits={"dev": Split(1, ("x.tsv",))})


def task(kind: str = "classify", **more: object) -> Task:
    settings = {"labels": ("no", "yes"), "metrics": ("accuracy",)} | more
    return Task("toy", 1, kind, SOURCE, example=lambda row: row, **settings)


def tokens(loaded: Loaded, example: Example, kind: str = "classify", context: int = 64):
    """Every sequence of an example as plain token ids."""
    (found,) = encode_examples([example], task(kind), loaded.tokenizer, SPECIALS, context)
    tree = found.tree
    return [[tree.tokens[i] for i in tree.path(end)] for end in tree.ends]


def ids(loaded: Loaded, text: str) -> list[int]:
    return loaded.tokenizer.encode([text])[0]


def test_a_single_text_stands_between_start_and_extract(tiny: Loaded) -> None:
    found = tokens(tiny, Example("1", (("the old ship",),), "no"))
    assert found == [[1000, *ids(tiny, "the old ship"), 1002]]


def test_a_pair_is_joined_by_the_delimiter(tiny: Loaded) -> None:
    found = tokens(tiny, Example("1", (("the sea", "a boy"),), "no"))
    assert found == [[1000, *ids(tiny, "the sea"), 1001, *ids(tiny, "a boy"), 1002]]


def test_similarity_reads_both_orders(tiny: Loaded) -> None:
    row = {"id": "1", "label": "no"}
    a, b = ids(tiny, "the sea"), ids(tiny, "a boy")
    found = tokens(tiny, Example.unordered(row, "the sea", "a boy"))
    assert found == [[1000, *a, 1001, *b, 1002], [1000, *b, 1001, *a, 1002]]


def test_context_and_question_have_no_delimiter_between_them(tiny: Loaded) -> None:
    row = {"id": "1", "label": 1}
    example = Example.choice(row, "who ?", ("a boy", "the sea"), context="the old ship")
    head = [1000, *ids(tiny, "the old ship"), *ids(tiny, "who ?"), 1001]
    answers = [ids(tiny, "a boy"), ids(tiny, "the sea")]
    assert tokens(tiny, example, "choose") == [[*head, *answer, 1002] for answer in answers]


def test_only_the_context_is_cut_when_that_is_enough(tiny: Loaded) -> None:
    row = {"id": "1", "label": 0}
    example = Example.choice(row, "who ?", ("a boy", "the sea"), context="the ship " * 40)
    found = tokens(tiny, example, "choose")
    assert [len(sequence) for sequence in found] == [64, 64]
    for sequence, answer in zip(found, ("a boy", "the sea"), strict=True):
        tail = [*ids(tiny, "who ?"), 1001, *ids(tiny, answer), 1002]
        assert sequence[-len(tail) :] == tail


def test_without_a_context_the_longest_segment_is_cut(tiny: Loaded) -> None:
    example = Example("1", (("the ship " * 60, "a boy"),), "no")
    (found,) = tokens(tiny, example)
    assert len(found) == 64
    assert found[-len(ids(tiny, "a boy")) - 2 :] == [1001, *ids(tiny, "a boy"), 1002]


def test_an_example_without_text_is_refused_by_its_id(tiny: Loaded) -> None:
    with pytest.raises(DataError, match="example 17 has no text"):
        tokens(tiny, Example("17", (("",),), "no"))


def test_a_label_becomes_a_target_by_name() -> None:
    assert target(task(), Example("1", (("x",),), "yes")) == (0.0, 1.0)
    assert target(task("choose"), Example("1", (("x",), ("y",), ("z",)), 2)) == (0, 0, 1)
    assert target(task(), Example("1", (("x",),), None)) == ()


@pytest.mark.parametrize("score", [0.0, 0.25, 3.8, 5.0])
def test_a_score_becomes_two_neighbours_with_its_mean(score: float) -> None:
    found = target(task("regress", scale=(0, 5)), Example("1", (("x",),), score))
    assert sum(found) == pytest.approx(1)
    assert sum(i * p for i, p in enumerate(found)) == pytest.approx(score)
    assert sum(p > 0 for p in found) <= 2


def test_an_unknown_label_or_score_is_refused() -> None:
    with pytest.raises(DataError, match="label 'maybe', expected one of no, yes"):
        target(task(), Example("1", (("x",),), "maybe"))
    with pytest.raises(DataError, match=r"score 5\.5, expected 0 to 5"):
        target(task("regress", scale=(0, 5)), Example("1", (("x",),), 5.5))


def byte_level() -> HuggingFaceTokenizer:
    """One that keeps the blank before a word at the word's beginning, as GPT-2's."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    texts = ["the old ship . What is it ? a boy the sea"] * 50
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(texts, trainer)
    transformers = pytest.importorskip("transformers")
    return HuggingFaceTokenizer(transformers.PreTrainedTokenizerFast(tokenizer_object=made), 400)


def test_a_byte_level_encoding_has_the_blank_between_context_and_question() -> None:
    tokenizer = byte_level()
    row = {"id": "1", "label": 0}
    example = Example.choice(row, "What is it ?", ("a boy",), context="the old ship")
    (encoded,) = encode_examples([example], None, tokenizer, Specials.after(500), 64)
    (sequence,) = [encoded.tree.path(end) for end in encoded.tree.ends]
    read = [encoded.tree.tokens[place] for place in sequence]
    (text,) = tokenizer.encode(["the old ship What is it ?"])
    (answer,) = tokenizer.encode(["a boy"])
    assert read == [500, *text, 501, *answer, 502]
