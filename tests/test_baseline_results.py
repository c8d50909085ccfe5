"""Baselines from rows to results, with real samples and a real store."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from fabricated import result
from official import RTE, write, write_official

import gpteval
from gpteval.cli.baselines import command
from gpteval.data.raw import AbsentError
from gpteval.errors import DataError
from gpteval.plugins import registry
from gpteval.records import Result
from gpteval.report.leaderboard import markdown
from gpteval.report.standings import standings
from gpteval.results.store import ResultStore
from gpteval.score.metrics import score


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The baselines of every task, on samples."""
    path = tmp_path_factory.mktemp("baselines")
    gpteval.score_baselines(sample=True, results=path)
    return path


@pytest.fixture(scope="module")
def found(directory: Path) -> list[Result]:
    return ResultStore(directory).read()


def named(found: list[Result], model: str) -> set[str]:
    return {r.task for r in found if r.model == model}


def test_every_task_has_a_baseline(found: list[Result]) -> None:
    tasks = registry().tasks()
    assert named(found, "tfidf") == set(tasks)
    assert named(found, "hypothesis-only") == {n for n, t in tasks.items() if "nli" in t.groups}
    assert named(found, "ending-only") == {"rocstories"}
    assert named(found, "sliding-window") == {"race"}


@pytest.mark.parametrize(("method", "model"), [("run", {"model": "mini"}), ("score_baselines", {})])
def test_a_row_without_text_is_refused_by_baselines_as_by_run(
    method: str, model: dict[str, str], tmp_path: Path
) -> None:
    write_official(tmp_path, names={"rte"})
    write(tmp_path, "glue/RTE/dev.tsv", RTE.replace("It rains.", " ").replace("It is wet.", ""))
    with pytest.raises(DataError, match=r"dev.tsv:2: rte dev: example 0 has no text: mend the row"):
        getattr(gpteval, method)("rte", data_dir=tmp_path, results=tmp_path / "results", **model)


def test_the_sliding_window_is_the_one_beside_zero_shot_scores(
    found: list[Result], tmp_path: Path
) -> None:
    (own,) = (r for r in found if (r.model, r.split) == ("sliding-window", "test"))
    (beside,) = gpteval.score_zeroshot("race", sample=True, results=tmp_path, untrained=False)
    assert own.scores == beside.baselines["sliding_window"]
    assert own.baselines["random"] == beside.baselines["random"]


def test_a_result_can_be_computed_again_from_its_predictions(
    directory: Path, found: list[Result]
) -> None:
    store = ResultStore(directory)
    for r in found:
        predictions = store.read_predictions(r)
        assert score(registry().tasks()[r.task], predictions) == pytest.approx(dict(r.scores))
        assert (r.mode, r.n) == ("baseline", len(predictions))
        assert r.interval is None or r.interval[0] < r.interval[1]
        assert "majority" in r.baselines


def test_the_splits_are_those_a_fine_tuned_model_is_scored_on(found: list[Result]) -> None:
    splits = [r.split for r in found if (r.task, r.model) == ("mnli", "tfidf")]
    assert splits == ["dev_mismatched", "dev", "test"]
    learnt = [r for r in found if r.model != "sliding-window"]
    assert all(r.data.train_rows == r.data.train_official > 0 for r in learnt)


def test_breaking_nli_is_scored_with_what_was_fitted_on_snli(found: list[Result]) -> None:
    snli, breaking = (
        next(r for r in found if (r.task, r.model) == (name, "tfidf"))
        for name in ("snli", "breaking_nli")
    )
    assert breaking.parameters == snli.parameters > 0
    assert breaking.data.train_rows == snli.data.train_rows


def test_what_is_finished_is_not_fitted_again(directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory, tmp_path / "copy")
    again = gpteval.score_baselines("copa,rocstories", sample=True, results=tmp_path / "copy")
    before = ResultStore(directory).read()
    assert ResultStore(tmp_path / "copy").read() == before
    assert all(r in before for r in again)
    (dev, test) = gpteval.score_baselines("copa", sample=True, limit=9, results=tmp_path / "copy")
    assert (dev.n, test.n, test.data.limit) == (9, 9, 9)


def test_a_task_without_a_training_split_is_left_out_of_a_group_and_refused_by_name(
    tmp_path: Path,
) -> None:
    rows = RTE + "1\tIt snows.\tIt is dry.\tnot_entailment\n"
    for split in ("train", "dev"):
        write(tmp_path, f"glue/RTE/{split}.tsv", rows)
    options = {"data_dir": tmp_path, "results": tmp_path / "results"}
    with pytest.raises(AbsentError, match="wnli: no train split"):
        gpteval.score_baselines("rte,wnli", **options)
    assert not (tmp_path / "results" / "records.jsonl").exists()
    made = gpteval.score_baselines("glue", **options)
    assert {r.task for r in made} == {"rte"}
    assert made.left_out["wnli"].startswith("no train split")
    assert len(made.left_out) == 8
    with pytest.raises(AbsentError):
        gpteval.score_baselines("choice", **options)


def test_baselines_stand_below_the_zero_shot_scores_of_their_task() -> None:
    tasks = registry().tasks()
    given = [
        result(name, mode=mode, model=model, model_digest=model)
        for mode, model in (("baseline", "tfidf"), ("zeroshot", "mini"), ("finetune", "mini"))
        for name in ("race", "copa")
    ]
    rows = standings(given, tasks)
    assert [(row.task, row.result.model) for row in rows[2:]] == [
        ("race", "mini"), ("race", "tfidf"), ("copa", "mini"), ("copa", "tfidf"),
    ]  # fmt: skip
    assert all(row.paper is None for row in rows[2:])
    tuned, others = markdown(rows, "c").split("## Zero-shot, probes and baselines")
    assert "| tfidf |" not in tuned and "| tfidf |" in others


def test_the_command_prints_the_baselines(directory: Path) -> None:
    options = ["--tasks", "nli", "--sample", "--results", str(directory)]
    table = CliRunner().invoke(command, options, catch_exceptions=False).stdout
    assert "hypothesis-only" in table and "no language model" in table
    lines = CliRunner().invoke(command, [*options, "--json"]).stdout.splitlines()
    assert {json.loads(line)["mode"] for line in lines} == {"baseline"}


def test_no_language_model_is_loaded(directory: Path) -> None:
    code = (
        "import sys; from gpteval import score_baselines; "
        "score_baselines('copa', sample=True, results=sys.argv[1]); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, directory], check=True)


@pytest.mark.parametrize("setting", [{"model": "mini"}, {"compute": gpteval.Compute()}])
def test_baselines_take_no_model(setting: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(gpteval.ConfigError, match="baselines have no"):
        gpteval.score_baselines("rte", sample=True, results=tmp_path, **setting)
