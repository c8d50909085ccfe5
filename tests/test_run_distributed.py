"""`gpteval run` in several processes, started by torchrun, makes what one process makes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from processes import until

from gpteval import Result
from gpteval.cli.run import command
from gpteval.compute.processes import VARIABLES, launched, rank
from gpteval.results.store import ResultStore

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SETTINGS = ["--tasks", "copa", "--sample", "--device", "cpu", "--save-seconds", "0", "--json"]
SETTINGS += ["--dropout", "0", "--classifier-dropout", "0"]
SETTINGS += ["--limit", "5", "--batch-size", "5", "--epochs", "50"]
"""An update an epoch: the history on record has the loss of each. 5 examples don't halve."""

in_proc = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")


def alone(results: Path, model: Path, *more: str) -> None:
    """A run in this process."""
    words = [*SETTINGS, "--model", str(model), "--results", str(results), *more]
    CliRunner().invoke(command, words, catch_exceptions=False)


def started(
    results: Path, model: Path, *more: str, program: Sequence[str] = ("-m", "gpteval")
) -> subprocess.Popen[str]:
    """The same in two processes."""
    words = [*TORCHRUN, *program, "run", *SETTINGS, *more]
    words += ["--model", str(model), "--results", str(results)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.fixture(scope="module")
def expected(tiny_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> ResultStore:
    """What one process makes with two seeds."""
    results = tmp_path_factory.mktemp("alone")
    alone(results, tiny_directory, "--seeds", "2")
    return ResultStore(results)


def assert_alike(found: ResultStore, result: Result, expected: ResultStore, other: Result) -> None:
    """Losses, scores and predictions of one result are those of another."""
    assert (result.key, result.split, len(result.history)) == (other.key, other.split, 50)
    for name in ("loss", "score", "update"):
        ours, theirs = ([point[name] for point in r.history] for r in (result, other))
        assert ours == pytest.approx(theirs, rel=1e-5), name
    pairs = zip(found.read_predictions(result), expected.read_predictions(other), strict=True)
    for one, same in pairs:
        assert (one.id, one.prediction) == (same.id, same.prediction)
        assert one.scores == pytest.approx(same.scores, abs=1e-4)


@pytest.fixture(scope="module")
def killed(
    tiny_directory: Path, tmp_path_factory: pytest.TempPathFactory, expected: ResultStore
) -> Path:
    """Results of two processes that have the first seed from before; one died in the second."""
    results = tmp_path_factory.mktemp("killed")
    ResultStore(results).append(expected.read()[:2])
    with started(results, tiny_directory, "--seeds", "2") as process:
        assert until(lambda: list((results / "unfinished").glob("*.safetensors")), process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        process.communicate(timeout=200)
    assert process.returncode != 0
    assert len(ResultStore(results).read()) == 2
    return results


@in_proc
def test_two_processes_make_the_fifty_losses_of_one_though_one_is_killed_in_between(
    tiny_directory: Path, tmp_path: Path, expected: ResultStore, killed: Path
) -> None:
    found = ResultStore(shutil.copytree(killed, tmp_path / "results"))
    with started(found.directory, tiny_directory, "--seeds", "2") as process:
        printed, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    assert len(printed.splitlines()) == 4  # one process speaks
    assert told.count("seed 1: done in") == 1
    assert found.read()[:2] == expected.read()[:2]  # what was finished is not run again
    for result, other in zip(found.read()[2:], expected.read()[2:], strict=True):
        assert_alike(found, result, expected, other)
        assert (result.cost["processes"], other.cost["processes"]) == (2, 1)
        assert result.cost["train_flops"] == other.cost["train_flops"]
    assert result.history[-1]["loss"] < 0.9 * result.history[0]["loss"]


@in_proc
def test_one_process_goes_on_from_what_two_have_saved(
    tiny_directory: Path, tmp_path: Path, expected: ResultStore, killed: Path
) -> None:
    found = ResultStore(shutil.copytree(killed, tmp_path / "results"))
    alone(found.directory, tiny_directory, "--seeds", "2")
    for result, other in zip(found.read()[2:], expected.read()[2:], strict=True):
        assert_alike(found, result, expected, other)


def test_processes_end_whatever_would_go_wrong_at_the_interpreter_s_end(
    tiny_directory: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    lines = ["import atexit, os", "from gpteval.cli.main import main", "atexit.register(os.abort)"]
    script.write_text("\n".join([*lines, "main()"]))
    with started(tmp_path, tiny_directory, "--epochs", "1", program=[str(script)]) as process:
        printed, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    assert len(printed.splitlines()) == 2


def test_a_command_that_shares_nothing_is_done_once(tmp_path: Path) -> None:
    words = "-m gpteval zeroshot --tasks copa --sample --limit 8 --no-baselines --no-untrained"
    typed = [*TORCHRUN, *words.split(), "--results", str(tmp_path)]
    done = subprocess.run(typed, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("copa ")]
    assert rows.count(rows[0]) == 1
    assert len(ResultStore(tmp_path).read()) == 1


@pytest.mark.parametrize("name", VARIABLES)
def test_some_of_torchruns_variables_are_not_torchrun(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "1")
    assert (launched(), rank()) == (False, 0)
