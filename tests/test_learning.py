"""Learning is real: the bundled model learns the samples, and learns nothing from random labels."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from gpteval import Compute, Loaded, Result, load_model
from gpteval.methods.finetune import Finetune
from gpteval.methods.job import JobData
from gpteval.methods.run import plan
from gpteval.methods.session import Session
from gpteval.methods.settings import RunConfig
from gpteval.methods.unit import complete
from gpteval.plugins import registry
from gpteval.progress import Silent
from gpteval.results.store import ResultStore


@pytest.fixture(scope="module")
def mini() -> Loaded:
    return load_model("mini")


def fit(task: str, mini: Loaded, results: Path, *, shuffle: bool = False) -> Result:
    """Fine-tune on a sample as `gpteval run --sample` does, if need be with its labels shuffled."""
    config = RunConfig(tasks=(task,), sample=True, results=results, compute=Compute(device="cpu"))
    session = Session(config)
    (job,) = plan(registry().select([task]), session.origin)
    rows = job.read(session)
    if shuffle:
        for name in ((task, "train"), (task, "dev")):  # dev's choose the weights that are kept
            split = rows[name]
            labels = [row["label"] for row in split.rows]
            random.Random(1).shuffle(labels)
            mixed = [{**row, "label": label} for row, label in zip(split.rows, labels, strict=True)]
            rows[name] = replace(split, rows=tuple(mixed), digest="shuffled")
    unit = Finetune(JobData(job, rows, mini, None), config, 0, session)
    return complete(unit, ResultStore(results), Silent())[-1]


@pytest.mark.parametrize("task", ["sst2", "copa"])
def test_mini_beats_always_giving_the_most_frequent_answer(
    task: str, mini: Loaded, tmp_path: Path
) -> None:
    result = fit(task, mini, tmp_path)
    assert result.interval[0] > result.baselines["majority"]["accuracy"]


@pytest.mark.parametrize("task", ["sst2", "copa"])
def test_random_labels_teach_nothing(task: str, mini: Loaded, tmp_path: Path) -> None:
    result = fit(task, mini, tmp_path, shuffle=True)
    assert result.interval[0] <= result.baselines["random"]["accuracy"] <= result.interval[1] + 0.05
