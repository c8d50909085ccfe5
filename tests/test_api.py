"""What a command does is a function; what it gives back is a table in a notebook, and a frame."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner
from fabricated import data, measured
from test_printed import TREE

import gpteval
from gpteval import GptevalError
from gpteval.api import measure
from gpteval.cli.main import FROM_PYTHON, cli

COMMITTED = Path(__file__).parent.parent / "results"


@pytest.mark.parametrize("path", TREE)
def test_every_command_is_a_documented_and_typed_function(path: str) -> None:
    name = FROM_PYTHON[path]
    function = getattr(gpteval, name)
    assert name in gpteval.__all__
    assert len(inspect.getdoc(function) or "") > 40
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter
    context = click.Context(TREE[path], info_name=path)
    assert f"From Python: gpteval.{name}." in TREE[path].get_help(context)


def test_no_function_is_named_for_a_command_that_there_is_not() -> None:
    assert set(FROM_PYTHON) == set(TREE)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Two results directories of two tasks, and a baseline made of the first."""
    root = tmp_path_factory.mktemp("sides")
    for place, right in (("a", 0.8), ("b", 0.6)):
        for number, task in enumerate(("rte", "stsb")):
            measured(root / place, task, right=right, drawn=number, data=data(origin="sample"))
    gpteval.bless(root / "a", root / "baseline.json")
    return root / "a", root / "b", root / "baseline.json"


def printed(*words: object) -> list[Any]:
    done = CliRunner().invoke(cli, [*map(str, words)], catch_exceptions=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


SAME: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "leaderboard": (lambda a, b, f: gpteval.leaderboard(b)._json_rows(), ("{b}", "--json")),
    "compare": (
        lambda a, b, f: gpteval.compare(a, b, "rte", resamples=200)._json_rows(),
        ("{a}", "{b}", "--tasks", "RTE", "--resamples", "200", "--json"),
    ),
    "check": (
        lambda a, b, f: gpteval.check(b, baseline=f, tasks="r*", alpha=0.1)._json_rows(),
        ("{b}", "--baseline", "{f}", "--tasks", "r*", "--alpha", "0.1", "--format", "json"),
    ),
    "show": (
        lambda a, b, f: [asdict(own) for own in gpteval.show(a, "rte", wrong=True)],
        ("{a}", "--task", "rte", "--wrong", "--limit", "1000", "--json", "--data-dir", "nowhere"),
    ),
    "diff": (
        lambda a, b, f: [asdict(own) for own in gpteval.diff(a, b, "rte")],
        ("{a}", "{b}", "--task", "rte", "--json", "--data-dir", "nowhere"),
    ),
    "metrics": (lambda a, b, f: [{"name": n} for n in gpteval.list_metrics()], ("--json",)),
    "tasks": (
        lambda a, b, f: [{"name": t.name} for t in gpteval.list_tasks()],
        ("--json",),
    ),
}
HEADED = {"show", "diff"}
"""Commands whose first line says what is shown."""


@pytest.mark.parametrize("command", SAME)
def test_a_function_gives_what_its_command_prints(
    command: str, sides: tuple[Path, Path, Path]
) -> None:
    function, words = SAME[command]
    first, second, file = sides
    typed = [word.format(a=first, b=second, f=file) for word in words]
    lines = printed(command, *typed)[int(command in HEADED) :]
    expected = json.loads(json.dumps(function(*sides)))
    assert expected
    assert [
        {name: line[name] for name in row} for line, row in zip(lines, expected, strict=True)
    ] == expected


def test_a_check_has_the_exit_code_of_its_command(sides: tuple[Path, Path, Path]) -> None:
    first, second, file = sides
    assert gpteval.check(first, baseline=file).code == 0
    verdicts = gpteval.check(second, baseline=file)
    done = CliRunner().invoke(cli, ["check", str(second), "--baseline", str(file)],
                              standalone_mode=False)  # fmt: skip
    assert verdicts.code == done.return_value == 1
    assert verdicts._repr_markdown_().startswith("## ")


def test_results_are_a_table_in_a_notebook_and_a_frame(sides: tuple[Path, Path, Path]) -> None:
    results = gpteval.load_results(sides[1], "stsb")
    page = results._repr_markdown_()
    assert page.startswith("| task |") and "| stsb | Pearson |" in page
    assert "**sample**" in page  # what a score is marked with is explained
    frame = results.to_pandas()
    assert frame.loc[0, "scores.pearson"] == results[0].scores["pearson"]
    assert frame.loc[0, "data.origin"] == "sample"
    board = gpteval.leaderboard(sides[0])
    assert board.to_pandas()["task"].tolist() == [row.task for row in board]
    compared = gpteval.compare(*sides[:2], resamples=200)
    assert compared.to_pandas()["metric"].tolist() == [row.metric for row in compared.rows]
    assert "| rte |" in compared._repr_markdown_()


def test_every_way_to_measure_gives_results_that_are_shown(
    roomy_directory: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"sample": True, "limit": 8, "results": tmp_path}
    model = str(roomy_directory)
    made = gpteval.run("wnli", model=model, changes={"epochs": 1}, **settings)
    asked = gpteval.score_zeroshot("copa", model=model, untrained=False, **settings)
    fitted = gpteval.score_baselines("wnli", **settings)
    for results in (made, asked, fitted):
        assert f"| {results[0].task} |" in results._repr_markdown_()
        assert len(results.to_pandas()) == len(results) and not results.left_out
    assert len(gpteval.load_results(tmp_path)) == len([*made, *asked, *fitted])


def test_nothing_to_load_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GptevalError, match=r"no results in .*: make some with `gpteval run"):
        gpteval.load_results(tmp_path)
    with pytest.raises(GptevalError, match="unknown model 'mimi'; did you mean 'mini'"):
        gpteval.load_results(COMMITTED, model="mimi")


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        (["run", "--tasks"], "glue,ss", ["glue,sst2"]),
        (["compare", "--tasks"], "wino", ["winograd"]),
        (["show", "--task"], "wsc", ["wsc273"]),
        (["tasks", "show"], "qn", ["qnli"]),
        (["zeroshot", "--model"], "mi", ["mini"]),
        (["run", "--model"], "h", ["hf:"]),
        (["run", "--recipe"], "sm", ["small"]),
        (["tasks"], "ch", ["check"]),
        ([], "lead", ["leaderboard"]),
        (["run"], "--skip", ["--skip-missing"]),
        (["--version", "no-such-command", "--x"], "", list(cli.list_commands(click.Context(cli)))),
    ],
)
def test_a_shell_completes_names(words: list[str], begun: str, offered: list[str]) -> None:
    found = BashComplete(cli, {}, "gpteval", "_GPTEVAL_COMPLETE").get_completions(words, begun)
    assert [item.value for item in found] == offered


def test_bash_completes_by_the_line_that_help_shows_without_torch() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).stdout.splitlines()
    (line,) = [line.strip() for line in shown if "bash_source gpteval" in line]
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    words = "COMP_WORDS=(gpteval run --tasks glue,ss) COMP_CWORD=3"
    script = f'{line}\n{words}\n_gpteval_completion gpteval\necho "${{COMPREPLY[@]}}"'
    environment = {**os.environ, "PATH": tools, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment,
                          check=True)  # fmt: skip
    assert done.stdout.split() == ["glue,sst2"]
    assert "| gpteval.plugins\n" in done.stderr.replace(" ", "").replace("|", "| ")
    assert "|torch\n" not in done.stderr.replace(" ", "")


SETTINGS = [
    name for name, function in vars(measure).items()
    if inspect.isfunction(function) and name in gpteval.__all__
    and any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
]  # fmt: skip
"""Functions that take settings by name."""


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modle": "mini"}, "unknown setting 'modle'"),
        ({"limit": 0}, "limit"),
        ({"limit": "4"}, "4"),
    ],
)
def test_a_wrong_setting_is_named_by_every_function(
    name: str, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    first = [tmp_path] if name == "curve" else []
    with pytest.raises(GptevalError, match=message):
        getattr(gpteval, name)(
            *first, "copa", sample=True, results=tmp_path / "results", **settings
        )
    assert not (tmp_path / "results").exists()


def test_every_function_that_takes_settings_is_asked() -> None:
    assert {"run", "ablate", "ablate_layers", "ablate_pieces", "noise", "curve"} <= set(SETTINGS)
