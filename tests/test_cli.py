"""The command line as a user meets it: help that teaches, errors of one line with exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def gpteval(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gpteval", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["run", "--tasks", "rtee", "--sample"],
            "unknown task or group 'rtee'; did you mean 'rte'",
        ),
        (["run", "--tasks", "", "--sample"], "it is empty"),
        (["run", "--tasks", "rte", "--sample", "--model", "minni"], "did you mean 'mini'?"),
        (["run", "--tasks", "rte", "--sample", "--model", "/nowhere"], "unknown model '/nowhere'"),
        (["run", "--tasks", "rte", "--sample", "--data-dir", "x"], "exclude each other"),
        (["run", "--tasks", "rte", "--sample", "--device", "tpu"], "device is cuda, mps, cpu or"),
        (
            ["run", "--tasks", "rte", "--sample", "--precision", "fp8"],
            "'fp8' is not one of 'auto'",
        ),
        (["run", "--tasks", "rte", "--sample", "--epochs", "0"], "--epochs is at least 1, not 0"),
        (["tasks", "show", "colla"], "did you mean 'cola'?"),
        (["leaderboard", "nowhere"], "no results in nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = gpteval(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_directory_without_the_set_lists_what_was_expected(tmp_path: Path) -> None:
    done = gpteval("run", "--tasks", "rte", "--data-dir", str(tmp_path), "--model", "mini")
    assert done.returncode == 2
    assert "expected glue/RTE/train.tsv" in done.stderr
    assert "--sample" in done.stderr


def test_an_unknown_command_names_the_nearest() -> None:
    done = gpteval("leaderbord")
    assert done.returncode == 2
    assert "Did you mean 'leaderboard'?" in done.stderr


@pytest.mark.parametrize(
    "command", ["run", "pretrain", "leaderboard", "tasks", "models", "plugins", "data"]
)
def test_every_command_explains_itself(command: str) -> None:
    done = gpteval(command, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5


def test_tasks_are_listed_as_json_with_their_provenance() -> None:
    facts = map(json.loads, gpteval("tasks", "--json").stdout.splitlines())
    tasks = {task["name"]: task for task in facts}
    assert tasks["rte"]["splits"]["train"]["rows"] == 2490
    assert tasks["rte"]["paper"] == ["accuracy 56.0 on test [P t.2]"]
    assert tasks["breaking_nli"]["train_task"] == "snli"
    assert all(task["licence"] and task["citation"] for task in tasks.values())


def test_results_go_to_stdout_and_progress_to_stderr(tiny_directory: Path, tmp_path: Path) -> None:
    arguments = ["--tasks", "wnli", "--sample", "--limit", "32", "--epochs", "1", "--json"]
    done = gpteval("run", *arguments, "--model", str(tiny_directory), "--results", str(tmp_path))
    assert [json.loads(line)["split"] for line in done.stdout.splitlines()] == ["dev", "test"]
    assert "wnli: done in" in done.stderr
