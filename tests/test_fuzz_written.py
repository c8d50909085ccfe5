"""Damaged files that gpteval wrote: made again, or refused in one line; never other numbers."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from damage import files, inputs
from hypothesis import given
from hypothesis import strategies as st
from test_fuzz import toy_training

from gpteval import BpeTokenizer, Compute, PretrainConfig, load_model
from gpteval.compute.device import resolve
from gpteval.corpus.prepare import prepare
from gpteval.encode import cache
from gpteval.errors import CheckpointError, GptevalError
from gpteval.pretrain.bits_per_byte import Objective
from gpteval.pretrain.loop import TrainingLoop
from gpteval.pretrain.pretraining import Pretraining
from gpteval.progress import Silent
from gpteval.upkeep import Reading, Upkeep
from gpteval_models.gpt import GPT, GPTConfig

WORDS = "the a captain boy ship sea saw sold old and was glad of apples . home went".split()
CONFIG = PretrainConfig(context=16, batch_size=2, updates=6, warmup=2, held_out=1, merges=20)
TIMES = {"seconds", "utilisation"}
TEXTS = [f"{word} {number}" for number in range(100) for word in WORDS]


def unchanged(action: Callable[[], object], expected: object) -> None:
    """It gives what it gave before, or says in one line why not."""
    try:
        assert action() == expected
    except GptevalError as error:
        assert len(str(error).splitlines()) == 1


def with_damage(
    directory: Path, data: st.DataObject, action: Callable[[Path], object], expected: object
) -> None:
    """A copy of a directory in which one file, any, is damaged."""
    names = sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())
    with TemporaryDirectory() as root:
        copy = Path(shutil.copytree(directory, Path(root, "copy")))
        path = copy / data.draw(st.sampled_from([n for n in names if not n.endswith(".lock")]))
        path.write_bytes(data.draw(files(path.read_bytes())))
        unchanged(lambda: action(copy), expected)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory, draw = tmp_path_factory.mktemp("corpus"), random.Random(0)
    for number in range(3):
        (directory / f"{number}.txt").write_text(" ".join(draw.choices(WORDS, k=200)))
    return directory


def encoded(corpus: Path, directory: Path) -> list[Any]:
    """Everything that is read of a corpus before training."""
    tokenizer, data, held_out = prepare([corpus], directory, CONFIG, Reading(), Silent())
    assert held_out
    survey = json.loads((directory / "survey.json").read_text())
    found = [[f.tokens.tolist(), list(f.documents), f.digest] for f in (data, held_out)]
    return [tokenizer.digest, survey["near_duplicates"], found]


@pytest.fixture(scope="module")
def tokens(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tokens")
    encoded(corpus, directory)
    return directory


@inputs(50)
@given(data=st.data())
def test_a_damaged_token_directory_is_made_again(
    corpus: Path, tokens: Path, data: st.DataObject
) -> None:
    expected = encoded(corpus, tokens)
    with_damage(tokens, data, lambda copy: encoded(corpus, copy), expected)


def trained(corpus: Path, tokens: Path, output: Path) -> list[Any]:
    """The weights and the curve of a pre-training, gone on with where `output` has a state."""
    tokenizer, read, held_out = prepare([corpus], tokens, CONFIG, Reading(), Silent())
    torch.manual_seed(0)
    model = GPT(GPTConfig(tokenizer.vocab_size, context=16, width=8, layers=1, heads=1))
    training = Pretraining(Objective(model), read, held_out, CONFIG, resolve(Compute("cpu")))
    upkeep = Upkeep(save_updates=2, keep=1)
    loop = TrainingLoop(training, output, upkeep, lambda *_: None, Silent())
    loop.run()
    lines = (output / "curve.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == loop.curve.points
    curve = [{k: v for k, v in p.items() if k not in TIMES} for p in loop.curve.points]
    return [curve, [p.tolist() for p in model.parameters()]]


@pytest.fixture(scope="module")
def pretraining(
    corpus: Path, tokens: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Any]]:
    """What a pre-training leaves before it lets go of its states, and its outcome."""
    output = tmp_path_factory.mktemp("pretraining")
    return output, trained(corpus, tokens, output)


@inputs(35)
@given(data=st.data())
def test_a_damaged_unfinished_pre_training_is_refused_or_unharmed(
    corpus: Path, tokens: Path, pretraining: tuple[Path, list[Any]], data: st.DataObject
) -> None:
    output, expected = pretraining
    with_damage(output, data, lambda copy: trained(corpus, tokens, copy), expected)


@inputs(30)
@given(data=st.data())
def test_a_damaged_token_cache_is_written_again(
    tiny_directory: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    tokenizer = BpeTokenizer.load(tiny_directory)
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("cache")
        patch.setenv("GPTEVAL_CACHE", str(directory))
        expected = cache.encode(tokenizer, TEXTS)

        def again(copy: Path) -> object:
            patch.setenv("GPTEVAL_CACHE", str(copy))
            return cache.encode(tokenizer, TEXTS)

        with_damage(directory, data, again, expected)


def weights(model: torch.nn.Module) -> list[Any]:
    return [p.tolist() for p in model.parameters()]


@pytest.fixture(scope="module")
def finetuning(
    tiny_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Any]]:
    """The directory of an unfinished fine-tuning's state, and its outcome."""
    directory = tmp_path_factory.mktemp("finetuning")
    return directory, weights(toy_training(tiny_directory, directory / "s.safetensors"))


@inputs(20)
@given(data=st.data())
def test_a_damaged_unfinished_fine_tuning_is_refused_or_unharmed(
    tiny_directory: Path, finetuning: tuple[Path, list[Any]], data: st.DataObject
) -> None:
    directory, expected = finetuning

    def again(copy: Path) -> object:
        return weights(toy_training(tiny_directory, copy / "s.safetensors"))

    with_damage(directory, data, again, expected)


@inputs(20)
@given(data=st.data())
def test_damaged_weights_of_a_checkpoint_are_refused(
    tiny_directory: Path, data: st.DataObject
) -> None:
    expected = load_model(str(tiny_directory)).digest
    with TemporaryDirectory() as root:
        copy = Path(shutil.copytree(tiny_directory, Path(root, "copy")))
        path = copy / "model.safetensors"
        path.write_bytes(data.draw(files(path.read_bytes())))
        unchanged(lambda: load_model(str(copy)).digest, expected)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99999])
def test_one_bit_of_a_weight_is_found(tiny_directory: Path, tmp_path: Path, share: float) -> None:
    copy = Path(shutil.copytree(tiny_directory, tmp_path / "copy"))
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[int(share * len(content))] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="is cut or damaged: its checksum is another"):
        load_model(str(copy))
