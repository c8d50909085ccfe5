"""A whole command told in a TOML file: its keys are long options, and what is typed goes before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gpteval.cli.options import UserPath
from gpteval.errors import ConfigError, refuse_unknown

ASKED = "gpteval.run-file"
"""Where a command keeps what its file says."""


def _read(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make the file's values those of the options that are not typed."""
    if path is None:
        return
    from gpteval.files import read_toml

    table, options = read_toml(path), _options(context.command)
    refuse_unknown(f"option in {path}", table, options)
    context.meta[ASKED] = table
    context.default_map = {
        str(options[name].name): _checked(context, options[name], value, path)
        for name, value in table.items()
    }


run_file_argument = click.argument(
    "run_file",
    metavar="[FILE]",
    required=False,
    type=UserPath(dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_read,
)


def asked(context: click.Context) -> dict[str, Any]:
    """What the file says, with what was typed in its place or beside it; {} without a file."""
    if ASKED not in context.meta:
        return {}
    options = {str(o.name): name for name, o in _options(context.command).items()}
    typed = {
        options[name]: _json(value)
        for name, value in context.params.items()
        if name in options and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    return {**context.meta[ASKED], **typed}


def _options(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their long names, without the dashes."""
    return {
        name.removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option)
        for name in option.opts
        if name.startswith("--")
    }


def _checked(context: click.Context, option: click.Option, value: Any, path: Path) -> Any:
    """A value as it would be typed; several are one option each, or are joined by commas.

    Raises:
        ConfigError: A value that the option can't have.
    """
    place = f"{path}: {option.opts[0].removeprefix('--')}"
    if option.is_flag:
        if not isinstance(value, bool):
            raise ConfigError(f"{place} is true or false, not {value!r:.40}")
        return value
    words = [_word(item, place) for item in (value if isinstance(value, list) else [value])]
    given = words if option.multiple else ",".join(words)
    try:
        option.type_cast_value(context, given)
    except click.BadParameter as error:
        raise ConfigError(f"{place}: {error.message}") from None
    return given


def _word(value: Any, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"{place} is a text, a number, or a list of them, not {value!r:.40}")
    return str(value)


def _json(value: Any) -> Any:
    """An option's value as JSON has it: a path is text."""
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return str(value) if isinstance(value, Path) else value
