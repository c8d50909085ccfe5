"""The gate from training to exit code: real runs of samples with three seeds, intact and faulty."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import gpteval
from gpteval import BpeTokenizer, Compute, save_checkpoint
from gpteval.cli.bless import command as bless
from gpteval.cli.check import command as check
from gpteval.encode import batching
from gpteval.encode.batch import Batch
from gpteval.plugins import registry
from gpteval.train import gradients, predict
from gpteval.train.head import TaskModel
from gpteval_models.gpt import GPT, GPTConfig

SAMPLES = Path(__file__).parent.parent / "tasks" / "samples"
TASKS = ("sst2", "snli")
"""Of their samples one layer without pre-training learns much, in half a second."""
SETTINGS = {"epochs": 4, "lr": 0.01, "lm_weight": 0.0, "batch_size": 16}
SPLITS = {f"{task} {split}" for task in TASKS for split in ("dev", "test")}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that knows the words of the samples, and a baseline of its results."""
    place = tmp_path_factory.mktemp("gate")
    lines = [line for t in TASKS for line in (SAMPLES / t / "train.jsonl").read_text().splitlines()]
    texts = [" ".join(map(str, json.loads(line).values())) for line in lines]
    tokenizer = BpeTokenizer.train(texts, merges=800)
    torch.manual_seed(0)
    shape = GPTConfig(tokenizer.vocab_size, context=64, width=48, layers=1, heads=2)
    save_checkpoint(place / "model", "gpt", GPT(shape), tokenizer)
    run(place, "main")
    CliRunner().invoke(bless, [str(place / "main"), "--output", str(place / "baseline.json")],
                       standalone_mode=False, catch_exceptions=False)  # fmt: skip
    return place


def run(root: Path, results: str, *, tasks: tuple[str, ...] = TASKS, **settings: Any) -> None:
    """Fine-tune and score the samples."""
    changes = SETTINGS | settings.pop("changes", {})
    given = {"model": str(root / "model"), "sample": True, "seeds": (0, 1, 2)} | settings
    gpteval.run(tasks, results=root / results, changes=changes, compute=Compute("cpu"), **given)


def verdicts(root: Path, results: str, *words: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code of a check, and task and split → verdict and reason."""
    asked = [root / results, "--baseline", root / "baseline.json", "--format", "json", *words]
    found = CliRunner().invoke(check, [str(word) for word in asked],
                               standalone_mode=False, catch_exceptions=False)  # fmt: skip
    rows = map(json.loads, found.stdout.splitlines())
    return found.return_value, {
        f"{row['task']} {row['split']}": (row["verdict"], row["reason"]) for row in rows
    }


def regressed(told: dict[str, tuple[str, str]]) -> set[str]:
    return {place for place, (word, _) in told.items() if word == "REGRESSED"}


def test_batches_that_are_split_otherwise_pass(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gradients.TRAINING_TOKENS, "cpu", 200)
    monkeypatch.setattr(predict, "SCORING_TOKENS", 200)
    run(root, "split")
    code, told = verdicts(root, "split")
    assert (code, set(told), regressed(told)) == (0, SPLITS, set())


def test_thirty_times_the_learning_rate_is_another_recipe_and_where_that_is_allowed_a_regression(
    root: Path,
) -> None:
    run(root, "hasty", tasks=("sst2",), changes={"lr": 30 * SETTINGS["lr"]})
    code, told = verdicts(root, "hasty", "--tasks", "sst2")
    assert code == 4
    for word, reason in told.values():
        assert word == "INCOMPARABLE"
        assert reason.startswith("recipe: sample lr=0.01 and sample lr=0.3")
    code, told = verdicts(root, "hasty", "--tasks", "sst2", "--allow", "recipe")
    assert (code, regressed(told)) == (1, {"sst2 dev", "sst2 test"})


def test_labels_that_training_swaps_in_one_task_are_found_in_that_task(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = TaskModel.losses

    def swapped(self: TaskModel, batch: Batch, weight: float) -> Any:
        mixed = replace(batch, targets=batch.targets.flip(1)) if self.task.name == "sst2" else batch
        return losses(self, mixed, weight)

    monkeypatch.setattr(TaskModel, "losses", swapped)
    run(root, "swapped")
    code, told = verdicts(root, "swapped")
    assert (code, regressed(told)) == (1, {"sst2 dev", "sst2 test"})
    assert {told[f"snli {split}"][0] for split in ("dev", "test")} == {"HELD"}


def test_the_state_of_the_token_after_the_extract_token_is_found_in_every_task(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the next sequence's start token, which has read nothing."""

    def shifted(pack: Callable[..., Batch]) -> Callable[..., Batch]:
        def packed(*given: Any, **settings: Any) -> Batch:
            batch = pack(*given, **settings)
            return replace(batch, ends=(batch.ends + 1) % len(batch.trees.tokens))

        return packed

    for user in (batching, predict):
        monkeypatch.setattr(user, "pack", shifted(user.pack))
    run(root, "shifted")
    code, told = verdicts(root, "shifted")
    assert (code, regressed(told)) == (1, SPLITS)


def test_other_rows_are_not_comparable(root: Path) -> None:
    run(root, "fewer", tasks=("sst2",), seeds=(0,), limit=64)
    code, told = verdicts(root, "fewer", "--tasks", "sst2")
    assert code == 4
    assert all(reason.startswith("data: ") for _, reason in told.values())


def test_another_version_of_a_task_is_not_comparable(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = registry().tasks()
    newer["sst2"] = replace(newer["sst2"], version=newer["sst2"].version + 1)
    monkeypatch.setattr(registry(), "tasks", lambda: newer)
    run(root, "newer", tasks=(newer["sst2"],), seeds=(0,), limit=64)
    code, told = verdicts(root, "newer", "--tasks", "sst2")
    assert code == 4
    assert all(reason.startswith("version: 1 and 2") for _, reason in told.values())
