"""Several processes, started by torchrun, train what one process trains."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from official import write_cola
from processes import started, until

from gpteval import ConfigError, read_tensors
from gpteval.cli.pretrain import command
from gpteval.compute.device import Machine
from gpteval.compute.distributed import World, join

WORDS = "the a captain boy ship sea saw sold old and was glad of apples . home went".split()
SETTINGS = ["--context", "16", "--merges", "40", "--held-out", "2", "--batch-size", "5"]
SETTINGS += ["--updates", "50", "--warmup", "5", "--lr", "1e-3", "--device", "cpu"]
SETTINGS += ["--evaluate", "20", "--dropout", "0"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory, draw = tmp_path_factory.mktemp("corpus"), random.Random(0)
    for number in range(5):
        (directory / f"{number}.txt").write_text(" ".join(draw.choices(WORDS, k=400)))
    return directory


@pytest.fixture(scope="module")
def alone(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of it."""
    output = tmp_path_factory.mktemp("alone")
    trained(corpus, output)
    return output


def trained(corpus: Path, output: Path, *more: str) -> None:
    arguments = [str(corpus), "--output", str(output), *SETTINGS, *more]
    CliRunner().invoke(command, arguments, catch_exceptions=False)


def together(corpus: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The same in two processes."""
    started = [*TORCHRUN, "-m", "gpteval", "pretrain", str(corpus)]
    started += ["--output", str(output), *SETTINGS, *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        started, capture_output=True, text=True, env=environment, check=False, timeout=200
    )


def figures(output: Path, name: str) -> list[float]:
    lines = (output / "curve.jsonl").read_text().splitlines()
    return [point[name] for point in map(json.loads, lines) if name in point]


def assert_alike(output: Path, alone: Path) -> None:
    for name in ("update", "loss", "grad_norm", "bits_per_byte", "held_out_loss", "flops"):
        assert figures(output, name) == pytest.approx(figures(alone, name), rel=1e-5), name
    ours, theirs = (read_tensors(d / "model/model.safetensors") for d in (output, alone))
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-3, atol=1e-4)


def test_two_processes_make_the_curve_of_one(corpus: Path, alone: Path, tmp_path: Path) -> None:
    data = write_cola(tmp_path / "data")
    ended = together(corpus, tmp_path, "--watch", "cola", "--data-dir", str(data))
    assert ended.returncode == 0, ended.stderr
    assert len(figures(tmp_path, "loss")) == 50
    assert len(figures(tmp_path, "zero_shot")) == len(figures(alone, "bits_per_byte")) == 3
    assert_alike(tmp_path, alone)
    assert len(ended.stdout.splitlines()) == 1  # one process speaks
    assert ended.stderr.count("documents to train on") == 1


def test_sharded_weights_go_on_from_what_one_process_saved(
    corpus: Path, alone: Path, tmp_path: Path
) -> None:
    one = started(trained, corpus, tmp_path, "--save-updates", "20")
    assert until((tmp_path / "unfinished/update-00000020.safetensors").exists, one)
    one.kill()
    one.join()
    ended = together(corpus, tmp_path, "--shard", "--save-updates", "15", "--snapshots", "1")
    assert "resumes after update" in ended.stderr
    assert ended.returncode == 0, ended.stderr
    assert_alike(tmp_path, alone)
    kept = read_tensors(tmp_path / "checkpoints/update-00000050/model.safetensors")
    final = read_tensors(tmp_path / "model/model.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in final.items())


def test_weights_can_not_be_shared_out_without_torchrun() -> None:
    with pytest.raises(ConfigError, match="start it with torchrun"):
        join(Machine(torch.device("cpu"), "fp32"), shard=True)


def test_every_process_draws_its_own_masks() -> None:
    drawn = []
    for rank in (0, 1, 0):
        World(rank, 2).seed(7, 3)
        drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[2] != drawn[1]
