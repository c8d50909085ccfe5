"""Prompts as token paths: where the scored tokens begin, what is cut, what is refused."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from gpteval import Candidate, DataError, Loaded, Prompt
from gpteval.encode.pieces import join
from gpteval.encode.prompts import encode_prompts
from gpteval_models.huggingface_tokenizer import HuggingFaceTokenizer

TEXT = "The captain of the old ship wasn't happy. A boy sold apples, pears and nuts at the gate."


def byte_level() -> HuggingFaceTokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    return HuggingFaceTokenizer(fast, len(fast))


def row(label: int = 0) -> dict[str, object]:
    return {"id": "r1", "label": label}


def test_the_paths_of_a_choice_are_start_context_continuation(tiny: Loaded) -> None:
    prompt = Prompt.choice(row(), "The captain", ("looked", "said nothing"))
    (encoded,) = encode_prompts([prompt], tiny.tokenizer, 64)
    context, one, two = tiny.tokenizer.encode(["The captain", "looked", "said nothing"])
    assert [path.tokens for path in encoded.paths] == [
        (tiny.tokenizer.start, *context, *ending) for ending in (one, two)
    ]
    assert {path.begin for path in encoded.paths} == {1 + len(context)}
    assert [path.size for path in encoded.paths] == [6, 12]
    assert [path.tokens for path in encoded.neutral] == [
        (tiny.tokenizer.start, *ending) for ending in (one, two)
    ]


def test_a_byte_level_continuation_keeps_its_blank() -> None:
    tokenizer = byte_level()
    prompts = [
        Prompt.choice(row(), context, (text,), passage=passage)
        for passage in ("", "A boy sold apples.")
        for context in ("The captain", "the old ship wasn't", "sold apples,")
        for text in ("happy.", "pears and nuts at the gate.", "wasn't")
    ]
    for prompt, encoded in zip(prompts, encode_prompts(prompts, tokenizer, 99), strict=True):
        (candidate,), (path,) = prompt.candidates, encoded.paths
        given = join(prompt.passage, candidate.context)
        whole, alone = tokenizer.encode([f"{given} {candidate.continuation}", given])
        assert (list(path.tokens), path.begin) == (whole, len(alone))


def test_a_mark_that_closes_stands_against_its_word() -> None:
    assert join("around the stage", ".") == "around the stage."
    assert join("because the shelf", '"is" high') == 'because the shelf "is" high'
    assert join("", "word") == "word"


def test_without_a_start_token_the_first_token_is_given() -> None:
    tokenizer = byte_level()
    prompt = Prompt("r1", (Candidate("", "The captain"),))
    (path,) = encode_prompts([prompt], tokenizer, 99)[0].paths
    assert (path.begin, list(path.tokens)) == (1, tokenizer.encode(["The captain"])[0])


def test_without_a_start_token_a_full_stop_goes_before_an_unconditional_text() -> None:
    tokenizer = byte_level()
    prompt = Prompt.choice(row(), "A boy", ("sold", "happy"))
    neutral = encode_prompts([prompt], tokenizer, 99)[0].neutral
    assert [tokenizer.decode(path.tokens) for path in neutral] == [". sold", ". happy"]
    assert {path.begin for path in neutral} == {1}


def test_a_passage_is_cut_at_its_end_and_the_question_stays_whole(tiny: Loaded) -> None:
    passage, question, answer = "the sea . " * 40, "who sold apples ?", "a boy"
    prompt = Prompt.choice(row(), question, (answer, "nobody"), passage=passage)
    one, two = encode_prompts([prompt], tiny.tokenizer, 32)[0].paths
    ids = tiny.tokenizer.encode([passage, question, answer])
    room = 32 + 1 - 1 - max(len(p.tokens) - p.begin for p in (one, two)) - len(ids[1])
    assert list(one.tokens) == [tiny.tokenizer.start, *ids[0][:room], *ids[1], *ids[2]]
    assert max(len(one.tokens), len(two.tokens)) == 33


def test_contexts_that_differ_need_no_neutral_text(tiny: Loaded) -> None:
    (encoded,) = encode_prompts(
        [Prompt.partial(row(), ("the boy", "the captain"), "was happy")], tiny.tokenizer, 64
    )
    assert encoded.neutral == ()
    (rest,) = tiny.tokenizer.encode(["was happy"])
    assert [list(path.tokens[path.begin :]) for path in encoded.paths] == [rest, rest]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (Prompt.choice(row(), "a", ("b", " ")), r"example r1: candidate 2 \(''\) has no token"),
        (Prompt.choice(row(), "a " * 80, ("b", "c")), "example r1: a candidate and its question"),
        (Prompt("r1", (Candidate("", "b " * 80),)), "longer than the 64 that the model reads"),
    ],
)
def test_a_candidate_that_can_not_be_scored_is_one_line(
    tiny: Loaded, prompt: Prompt, said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        encode_prompts([prompt], tiny.tokenizer, tiny.model.context)
    assert "\n" not in str(caught.value)


def test_candidates_that_are_the_same_to_the_model_are_told(tiny: Loaded) -> None:
    same, other = (
        Prompt.choice(row(), "a", ("The  boy", "the boy")),
        Prompt.choice(row(), "a", ("the boy", "a boy")),
    )
    assert [e.alike for e in encode_prompts([same, other], tiny.tokenizer, 64)] == [True, False]
