"""`gpteval run --shard`: processes that split the weights make what one process makes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from conftest import TEXT
from processes import until
from test_huggingface import gpt2, write

from gpteval import BpeTokenizer, ConfigError, Result, read_tensors, run, save_checkpoint
from gpteval.cli.run import command
from gpteval.config import Sharing
from gpteval.results.store import ResultStore
from gpteval_models.lstm import LSTM, LSTMConfig

SETTINGS = ["--sample", "--device", "cpu", "--json", "--save-seconds", "0", "--lr", "1e-3"]
SETTINGS += ["--dropout", "0", "--classifier-dropout", "0"]
LONG = ["--tasks", "copa", "--limit", "5", "--batch-size", "5", "--epochs", "30"]
"""An update an epoch. The head of copa has one row, which only one process has a share of."""

in_proc = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")


def alone(results: Path, model: Path | str, *more: str) -> None:
    """A run in this process."""
    words = [*SETTINGS, "--model", str(model), "--results", str(results), *more]
    ended = CliRunner().invoke(command, words, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output


def started(
    results: Path,
    model: Path | str,
    *more: str,
    count: int = 2,
    program: Sequence[str] = ("-m", "gpteval"),
) -> subprocess.Popen[str]:
    """The same in several processes."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    words = [*torchrun, "--nproc-per-node", str(count), *program, "run", *SETTINGS, *more]
    words += ["--model", str(model), "--results", str(results)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def together(
    results: Path,
    model: Path | str,
    *more: str,
    count: int = 2,
    program: Sequence[str] = ("-m", "gpteval"),
) -> None:
    """The same in processes that each have a share of the weights."""
    with started(results, model, "--shard", *more, count=count, program=program) as process:
        _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told


def assert_alike(results: Path, expected: Path) -> None:
    """Keys, losses, scores and predictions are those of one process."""
    found, store = ResultStore(results), ResultStore(expected)
    assert found.read()
    for ours, theirs in zip(found.read(), store.read(), strict=True):
        assert (ours.key, ours.split) == (theirs.key, theirs.split)
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-5)
        assert losses(ours) == pytest.approx(losses(theirs), abs=1e-5)
        pairs = zip(found.read_predictions(ours), store.read_predictions(theirs), strict=True)
        for one, same in pairs:
            assert one.id == same.id
            assert one.prediction == pytest.approx(same.prediction, abs=1e-5)
            assert one.scores == pytest.approx(same.scores, abs=1e-5)


def losses(result: Result) -> list[float]:
    return [point["loss"] for point in result.history]


def assert_same_weights(directory: Path, expected: Path) -> None:
    files = sorted(expected.rglob("*.safetensors"))
    assert len(files) == 2
    for file in files:
        ours = read_tensors(directory / file.relative_to(expected))
        for name, tensor in read_tensors(file).items():
            # What changes no output has a gradient of rounding alone, which Adam makes large.
            idle = name.endswith(("qkv.bias", "c_attn.bias")) or tensor.numel() == 1
            if not idle:
                torch.testing.assert_close(ours[name], tensor, atol=1e-5, rtol=1e-5, msg=name)


def of_transformers(directory: Path) -> str:
    torch.manual_seed(0)
    return f"hf:{write(directory, gpt2())}"


def lstm(directory: Path) -> str:
    """A model without blocks: all weights are gathered together."""
    torch.manual_seed(0)
    tokenizer = BpeTokenizer.train([TEXT], merges=60)
    shape = LSTMConfig(tokenizer.vocab_size, context=64, width=32, units=40)
    save_checkpoint(directory, "lstm", LSTM(shape), tokenizer)
    return str(directory)


FEW = ["--limit", "8", "--batch-size", "3", "--epochs", "2"]
"""A batch of 3 leaves one of two processes with one example."""

TRAININGS = {
    "with the paper's recipe": ["--recipe", "paper", "--tasks", "mrpc,stsb", *FEW],
    "from the head down": ["--recipe", "ulmfit", "--tasks", "rte", *FEW],
    "with an adapter": ["--recipe", "paper", "--adapter", "lora", "--tasks", "cola", *FEW],
}


@pytest.mark.parametrize("words", TRAININGS.values(), ids=TRAININGS)
def test_two_processes_with_half_the_weights_train_as_one(
    words: list[str], tiny_directory: Path, tmp_path: Path
) -> None:
    assert_trained_alike(tmp_path, str(tiny_directory), words)


@pytest.mark.parametrize("made", [of_transformers, lstm])
def test_so_do_three_of_which_some_have_no_example(
    made: Callable[[Path], str], tmp_path: Path
) -> None:
    words = ["--recipe", "paper", "--tasks", "copa", *FEW, "--batch-size", "2"]
    assert_trained_alike(tmp_path, made(tmp_path / "model"), words, count=3)


def assert_trained_alike(place: Path, model: str, words: Sequence[str], count: int = 2) -> None:
    """Losses, scores, predictions and the models that are kept are those of one process."""
    alone(place / "one", model, *words, "--save-model", str(place / "a"))
    together(place / "two", model, *words, "--save-model", str(place / "b"), count=count)
    assert_alike(place / "two", place / "one")
    kept = [path.parent for path in (place / "a").rglob("head.safetensors")]
    assert kept
    for directory in kept:
        assert_same_weights(place / "b" / directory.relative_to(place / "a"), directory)


@pytest.fixture(scope="module")
def expected(tiny_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes."""
    results = tmp_path_factory.mktemp("alone")
    alone(results, tiny_directory, *LONG)
    return results


def killed(results: Path, model: Path, *more: str) -> None:
    """Start two processes and kill one when it has saved its training."""
    with started(results, model, *LONG, *more) as process:
        assert until(lambda: list((results / "unfinished").glob("*.safetensors")), process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        process.communicate(timeout=200)
    assert process.returncode != 0
    assert not ResultStore(results).read()


@in_proc
def test_a_killed_training_resumes_with_shares_and_without(
    tiny_directory: Path, tmp_path: Path, expected: Path
) -> None:
    killed(tmp_path / "first", tiny_directory, "--shard")
    for count in (2, 3):
        results = shutil.copytree(tmp_path / "first", tmp_path / f"of {count}")
        together(results, tiny_directory, *LONG, count=count)
        assert_alike(results, expected)
    alone(tmp_path / "first", tiny_directory, *LONG)
    assert_alike(tmp_path / "first", expected)


@in_proc
def test_shares_go_on_from_what_whole_weights_have_saved(
    tiny_directory: Path, tmp_path: Path, expected: Path
) -> None:
    killed(tmp_path, tiny_directory)
    together(tmp_path, tiny_directory, *LONG)
    assert_alike(tmp_path, expected)


SHORT_OF_MEMORY = """
import os, torch
from gpteval.cli.main import main
from gpteval.train.finetune import Finetuning
from gpteval_models.gpt import Block

def refused(gradient):
    raise torch.OutOfMemoryError

def forward(self, x, *rest):
    if os.environ["RANK"] == "1" and len(x) > int(os.environ["TOKENS"]):
        if os.environ["WHERE"] == "forward" and self.last:
            raise torch.OutOfMemoryError
        if os.environ["WHERE"] == "backward" and x.requires_grad:
            x.register_hook(refused)
    return plain(self, x, *rest)

def fit(self, *args):
    self.model.model.blocks[1].last, Block.forward = True, forward
    return begun(self, *args)

plain, begun, Block.last, Finetuning.fit = Block.forward, Finetuning.fit, False, fit
main()
"""
"""`gpteval` with a second process that has no memory for a pass of more than some tokens, once it
trains."""


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_where_memory_runs_out_in_one_process_all_make_smaller_passes(
    where: str,
    tiny_directory: Path,
    tmp_path: Path,
    expected: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "short.py").write_text(SHORT_OF_MEMORY)
    monkeypatch.setenv("WHERE", where)
    monkeypatch.setenv("TOKENS", "100")
    together(tmp_path / "runs", tiny_directory, *LONG, program=[str(tmp_path / "short.py")])
    assert_alike(tmp_path / "runs", expected)


def test_an_example_that_does_not_fit_ends_all_processes_with_one_line(
    tiny_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "short.py").write_text(SHORT_OF_MEMORY)
    monkeypatch.setenv("WHERE", "forward")
    monkeypatch.setenv("TOKENS", "75")
    program = [str(tmp_path / "short.py")]
    with started(tmp_path / "runs", tiny_directory, "--shard", *LONG, program=program) as process:
        _, told = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "alone does not fit in memory" in told


def test_weights_can_not_be_split_without_torchrun() -> None:
    with pytest.raises(ConfigError, match="start it with torchrun"):
        run("copa", sample=True, compute=Sharing("cpu", shard=True))


def test_nor_where_each_unit_has_a_process_of_its_own(tmp_path: Path) -> None:
    words = ["--sample", "--tasks", "copa", "--shard", "--launch", "local:2"]
    with pytest.raises(ConfigError, match="each unit has a process of its own"):
        CliRunner().invoke(command, [*words, "--results", str(tmp_path)], catch_exceptions=False)
    assert not list(tmp_path.iterdir())
