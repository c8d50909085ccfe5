"""A run that is killed resumes where it stopped and ends with the uninterrupted run's results."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from killing import differences
from processes import until

import gpteval
from gpteval.errors import CheckpointError
from gpteval.methods.finetune import Finetune
from gpteval.train.optimiser import adamw
from gpteval.train.state import Cadence, load_state, save_state


def command(model: Path, results: Path) -> list[str]:
    arguments = ["--tasks", "sst2,cola", "--sample", "--model", str(model), "--device", "cpu"]
    arguments += ["--results", str(results), "--save-seconds", "0", "--epochs", "2"]
    return [sys.executable, "-m", "gpteval", "run", *arguments, "--dropout", "0.1", "--json"]


def unfinished(results: Path) -> list[Path]:
    return list((results / "unfinished").glob("*.safetensors"))


def test_a_run_killed_at_random_moments_ends_with_the_same_results(
    tiny_directory: Path, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(tiny_directory, whole), check=True, capture_output=True)
    moments, kills = random.Random(1), 0
    while kills < 4:
        with subprocess.Popen(
            command(tiny_directory, broken), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            until(lambda: unfinished(broken), process)
            time.sleep(moments.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
        if process.returncode != -signal.SIGKILL:
            break
        kills += 1
    assert kills >= 2
    last = subprocess.run(command(tiny_directory, broken), check=True, capture_output=True)
    assert len(last.stdout.splitlines()) == 4
    assert differences(broken, whole) == []
    assert not unfinished(broken)


def test_what_a_saved_state_has_counted_is_not_counted_again(
    tiny_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted when all is trained and scored, and only the results are not written."""
    settings = {"model": str(tiny_directory), "sample": True, "limit": 40, "save_seconds": 0.0}
    whole, *_ = gpteval.run("rte", results=tmp_path / "whole", **settings)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Cadence, "due", True)  # a state after the last score
        patch.setattr(Finetune, "_account", interrupted)
        with pytest.raises(KeyboardInterrupt):
            gpteval.run("rte", results=tmp_path / "broken", **settings)
    resumed, *_ = gpteval.run("rte", results=tmp_path / "broken", **settings)
    counts = {name for name in whole.cost if "flops" in name or "tokens" in name}
    assert counts and {n: resumed.cost[n] for n in counts} == {n: whole.cost[n] for n in counts}


def interruptible() -> None:
    """What a shell starts in the background ignores interrupts, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_with_one_line_that_says_how_to_go_on(
    tiny_directory: Path, tmp_path: Path
) -> None:
    with subprocess.Popen(
        command(tiny_directory, tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,  # noqa: PLW1509 (no threads here)
    ) as process:
        assert until(lambda: unfinished(tmp_path), process)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    said, _, again = errors.splitlines()[-1].rpartition(": ")
    assert said.endswith("the same command resumes where it stopped")
    assert shlex.split(again)[1:] == command(tiny_directory, tmp_path)[3:]
    assert "Traceback" not in errors


@pytest.mark.parametrize("bits", [32, 8])
def test_a_state_brings_back_weights_moments_and_randomness(tmp_path: Path, bits: int) -> None:
    if bits == 8:
        pytest.importorskip("bitsandbytes")

    def layer() -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
        model = torch.nn.Linear(100, 50)
        return model, adamw(model, 0.1, 0.01, bits=bits)

    def step(model: torch.nn.Linear, optimiser: torch.optim.Optimizer) -> None:
        model.zero_grad()
        model(torch.rand(1, 100)).square().sum().backward()
        optimiser.step()

    model, optimiser = layer()
    step(model, optimiser)
    kept = {"weight": torch.ones(50, 100), "bias": torch.zeros(50)}
    save_state(tmp_path / "s", model, optimiser, kept, {"update": 1})
    other, other_optimiser = layer()
    step(other, other_optimiser)
    best, facts = load_state(tmp_path / "s", other, other_optimiser)
    assert torch.equal(other.weight, model.weight)
    assert (facts, best["weight"].tolist()) == ({"update": 1}, [[1] * 100] * 50)
    step(other, other_optimiser)
    load_state(tmp_path / "s", *layer())  # torch's random state is that of the save again
    step(model, optimiser)
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(other.bias, model.bias)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_state_is_one_line(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "s").write_bytes(damage)
    model = torch.nn.Linear(3, 2)
    with pytest.raises(CheckpointError, match="delete it to start over"):
        load_state(tmp_path / "s", model, adamw(model, 0.1, 0.0))


def test_a_state_that_can_not_be_written_leaves_the_earlier_one(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    save_state(tmp_path / "s", model, adamw(model, 0.1, 0.0), {}, {"update": 1})
    with pytest.raises(Exception, match="can't be written"):
        save_state(tmp_path / "s" / "below", model, adamw(model, 0.1, 0.0), {}, {})
    assert json.loads(json.dumps(load_state(tmp_path / "s", model, adamw(model, 0.1, 0))[1]))
