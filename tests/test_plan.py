"""What a plan counts is what the run then makes; what it costs is what its own updates took."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from official import write_cola

import gpteval
from gpteval import Compute, ConfigError, FinetuneConfig, TrainingCompute
from gpteval.cli.main import cli, main
from gpteval.cli.plan import command as plan_command
from gpteval.cli.run import command as run_command
from gpteval.encode.cache import cache_directory
from gpteval.methods import pace
from gpteval.methods.settings import RunConfig, settled
from gpteval.studies.plan import Planned, afforded, budget_seconds, totals

COUNTED = ("updates", "tokens", "predicted", "evaluated_tokens", "train_flops", "evaluate_flops")
RECIPES = ["sample", "paper", "ulmfit"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One update of a kind is timed, not a second's: here times say nothing."""
    monkeypatch.setattr(pace, "UPDATING", 0.0)
    monkeypatch.setattr(pace, "PREDICTING", 0.0)


def asked(model: Path, place: Path, recipe: str = "sample") -> dict[str, object]:
    changes = {"epochs": 2} | ({"lm_epochs": 1} if recipe == "ulmfit" else {})
    return {
        "model": str(model), "sample": True, "limit": 20, "results": place / "results",
        "recipe": recipe, "changes": changes, "seeds": (0, 1),
    }  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_counted_is_exactly_what_the_run_then_makes(
    recipe: str, roomy_directory: Path, tmp_path: Path
) -> None:
    settings = asked(roomy_directory, tmp_path, recipe)
    tasks = "snli,breaking_nli,copa"  # breaking_nli rides along with snli's model
    planned = {(p.task, p.seed): p for p in gpteval.plan(tasks, **settings)}
    results = gpteval.run(tasks, **settings)
    rides = {"breaking_nli": "snli"}
    made = {(rides.get(r.task, r.task), r.seed): r.cost for r in results}
    assert planned.keys() == made.keys()
    for name, cost in made.items():
        assert [getattr(planned[name], n) for n in COUNTED] == [cost[n] for n in COUNTED], name


def test_sequences_that_share_nothing_are_counted_apart(
    roomy_directory: Path, tmp_path: Path
) -> None:
    settings = asked(roomy_directory, tmp_path) | {"seeds": (0,)}
    settings["changes"] = {"epochs": 1, "branches": "apart"}
    (planned,) = gpteval.plan("race", **settings)
    (result, *_) = gpteval.run("race", **settings)
    assert [getattr(planned, n) for n in COUNTED] == [result.cost[n] for n in COUNTED]


def test_what_is_finished_costs_nothing_and_what_is_forced_does(
    tiny_directory: Path, tmp_path: Path
) -> None:
    settings = asked(tiny_directory, tmp_path)
    gpteval.run("copa", **{**settings, "seeds": (1,)})
    left, done = gpteval.plan("copa", budget="1s", **settings)
    assert (left.finished, done.finished, done.fits) == (False, True, True)
    assert left.seconds > 0 == done.seconds == done.tokens == done.peak_memory_bytes
    assert not any(own.finished for own in gpteval.plan("copa", force=True, **settings))


def test_disk_is_that_of_the_files(roomy_directory: Path, tmp_path: Path) -> None:
    settings = asked(roomy_directory, tmp_path) | {"seeds": (0,), "save_model": tmp_path / "kept"}
    (planned,) = gpteval.plan("mrpc", **settings)
    gpteval.run("mrpc", **settings)
    written = sum(p.stat().st_size for p in (tmp_path / "results").rglob("*.jsonl") if
                  p.name != "records.jsonl")  # fmt: skip
    assert abs(planned.predictions_bytes / written - 1) < 0.1
    weights = (tmp_path / "kept" / "model" / "model.safetensors").stat().st_size
    assert abs(planned.model_bytes / weights - 1) < 0.1


def test_a_pace_is_measured_once_a_day_for_all_seeds(
    tiny_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTEVAL_CACHE", str(tmp_path / "cache"))
    settings = asked(tiny_directory, tmp_path)
    first = gpteval.plan("wnli", **settings)
    kept = json.loads((cache_directory() / pace.FILE).read_text())
    assert len(kept) == 2  # one pace, and the checksum
    assert timed(first) == timed(gpteval.plan("wnli", **settings))
    later = pace.time.time() + pace.KEPT + 1
    monkeypatch.setattr(pace.time, "time", lambda: later)
    assert timed(gpteval.plan("wnli", **settings)) != timed(first)


def test_a_damaged_file_of_paces_is_made_again(
    tiny_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTEVAL_CACHE", str(tmp_path))
    for text in ("", "{}", '{"a": 1', '{"a": {"updates": {}}}'):
        (tmp_path / pace.FILE).write_text(text)
        assert gpteval.plan("wnli", **asked(tiny_directory, tmp_path))


def timed(planned: list[Planned]) -> list[float]:
    return [own.train_seconds + own.evaluate_seconds for own in planned]


def test_a_stage_costs_its_updates_and_its_flops() -> None:
    known = pace.Pace({"0": (0.5, 1e-9), "1": (0.0, 2e-9)}, {"rte/dev": 1e-9}, 0.0)
    assert known.training(0, 4, 3e9) == pytest.approx(4 * 0.5 + 3)
    assert known.training(1, 4, 3e9) == pytest.approx(6)
    assert known.predicting("rte/dev", 5e9) == pytest.approx(5)


def units(*seconds: tuple[str, float]) -> list[Planned]:
    return [Planned(task, n, "", False, train_seconds=s) for n, (task, s) in enumerate(seconds)]


def test_a_budget_pays_for_the_shortest_tasks_first() -> None:
    planned = units(("a", 50), ("a", 30), ("b", 10), ("b", 12), ("c", 31))
    assert [u.fits for u in afforded(planned, 60)] == [False, True, True, True, False]
    assert [u.fits for u in afforded(planned, 51)] == [False, False, True, True, False]
    assert [u.fits for u in afforded(planned, 133)] == [True] * 5
    assert [u.fits for u in afforded(planned, 9)] == [False] * 5


def test_what_is_finished_fits_into_any_budget() -> None:
    first, second = units(("a", 0), ("b", 10))
    fits = [u.fits for u in afforded([replace(first, finished=True), second], 1)]
    assert fits == [True, False]


def test_totals_are_sums_but_of_memory_and_state() -> None:
    one = Planned("a", 3, "", False, updates=2, peak_memory_bytes=7, state_bytes=5)
    both = totals([one, replace(one, seed=9, updates=5, peak_memory_bytes=6)])
    assert (both.updates, both.peak_memory_bytes, both.state_bytes, both.seed) == (7, 7, 5, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("1.5d", 129600)],
)
def test_a_budget_is_a_time(text: str, seconds: float) -> None:
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize("text", ["0", "0h", "-1", "-1h", "nan", "nanh", "x", "2", "1e3h", "h"])
def test_what_is_no_time_is_told_in_one_line(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="--budget is a time above 0"):
        budget_seconds(text)
    monkeypatch.setattr("sys.argv", f"gpteval plan --tasks rte --sample --budget={text}".split())
    with pytest.raises(SystemExit) as ended:
        main()
    line = capsys.readouterr().err
    assert (ended.value.code, line.count("\n")) == (2, 1)
    assert "--budget is a time above 0, as 2h, 90m or 1h30m, not" in line


def test_a_plan_is_asked_in_the_words_of_a_run() -> None:
    names = {option.name for option in run_command.params}
    assert {option.name for option in plan_command.params} == names - {"launch", "shard"} | {
        "budget"
    }


def test_a_task_of_a_group_that_can_not_be_planned_is_named_and_told_by_the_exit_code(
    tiny_directory: Path, tmp_path: Path
) -> None:
    data = write_cola(tmp_path / "data")
    words = ["--tasks", "glue", "--data-dir", str(data), "--model", str(tiny_directory)]
    page = CliRunner().invoke(cli, ["plan", *words, "--results", str(tmp_path), "--json"])
    assert [json.loads(line)["task"] for line in page.stdout.splitlines()] == ["cola"]
    assert "rte has no result: " in page.stderr
    assert page.exit_code == 1


VALUES = {"transfer_layers": "0..2", "device": "cpu", "layer_divisor": "2.5"}
DEFAULTS = asdict(FinetuneConfig()) | asdict(Compute())
ELSEWHERE = {"as_json", "run_file", "tasks", "task_file", "launch", "shard"}
"""Of what is planned they change nothing, or they say it all; or a plan is made by one process."""


class Asked(Exception):
    """The settings that a command came to."""


def settings_of(words: list[str], monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    def run(tasks: str, *, progress: object, engine: None, **settings: Any) -> None:
        raise Asked(settled(RunConfig, tasks, settings))

    def plan(config: RunConfig, progress: object, budget: str | None) -> None:
        raise Asked(config)

    monkeypatch.setattr("gpteval.methods.run.run", run)
    monkeypatch.setattr("gpteval.studies.plan.plan", plan)
    asked = CliRunner().invoke(cli, words).exception
    assert isinstance(asked, Asked), asked
    config: RunConfig = asked.args[0]
    shared = asdict(config.compute)
    assert not shared.pop("shard", False)
    return replace(config, compute=TrainingCompute(**shared))


def typed(option: click.Parameter) -> list[str]:
    """An option with a value that is not its default."""
    if option.is_flag:
        return [option.opts[0]]
    value = "0.125" if isinstance(option.type, click.types.FloatParamType) else "13"
    if isinstance(option.type, click.Choice):
        value = next(c for c in option.type.choices if c != DEFAULTS.get(option.name, "paper"))
    return [option.opts[0], VALUES.get(option.name, value)]


@pytest.mark.parametrize(
    "option",
    [pytest.param(o, id=o.name) for o in run_command.params if o.name not in ELSEWHERE],
)
def test_every_option_means_in_a_plan_what_it_means_in_a_run(
    option: click.Parameter, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = ["--adapter", "lora"] if option.name.startswith("lora_") else []
    without = ["--tasks", "wnli", *adapter]
    planned = settings_of(["plan", *without, *typed(option)], monkeypatch)
    assert planned == settings_of(["run", *without, *typed(option)], monkeypatch)
    assert planned != settings_of(["plan", *without], monkeypatch)


def test_the_table_ends_in_totals_and_in_what_fits(tiny_directory: Path, tmp_path: Path) -> None:
    words = ["plan", "--tasks", "wnli,copa", "--sample", "--limit", "16", "--seeds", "2"]
    where = ["--model", str(tiny_directory), "--results", str(tmp_path)]
    page = CliRunner().invoke(cli, [*words, *where, "--budget", "1h"], catch_exceptions=False)
    *_, left, fitting = page.stdout.splitlines()
    assert left.startswith("in all")
    assert fitting.startswith("4 of 4 fit into 1h")
    lines = CliRunner().invoke(cli, [*words, *where, "--json"], catch_exceptions=False).stdout
    assert [json.loads(line)["task"] for line in lines.splitlines()] == ["wnli"] * 2 + ["copa"] * 2
    assert not (tmp_path / "records.jsonl").exists()
