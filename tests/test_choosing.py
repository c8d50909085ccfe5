"""Choosing what is run: patterns, other spellings, what is not there, a file of all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fabricated import measured
from official import write

from gpteval.cli.main import cli
from gpteval.errors import ConfigError, DataError, PluginError, UnknownNameError
from gpteval.plugins import registry
from gpteval.results.named import of_tasks
from gpteval.results.store import ResultStore


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """What one test registers is unknown to the next."""
    yield
    registry.cache_clear()


def names(*given: str) -> list[str]:
    return [task.name for task in registry().select(given)]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("mnli*", ["mnli"]),
        ("*nli", ["snli", "mnli", "qnli", "wnli", "breaking_nli"]),
        ("S[ST]*2", ["sst2"]),
        ("gpteval/co?a", ["cola", "copa"]),
        ("SST-2", ["sst2"]),
        ("sst", ["sst2"]),
        ("STS-B", ["stsb"]),
        ("MNLI-m", ["mnli"]),
        ("mnli_mm", ["mnli"]),
        ("story-cloze", ["rocstories"]),
        ("Breaking NLI", ["breaking_nli"]),
        ("GPTEval/SST-2", ["sst2"]),
        ("Winograd", ["dpr", "wsc273"]),
    ],
)
def test_a_name_stands_for_what_people_mean_by_it(given: str, meant: list[str]) -> None:
    assert names(given) == meant


def test_a_pattern_means_tasks_and_no_groups() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown task or group 'glu\*'"):
        names("glu*")


def test_a_name_as_it_is_written_goes_before_another_spelling_and_two_of_those_are_ambiguous() -> (
    None
):
    rte = registry().tasks()["rte"]
    for name in ("foo-bar", "foo_bar"):
        registry().adopt(replace(rte, name=name, aliases=("sst2",)))
    assert names("foo-bar") == ["foo-bar"]
    assert names("sst2") == ["sst2"]
    with pytest.raises(PluginError, match="'FooBar' is ambiguous: write foo-bar or foo_bar"):
        names("FooBar")


def test_what_is_named_by_itself_is_no_group_and_no_pattern() -> None:
    assert registry().named(["SST-2", "glue", "mnli*", "all", "gpteval/rte"]) == {"sst2", "rte"}


def test_results_are_chosen_by_the_same_names_installed_or_not(tmp_path: Path) -> None:
    found = ResultStore(measured(tmp_path)).read()
    found = [replace(found[0], task=name) for name in ("rte", "blimp_a", "blimp_b")]
    assert [r.task for r in of_tasks(found, "blimp*")] == ["blimp_a", "blimp_b"]
    assert [r.task for r in of_tasks(found, ["BLiMP-a", "glue"])] == ["rte", "blimp_a"]


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Official files of RTE, and of nothing else."""
    rows = "".join(f"{n}\tIt rains.\tIt is wet.\tentailment\n" for n in range(8))
    for split in ("train", "dev"):
        write(tmp_path / "data", f"glue/RTE/{split}.tsv",
              f"index\tsentence1\tsentence2\tlabel\n{rows}")  # fmt: skip
    return tmp_path / "data"


@pytest.mark.parametrize("command", ["run", "zeroshot", "baselines"])
def test_a_task_that_is_missing_is_skipped_where_that_was_asked_for(
    command: str, data: Path, tiny_directory: Path, tmp_path: Path
) -> None:
    both = {"run": "RTE,CoLA", "zeroshot": "copa,cola", "baselines": "rte,cola"}[command]
    if command == "zeroshot":
        lines = "<item id='1' asks-for='cause' most-plausible-alternative='1'><p>It is wet.</p>"
        lines = f"<copa>{lines}<a1>It rained.</a1><a2>It froze.</a2></item></copa>"
        write(data, "copa/copa-test.xml", lines)
    words = [command, "--tasks", both, "--data-dir", data, "--results", tmp_path / "out", "--json"]
    words += [] if command == "baselines" else ["--model", tiny_directory]
    words += ["--epochs", 1] if command == "run" else []
    words += ["--no-baselines"] if command == "zeroshot" else []
    if command != "baselines":  # which names what has no training split, and goes on
        done = call(*words)
        assert isinstance(done.exception, DataError), done.output
        assert "cola: no" in str(done.exception)
    done = call(*words, "--skip-missing")
    assert done.exit_code == 0, done.output
    there = {json.loads(line)["task"] for line in done.stdout.splitlines()}
    assert there == {"copa" if command == "zeroshot" else "rte"}
    assert "cola" in done.stderr


def test_nothing_there_at_all_is_refused_whatever_may_be_skipped(
    tmp_path: Path, tiny_directory: Path
) -> None:
    words = ["--data-dir", tmp_path, "--model", tiny_directory, "--results", tmp_path / "out"]
    done = call("run", "--tasks", "rte,cola", "--skip-missing", *words)
    assert isinstance(done.exception, DataError)


RUN = """
tasks = ["sst2"]
model = "{model}"
sample = true
limit = 8
epochs = 1
lr = 1e-3
seeds = 1
results = "{results}"
"""


@pytest.fixture
def run_file(tmp_path: Path, tiny_directory: Path) -> Path:
    path = tmp_path / "my-run.toml"
    path.write_text(RUN.format(model=tiny_directory, results=tmp_path / "out"))
    return path


def test_a_run_from_a_file_is_the_run_that_is_typed_and_what_is_typed_too_wins(
    run_file: Path, tiny_directory: Path, tmp_path: Path
) -> None:
    done = call("run", run_file, "--lr", "1e-4", "--seed", 3, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["config"]["lr"], result["seed"], result["n"]) == (1e-4, 3, 8)
    said = result["run_file"]
    assert said["tasks"] == ["sst2"]
    assert (said["lr"], said["seed"], said["epochs"], said["sample"]) == (1e-4, 3, 1, True)
    typed = ["--tasks", "SST-2", "--model", tiny_directory, "--sample", "--limit", 8]
    typed += ["--epochs", 1, "--lr", "1e-4", "--seed", 3, "--results", tmp_path / "out", "--json"]
    again = json.loads(call("run", *typed).stdout.splitlines()[-1])
    assert again == result  # finished before: the same key


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("data_dir = 'x'", UnknownNameError, "unknown option in my-run.toml 'data_dir'; did you"),
        ("leraning-rate = 1", UnknownNameError, "'leraning-rate'"),
        ("clip = 'much'", ConfigError, "my-run.toml: clip: 'much' is not a valid float"),
        ("warmup = 2", ConfigError, "--warmup is at most 1, not 2"),
        ("seed = 1.5", ConfigError, "my-run.toml: seed: '1.5' is not a valid integer"),
        ("json = 'yes'", ConfigError, "my-run.toml: json is true or false, not 'yes'"),
        ("recipe = true", ConfigError, "recipe is a text, a number, or a list of them, not True"),
        ("recipe = 'papr'", ConfigError, "'papr' is not one of"),
        ("limit = ", ConfigError, "my-run.toml can't be read: not TOML: "),
        ("table.key = 1", UnknownNameError, "'table'"),
    ],
)
def test_what_a_file_can_t_say_is_one_line_that_names_it(
    run_file: Path, line: str, error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_file.parent)
    text = "\n".join(x for x in run_file.read_text().splitlines() if x[:5] != line[:5])
    run_file.write_text(f"{text}\n{line}\n")
    done = call("run", run_file.name)
    assert isinstance(done.exception, error), done.output
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)


def test_every_option_of_a_run_can_stand_in_a_file() -> None:
    from gpteval.cli.run import command
    from gpteval.cli.run_file import _options

    long = {name for p in command.params for name in p.opts if name.startswith("--")}
    assert {f"--{name}" for name in _options(command)} == long
