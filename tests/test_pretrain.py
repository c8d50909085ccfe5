import json
import random

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from gpteval import BpeTokenizer, Compute, GptevalError, PretrainConfig, load_model
from gpteval.cli.pretrain import command
from gpteval.compute.device import resolve
from gpteval.corpus.documents import find_documents
from gpteval.corpus.tokens import encode_documents, open_tokens
from gpteval.errors import TrainingError, UnknownNameError
from gpteval.pretrain.bits_per_byte import Objective, bits_per_byte
from gpteval.pretrain.loop import TrainingLoop
from gpteval.pretrain.pretrain import pretrain
from gpteval.pretrain.pretraining import PASS_TOKENS, Pretraining
from gpteval.progress import Silent
from gpteval.upkeep import Upkeep
from gpteval_models.gpt import GPT, GPTConfig

PEOPLE = ("the captain", "a boy", "my aunt", "the old king", "nobody")
DEEDS = ("looked at the sea", "sold apples", "went home", "said nothing", "was glad of it")
SMALL = ["--context", "32", "--merges", "60", "--held-out", "1", "--batch-size", "2"]
SHORT = [*SMALL, "--updates", "6", "--warmup", "2", "--device", "cpu"]


def story(seed):
    """Some 3 KB in which the words depend on one another."""
    draw = random.Random(seed)
    deeds = (f"{draw.choice(PEOPLE)} {draw.choice(DEEDS)} ." for _ in range(100))
    return "\n".join(deeds)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    directory = tmp_path_factory.mktemp("corpus")
    for seed in range(3):
        (directory / f"{seed}.txt").write_text(story(seed), encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def output(corpus, tmp_path_factory):
    """What the command leaves after six updates of the preset `mini`."""
    directory = tmp_path_factory.mktemp("trained")
    arguments = [str(corpus), "--output", str(directory), *SHORT, "--evaluate", "3"]
    assert CliRunner().invoke(command, arguments, catch_exceptions=False).exit_code == 0
    return directory


@pytest.fixture
def training(corpus, tmp_path):
    """Two layers of width 32 about to learn."""
    paths = sorted(corpus.iterdir())
    tokenizer = BpeTokenizer.train([story(0)], merges=60)
    data = encode_documents(find_documents(paths[:2]), tokenizer, tmp_path / "train.tokens")
    held_out = encode_documents(find_documents(paths[2:]), tokenizer, tmp_path / "held-out.tokens")
    config = PretrainConfig(context=32, batch_size=8, updates=150, warmup=15, lr=3e-3, dropout=0)
    torch.manual_seed(0)
    shape = GPTConfig(tokenizer.vocab_size, context=32, width=32, layers=2, heads=2, dropout=0)
    return Pretraining(Objective(GPT(shape)), data, held_out, config, resolve(Compute("cpu")))


def course(training, output, **upkeep):
    """The training with nothing to write but its curve and states."""
    return TrainingLoop(training, output, Upkeep(**upkeep), lambda *_: None, Silent())


def test_a_small_model_learns_more_than_word_frequencies(training, tmp_path):
    counts = np.bincount(training.data.tokens)
    shares = counts[counts > 0] / counts.sum()
    run = course(training, tmp_path)
    run.run()
    assert run.curve.points[-1]["loss"] < 0.5 * -(shares * np.log(shares)).sum()
    assert run.curve.points[-1]["bits_per_byte"] < 1


def test_the_curve_on_disk_is_the_curve(training, tmp_path):
    run = course(training, tmp_path)
    run.run()
    points = run.curve.points
    lines = (tmp_path / "curve.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == points
    assert points[-1]["tokens"] == 150 * 8 * 32
    assert max(point["lr"] for point in points) == training.config.lr


def test_splitting_a_batch_for_the_memory_changes_no_gradient(training, monkeypatch):
    start = {k: v.clone() for k, v in training.model.state_dict().items()}
    _, loss, norm = training.step()
    training.model.load_state_dict(start)
    training.update = 0
    monkeypatch.setitem(PASS_TOKENS, "cpu", 2 * training.config.context)
    _, split_loss, split_norm = training.step()
    assert (split_loss, split_norm) == pytest.approx((loss, norm), rel=1e-5)


def test_a_loss_that_is_no_number_stops_with_its_update(training):
    training.step()
    torch.nn.init.constant_(training.model.tokens, float("nan"))
    with pytest.raises(TrainingError, match=r"the loss is nan at update 2 of 150 \(token "):
        training.step()


def test_windows_are_runs_of_the_corpus(training):
    tokens = training.data.tokens.tolist()
    text = " ".join(map(str, tokens))
    for window in training.windows.read(training.windows.starts(1)).tolist():
        assert " ".join(map(str, window)) in text


def test_the_command_writes_a_checkpoint_that_loads_and_says_how_it_was_made(output):
    loaded = load_model(str(output / "model"))
    record = loaded.details["pretraining"]
    assert record["held_out"] == [
        d.name for d in open_tokens(output / "tokens/held-out.tokens").documents
    ]
    assert record["update"] == 6 and record["config"]["context"] == loaded.model.context == 32
    held_out = open_tokens(output / "tokens/held-out.tokens")
    measured = bits_per_byte(loaded.model, held_out, 32)
    assert measured == pytest.approx(record["bits_per_byte"], rel=1e-6)


def test_held_out_documents_are_measured_as_often_as_asked(output):
    points = [json.loads(line) for line in (output / "curve.jsonl").read_text().splitlines()]
    assert [p["update"] for p in points if "bits_per_byte" in p] == [3, 6]


def test_the_same_seed_gives_the_same_weights_from_the_given_tokenizer(corpus, output, tmp_path):
    arguments = [str(corpus), "--output", str(tmp_path), *SHORT, "--tokenizer", f"{output}/model"]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert load_model(f"{tmp_path}/model").digest == load_model(f"{output}/model").digest


def test_weights_can_be_stored_in_half_the_space(corpus, output, tmp_path):
    arguments = [str(corpus), "--output", str(tmp_path), *SHORT, "--weights", "bf16"]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    halves, wholes = (d / "model/model.safetensors" for d in (tmp_path, output))
    assert halves.stat().st_size < 0.51 * wholes.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--warmup", "6"], "--warmup 6 doesn't fit into --updates 6"),
        (["--held-out", "3"], "--held-out 3 leaves nothing to train on"),
        (["--context", "4096"], "tokens, fewer than a sequence of 4096"),
        (["--batch-size", "0"], "--batch-size is at least 1, not 0"),
        (["--dropout", "1"], "--dropout is below 1, not 1.0"),
        (["--tokenizer", "nowhere"], "nowhere has no tokenizer.json"),
        (["--device", "abacus"], "not 'abacus'"),
    ],
)
def test_a_mistake_is_one_clear_line(corpus, tmp_path, arguments, message):
    whole = [str(corpus), "--output", str(tmp_path / "out"), *SHORT, *arguments]
    error = CliRunner().invoke(command, whole).exception
    assert isinstance(error, GptevalError)
    assert message in str(error) and "\n" not in str(error)
    assert not (tmp_path / "out" / "model").exists()


def test_a_preset_that_nobody_has_is_told_with_the_nearest_name(corpus, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown preset 'minj'; did you mean 'mini'"):
        pretrain([corpus], tmp_path / "out", PretrainConfig(preset="minj"))
