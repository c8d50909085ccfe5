"""The doctor finds a model whose numbers depend on what they are computed beside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_huggingface import gpt2, write
from torch import Tensor

from gpteval import Compute, Loaded, Trees, load_model
from gpteval.cli.doctor import command
from gpteval.compute.device import resolve
from gpteval.data.rows import load_split, origin
from gpteval.methods.settings import Subject
from gpteval.plugins import registry
from gpteval.progress import Silent
from gpteval.studies.doctor import ARRANGEMENTS, LIMIT, Change, Examined
from gpteval.studies.doctor import examined as ready_for
from gpteval_models.gpt import GPT

OPTIONS = ["--sample", "--limit", "12", "--device", "cpu"]


class Nosy(GPT):
    """A GPT whose states depend on how many tokens stand in the batch, as with wrong padding."""

    def hidden_at(self, trees: Trees, places: Tensor | None) -> Tensor:
        return super().hidden_at(trees, places) * (1 + len(trees.tokens) / 4096)


def examined(loaded: Loaded, name: str, precision: str = "fp32", limit: int = 12) -> list[Change]:
    task = registry().tasks()[name]
    rows = load_split(task, "test", origin(sample=True), limit)
    machine = resolve(Compute("cpu", precision))
    return list(Examined(task, rows, loaded, machine).changes(Silent()))


def test_no_arrangement_changes_more_than_rounding(roomy_directory: Path) -> None:
    subject = Subject(
        ("race", "sst2", "cola", "dpr"),
        model=str(roomy_directory),
        sample=True,
        limit=12,
        compute=Compute("cpu"),
    )
    ready, _ = ready_for(subject, Silent())
    found = [change for one in ready for change in one.changes(Silent())]
    assert len(found) == 4 * len(ARRANGEMENTS)
    assert all(change.sound and change.largest < LIMIT / 4 for change in found)
    assert {change.flipped for change in found} == {0}


def test_another_family_with_padded_rows_is_sound_too(tmp_path: Path) -> None:
    loaded = load_model(f"hf:{write(tmp_path / 'model', gpt2())}")
    assert all(change.sound for change in examined(loaded, "rocstories"))


def test_a_model_that_reads_its_neighbours_is_found(roomy_directory: Path) -> None:
    loaded = load_model(str(roomy_directory))
    loaded.model.__class__ = Nosy
    found = {change.arrangement: change for change in examined(loaded, "rocstories")}
    assert not any(change.sound for change in found.values())
    largest = {name: change.largest for name, change in found.items()}
    assert largest["sequences, 8,192 tokens"] > largest["trees, alone"]


def test_predictions_that_flip_are_counted(roomy_directory: Path) -> None:
    loaded = load_model(str(roomy_directory))
    loaded.model.__class__ = Nosy
    changes = examined(loaded, "cola", limit=100)
    (batched,) = [c for c in changes if c.arrangement == "trees, 8,192 tokens"]
    assert batched.flipped > 0


def test_bf16_is_reported_and_not_judged(roomy_directory: Path) -> None:
    found = examined(load_model(str(roomy_directory)), "copa", "bf16")
    assert {change.precision for change in found} == {"bf16"}
    assert all(change.sound for change in found)


def test_the_command_prints_a_row_per_arrangement(roomy_directory: Path) -> None:
    options = ["--tasks", "copa", "--model", str(roomy_directory), *OPTIONS]
    found = CliRunner().invoke(command, options, catch_exceptions=False)
    assert found.exit_code == 0
    assert all(arrangement.name in found.stdout for arrangement in ARRANGEMENTS)
    lines = CliRunner().invoke(command, [*options, "--json"]).stdout.splitlines()
    assert [json.loads(line)["flipped"] for line in lines] == [0] * len(ARRANGEMENTS)


@pytest.mark.parametrize("largest", [2e-4, 5e-5])
def test_the_limit_is_of_fp32(largest: float) -> None:
    change = Change("copa", "test", 1, "trees, alone", "fp32", largest, 0)
    assert change.sound == (largest < LIMIT)
