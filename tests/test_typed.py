"""What was typed is what runs: no option of any command takes a value that no run can use."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

import gpteval
from gpteval.cli.main import COMMANDS, cli
from gpteval.errors import ConfigError, GptevalError, UnknownNameError
from gpteval.plugins import registry

NUMBERS = ("", "nan", "inf", "-1", "1" + 20 * "0", "word")
NEEDED = {
    "--tasks": "nowhere",
    "--output": "nowhere",
    "corpus": "nowhere",
    "directory": "nowhere",
    "runs": "nowhere",
    "name": "nowhere",
    "first": "nowhere",
    "second": "nowhere",
    "directories": "nowhere",
    "--task": "nowhere",
    "task": "nowhere",
    "file": "nowhere.csv",
    "result": "nowhere",
}
"""What commands need beside the option that is tried: nothing that is there."""


def below(command: click.Command, words: list[str]) -> Iterator[tuple[list[str], click.Command]]:
    yield words, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from below(sub, [*words, name])


def every_option() -> Iterator[tuple[list[str], click.Command, click.Option]]:
    for name in COMMANDS:
        top = import_module(f"gpteval.cli.{name}").command
        for words, command in below(top, [name]):
            for parameter in command.params:
                if isinstance(parameter, click.Option) and not parameter.is_flag:
                    yield words, command, parameter


def values(option: click.Option) -> tuple[str | None, ...]:
    """Values that no option of its type may take; None: the option stands alone at the end."""
    number = isinstance(option.type, click.types.FloatParamType | click.types.IntParamType)
    number = number or isinstance(option.type, click.IntRange | click.FloatRange)
    if number:
        return (None, *NUMBERS)
    return (None, "", "word") if isinstance(option.type, click.Choice) else (None, "")


CASES = [
    pytest.param(words, command, option, value, id=f"{' '.join(words)} {option.opts[0]} {value!r}")
    for words, command, option in every_option()
    for value in values(option)
]


@pytest.mark.parametrize(("words", "command", "option", "value"), CASES)
def test_what_no_run_can_use_is_refused_in_one_line_that_names_the_option(
    words: list[str],
    command: click.Command,
    option: click.Option,
    value: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = list(words)
    for other in command.params:
        if other.required and other is not option:
            given = NEEDED[other.opts[0]]
            typed += [given] if isinstance(other, click.Argument) else [other.opts[0], given]
    typed += [option.opts[0]] if value is None else [option.opts[0], value]
    with pytest.raises((click.ClickException, GptevalError)) as caught:
        cli.main(typed, standalone_mode=False)
    error = caught.value
    said = error.format_message() if isinstance(error, click.ClickException) else str(error)
    assert option.opts[0] in said
    assert "\n" not in said
    assert getattr(error, "exit_code", 2) == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"seeds": 3}, "seeds"),
        ({"seeds": [2**32]}, "seed"),
        ({"changes": {"lr": "1e-4"}}, "lr"),
        ({"changes": {"epochs": 1.5}}, "epochs"),
        ({"changes": {"rate": 1.0}}, "rate"),
        ({"limit": "8"}, "limit"),
        ({"compute": "cpu"}, "compute"),
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"epochs": 1}, "epochs"),
        ({"sample": "yes"}, "sample"),
        ({"save_seconds": float("nan")}, "save-seconds"),
    ],
)
def test_a_setting_from_python_that_no_run_can_use_is_named(
    settings: dict[str, object], named: str, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=named) as caught:
        gpteval.run("rte", **{"sample": True, "results": tmp_path, **settings})
    assert "\n" not in str(caught.value)


def test_a_task_stands_for_its_name() -> None:
    from gpteval.config import task_names

    (rte,) = registry().select(["rte"])
    assert task_names(rte) == task_names([rte]) == task_names("rte") == ("rte",)
    with pytest.raises(ConfigError, match="tasks are names and groups"):
        task_names(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "near"), [("SST-3", "sst2"), ("STS-BB", "stsb"), ("GLEU", "glue")]
)
def test_a_name_that_is_misspelt_finds_the_nearest(typed: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{near}'"):
        registry().select([typed])
