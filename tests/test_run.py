"""The main path from text to results, with real rows, a real model and a real results directory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import gpteval
from gpteval import Compute, Result
from gpteval.errors import ConfigError, UnknownNameError
from gpteval.plugins import registry
from gpteval.records import Prediction
from gpteval.results.store import ResultStore
from gpteval.train import predict as predicting


@pytest.fixture
def settings(tiny_directory: Path, tmp_path: Path) -> dict[str, object]:
    return {
        "model": str(tiny_directory),
        "sample": True,
        "limit": 40,
        "results": tmp_path,
        "changes": {"epochs": 1},
        "compute": Compute(device="cpu"),
    }


def test_a_run_leaves_results_and_predictions(settings: dict[str, object], tmp_path: Path) -> None:
    (dev, test) = gpteval.run("sst2", **settings)
    assert (dev.split, test.split, test.n) == ("dev", "test", 40)
    assert (test.data.origin, test.recipe, test.seed) == ("sample", "sample", 0)
    assert test.config["epochs"] == 1
    lines = (tmp_path / test.predictions).read_text().splitlines()
    right = [json.loads(line)["label"] == json.loads(line)["prediction"] for line in lines]
    assert sum(right) / len(right) == pytest.approx(test.scores["accuracy"])


def test_every_task_runs(settings: dict[str, object]) -> None:
    results = gpteval.run("all", **settings)
    assert {result.task for result in results} == set(registry().tasks())
    assert not results.left_out
    for result in results:
        assert result.n <= 40
        assert set(result.baselines["majority"]) == set(result.scores)
        if result.interval is None:  # a correlation that a handful of 40 decides
            assert "matthews" in result.scores
        else:
            assert result.interval[0] <= result.interval[1]


def test_what_is_finished_is_not_run_again(settings: dict[str, object]) -> None:
    first = gpteval.run("cola", **settings)
    assert gpteval.run("cola", **settings) == first
    (_, other) = gpteval.run("cola", **settings | {"seeds": (1,)})
    assert other.key != first[1].key
    assert len(ResultStore(settings["results"]).read()) == 4


def test_a_state_that_a_kill_left_of_a_finished_run_is_removed(
    settings: dict[str, object], tmp_path: Path
) -> None:
    (_, found) = gpteval.run("cola", **settings)
    state = tmp_path / "unfinished" / f"{found.key[:16]}.safetensors"
    state.parent.mkdir(exist_ok=True)
    state.write_bytes(b"saved just before the end")
    assert gpteval.run("cola", **settings)[-1] == found
    assert not state.exists()


def test_the_same_seed_gives_the_same_result_but_for_times(
    settings: dict[str, object], tmp_path: Path
) -> None:
    def run_in(name: str) -> Result:
        found = gpteval.run("rte", **settings | {"results": tmp_path / name})[-1]
        measured = {"peak_memory_bytes": 0, "ceiling": 0, "utilisation": 0}
        return replace(found, seconds={}, time="", cost={**found.cost, **measured})

    first, second = run_in("a"), run_in("b")
    assert first == second
    texts = {(tmp_path / name / first.predictions).read_text() for name in ("a", "b")}
    assert len(texts) == 1


def test_breaking_nli_is_scored_with_the_model_fine_tuned_on_snli(
    settings: dict[str, object],
) -> None:
    (result,) = gpteval.run("breaking_nli", **settings)
    assert result.data.train_rows == 40
    assert "macro_f1" in result.scores
    assert any(name.startswith("accuracy/") for name in result.scores)


def test_choices_are_scored_with_a_model_of_another_task(settings: dict[str, object]) -> None:
    (result,) = gpteval.run("wsc273", **settings | {"limit": 8})
    assert (result.task, result.n) == ("wsc273", 8)


def test_a_setting_that_changes_is_on_record(settings: dict[str, object]) -> None:
    found = gpteval.run("wnli", **settings | {"changes": {"epochs": 1, "lm_weight": 0.0}})
    assert found[0].changed["lm_weight"] == 0.0
    assert "clip" not in found[0].changed


def test_answers_computed_apart_cost_more_and_score_the_same_without_dropout(
    settings: dict[str, object],
) -> None:
    shared = gpteval.run("race", **settings | {"limit": 16})[-1]
    changes = {"epochs": 1, "branches": "apart"}
    apart = gpteval.run("race", **settings | {"limit": 16, "changes": changes})[-1]
    assert apart.scores == shared.scores
    assert apart.changed["branches"] == "apart"
    assert "branches" not in shared.config
    assert apart.key != shared.key
    assert apart.cost["tokens"] > 1.5 * shared.cost["tokens"]


def test_mistakes_are_found_before_anything_is_written(
    settings: dict[str, object], tmp_path: Path
) -> None:
    with pytest.raises(UnknownNameError):
        gpteval.run("colaa", **settings)
    with pytest.raises(UnknownNameError, match="did you mean 'mini'"):
        gpteval.run("cola", **settings | {"model": "mimi"})
    with pytest.raises(ConfigError, match="exclude each other"):
        gpteval.run("cola", **settings | {"data_dir": "somewhere"})
    with pytest.raises(UnknownNameError, match="unknown setting 'lamda'"):
        gpteval.run("cola", **settings | {"changes": {"lamda": 1}})
    assert not list(tmp_path.iterdir())


def test_the_kept_weights_answers_on_dev_are_not_asked_for_again(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What chose the weights is what is written: one read of dev an epoch, and one of test."""
    read: list[str] = []
    real = predicting.predict

    def noted(*args: object, **options: object) -> list[Prediction]:
        read.append(str(options["title"]).split()[-1])
        return real(*args, **options)

    monkeypatch.setattr(predicting, "predict", noted)
    (dev, _) = gpteval.run("sst2", **settings | {"changes": {"epochs": 2, "lr": 0.01}})
    assert read == ["dev", "dev", "test"]
    assert dev.scores["accuracy"] == max(point["score"] for point in dev.history)
