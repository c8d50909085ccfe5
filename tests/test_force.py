"""What is finished is measured again where that is asked for, and replaced; never twice or lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gpteval
from gpteval import Compute, Result
from gpteval.progress import Silent
from gpteval.results.store import ResultStore
from gpteval.studies.rescore import faults

CPU = Compute(device="cpu")
RUN = {"changes": {"epochs": 2}, "save_seconds": 0, "compute": CPU}
WAYS = {
    "run": (gpteval.run, "cola", RUN),
    "zeroshot": (gpteval.score_zeroshot, "cola", {"compute": CPU, "untrained": False}),
    "baselines": (gpteval.score_baselines, "cola,race", {}),
}


class Told(Silent):
    """Notes what begins, and how much of it was done before; stops the work where it is told to."""

    def __init__(self, stop_at: str = "") -> None:
        self.begun: list[tuple[str, int]] = []
        self.stop_at = stop_at

    def begin(self, what: str, total: int, done: int = 0) -> None:
        self.begun.append((what, done))

    def advance(self, steps: int, note: str = "") -> None:
        if self.stop_at and self.stop_at in self.begun[-1][0]:
            raise KeyboardInterrupt


def measure(way: str, model: Path, place: Path, told: Told, **more: Any) -> list[Result]:
    function, tasks, settings = WAYS[way]
    named = {} if way == "baselines" else {"model": str(model)}
    given = {"sample": True, "limit": 24, "results": place, "progress": told}
    return list(function(tasks, **{**given, **named, **settings, **more}))


def again(
    way: str, model: Path, place: Path, told: Told | None = None, **more: Any
) -> list[Result]:
    return measure(way, model, place, told or Told(), force=True, **more)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_finished_is_measured_again_and_replaced(
    way: str, roomy_directory: Path, tmp_path: Path
) -> None:
    store, told = ResultStore(tmp_path), Told()
    first = measure(way, roomy_directory, tmp_path, told)
    begun = told.begun.copy()
    assert measure(way, roomy_directory, tmp_path, told) == first and told.begun == begun
    for _ in range(2):
        told = Told()
        results = again(way, roomy_directory, tmp_path, told)
        assert told.begun == begun
        assert [r.scores for r in results] == [r.scores for r in first]
        assert store.read() == results
        assert list(faults(store)) == []


@pytest.mark.parametrize("way", WAYS)
def test_until_the_new_result_is_there_the_old_one_is(
    way: str, roomy_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, store = measure(way, roomy_directory, tmp_path, Told()), ResultStore(tmp_path)
    answers = [store.read_predictions(result) for result in first]

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    for told, broken in ((Told("cola"), False), (Told(), True)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            if broken:
                patch.setattr(ResultStore, "rewrite", interrupted)
            again(way, roomy_directory, tmp_path, told)
        assert store.read() == first
        assert [store.read_predictions(result) for result in first] == answers
    again(way, roomy_directory, tmp_path)
    assert list(faults(store)) == []


@pytest.mark.parametrize("force", [False, True])
def test_what_was_begun_is_begun_again(force: bool, roomy_directory: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        measure("run", roomy_directory, tmp_path, Told("scoring"))
    assert list((tmp_path / "unfinished").glob("*.safetensors"))
    told = Told()
    measure("run", roomy_directory, tmp_path, told, force=force)
    (trained,) = [already for what, already in told.begun if "scoring" not in what]
    assert (trained == 0) == force
    assert not (tmp_path / "unfinished").exists()


def test_a_model_that_is_kept_is_replaced_too(roomy_directory: Path, tmp_path: Path) -> None:
    settings = {"save_model": tmp_path / "kept"}
    measure("run", roomy_directory, tmp_path / "out", Told(), **settings)
    before = (tmp_path / "kept" / "finetuned.json").stat().st_mtime_ns
    again("run", roomy_directory, tmp_path / "out", **settings)
    assert (tmp_path / "kept" / "finetuned.json").stat().st_mtime_ns > before
