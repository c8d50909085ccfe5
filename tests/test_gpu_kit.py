"""The stages of `benchmarks/gpu/kit.py`, each at small size on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_huggingface import llama, write

KIT = Path(__file__).parents[1] / "benchmarks" / "gpu" / "kit.py"


def kit(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "parcel").mkdir(exist_ok=True)
    where = ["--parcel", str(directory / "parcel"), "--output", str(directory / "out")]
    small = ["--device", "cpu", "--small", "--workers", "1", "--seconds", "500"]
    command = [sys.executable, str(KIT), *where, *small, *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("ceiling", "TFLOP/s"),
        ("steps", "tokens/s"),
        ("scoring", "prompts/s"),
        ("pretrain", "trainer"),
        ("profile", "ms a step"),
        ("zeroshot", "race"),
    ],
)
def test_a_stage_runs_on_the_cpu(tmp_path: Path, stage: str, said: str) -> None:
    done = kit(tmp_path, "--stages", stage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in (tmp_path / "out" / f"{stage}.log").read_text()


def test_the_same_rows_are_learnt_in_a_plain_loop(tmp_path: Path) -> None:
    write(tmp_path / "model", llama())
    script = [sys.executable, str(KIT.parent / "plain.py"), "--model", f"hf:{tmp_path / 'model'}"]
    options = ["--small", "--device", "cpu", "--epochs", "2", "--tasks", "cola,copa"]
    done = subprocess.run([*script, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["task"], line["epoch"]) for line in said] == [
        ("cola", 1), ("cola", 2), ("copa", 1), ("copa", 2),
    ]  # fmt: skip


def test_the_grid_names_its_best_and_a_second_call_runs_nothing_again(tmp_path: Path) -> None:
    assert not kit(tmp_path, "--stages", "grid").returncode
    chosen = json.loads((tmp_path / "out" / "chosen.json").read_text())
    assert set(chosen["chosen"]) == {"lr", "lm_weight"}
    assert len(chosen["development"]) == 4
    records = tmp_path / "out" / "grid" / "records.jsonl"
    before = records.read_bytes()
    assert not kit(tmp_path, "--stages", "grid").returncode
    assert records.read_bytes() == before


def test_a_stage_that_fails_is_told_and_the_next_one_runs(tmp_path: Path) -> None:
    done = kit(tmp_path, "--stages", "tasks,ceiling", "--plan", "no-such-plan")
    assert done.returncode == 1
    lines = [json.loads(line) for line in (tmp_path / "out" / "summary.jsonl").open()]
    assert [line["exit"] == 0 for line in lines] == [False, True]
