"""A tokenizer without a token for what it does not know fails in one line, with the row's place."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from official import write
from test_huggingface import llama
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gpteval import CheckpointError, load_model
from gpteval.cli.main import cli

WORDS = ["<s>", "the", "cat", "sat", "very", "negative", "positive", "dog"]
LETTERS = sorted(set("".join(WORDS[1:])))
MODELS = {
    "words": models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"),
    "pieces": models.Unigram([("<s>", 0.0), *((letter, -1.0) for letter in LETTERS)]),
}
"""Neither has the token that it wants in place of an unknown one."""
ROWS = "sentence\tlabel\nthe cat sat\t0\nthe zebra sat\t1\n"


def saved(place: Path, model: models.Model) -> Path:
    """A model of transformers with that tokenizer."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    lm = llama()
    lm.resize_token_embeddings(32)
    lm.save_pretrained(place)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>").save_pretrained(place)
    return place


@pytest.mark.parametrize("command", ["run", "zeroshot", "doctor"])
@pytest.mark.parametrize("kind", MODELS)
def test_a_word_that_a_tokenizer_cant_read_is_told_with_its_row(
    tmp_path: Path, kind: str, command: str
) -> None:
    for split in ("train", "dev"):
        write(tmp_path, f"data/glue/SST-2/{split}.tsv", ROWS)
    words = [command, "--tasks", "sst2", "--data-dir", str(tmp_path / "data")]
    words += ["--model", f"hf:{saved(tmp_path / 'model', MODELS[kind])}"]
    words += [] if command == "doctor" else ["--results", str(tmp_path / "results")]
    done = CliRunner().invoke(cli, words)
    said = str(done.exception)
    assert "\n" not in said
    assert said.startswith(f"{tmp_path}/data/glue/SST-2/")
    assert ".tsv:3: sst2 " in said
    assert "tokenizer can't read 'zebra'" in said


def test_a_tokenizer_that_lacks_the_letter_a_loads_and_reads_what_it_knows(tmp_path: Path) -> None:
    loaded = load_model(f"hf:{saved(tmp_path, MODELS['words'])}")
    assert loaded.tokenizer.encode(["the cat"]) == [[1, 2]]


def test_a_tokenizer_that_reads_nothing_is_refused_at_loading(tmp_path: Path) -> None:
    nothing = models.WordLevel({"a b": 0, "c d": 1}, unk_token="<unk>")
    with pytest.raises(CheckpointError, match="gives no ids") as caught:
        load_model(f"hf:{saved(tmp_path, nothing)}")
    assert "\n" not in str(caught.value)
