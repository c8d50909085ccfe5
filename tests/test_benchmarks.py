"""The benchmarks run, in shapes small enough to say nothing of speed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


def run(script: str, *options: str, check: bool = True) -> str:
    command = [sys.executable, FOLDER / script, *options]
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def test_both_sides_of_fine_tuning_have_one_objective_and_are_timed() -> None:
    pytest.importorskip("transformers")
    small = ["--shape", "small", "--pairs", "1", "--threads", "1", "--batch", "2"]
    lines = run("finetune.py", *small).splitlines()
    cases = ["mnli x 2 fp32", "mnli x 2 bf16", "race x 2 fp32", "race x 2 bf16"]
    assert [line.partition(" ours")[0].strip() for line in lines] == cases
    assert all("x [" in line for line in lines)


def test_each_side_of_fine_tuning_runs_alone() -> None:
    pytest.importorskip("transformers")
    options = [
        "--shape",
        "small",
        "--pairs",
        "1",
        "--threads",
        "1",
        "--data",
        "race",
        "--batch",
        "1",
    ]
    (line,) = run("finetune.py", *options, "--precision", "fp32", "--alone").splitlines()
    assert line.endswith("of the memory")


def test_both_sides_of_scoring_agree_and_are_timed() -> None:
    pytest.importorskip("lm_eval", reason="needs lm-evaluation-harness: gpteval[bench]")
    pytest.importorskip("transformers")
    options = ["--shape", "small", "--pairs", "1", "--threads", "1", "--batch-size", "8"]
    # A likelihood in fp32 that differs is exit code 1.
    lines = run("zeroshot.py", *options, "--case", "race-question", "copa").splitlines()
    compared = [line for line in lines if "x [" in line]
    cases = ["race-question fp32", "race-question bf16", "copa fp32", "copa bf16"]
    assert [" ".join(line.split()[:2]) for line in compared] == cases


@pytest.mark.data
@pytest.mark.skipif("GPTEVAL_DATA" not in os.environ, reason="GPTEVAL_DATA names no real data")
def test_both_sides_of_scoring_minimal_pairs_agree_and_are_timed() -> None:
    pytest.importorskip("lm_eval", reason="needs lm-evaluation-harness: gpteval[bench]")
    pytest.importorskip("transformers")
    options = ["--shape", "small", "--rows", "1", "--pairs", "1", "--threads", "1"]
    # A likelihood in fp32 that differs is exit code 1.
    lines = run("blimp.py", *options, "--batch-size", "8").splitlines()
    assert lines[1].endswith(" 0 answers differ")
    assert lines[-1].endswith("of what the work allows")


def test_all_sides_of_pre_training_have_one_objective_and_are_timed() -> None:
    pytest.importorskip("accelerate", reason="transformers' Trainer needs it: gpteval[hf]")
    options = ["--shape", "small", "--rounds", "1", "--threads", "1", "--batch", "2"]
    lines = run("pretrain.py", *options, "--precision", "fp32").splitlines()
    assert [line.split()[0] for line in lines] == ["small", "ours", "nanogpt", "trainer"]
    assert [line.count("x [") for line in lines] == [0, 0, 1, 1]


def test_start_up_is_timed() -> None:
    # Its exit code says whether it was quick, which a busy machine decides.
    lines = run("startup.py", "--runs", "1", check=False).splitlines()
    assert [line.split("  ")[0] for line in lines[:2]] == ["gpteval --help", "gpteval tasks"]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_a_benchmark_imports_what_is_there(path: Path) -> None:
    """Some need a package that the tests do without: what they take from ours is looked up."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gpteval"):
            module = import_module(str(node.module))
            assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
