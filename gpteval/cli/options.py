"""Command-line options made from the fields of a configuration value.

A field `lm_weight: float = option(0.5, "...")` becomes `--lm-weight FLOAT` with that help and
default, so that a setting is named, typed, explained and defaulted in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, get_type_hints

import click

Command = Callable[..., Any]


def options_from(config: type[Any], into: str) -> Callable[[Command], Command]:
    """Add an option per field; the command gets the finished value as its argument `into`.

        @click.command()
        @options_from(PretrainConfig, "config")
        def command(config: PretrainConfig) -> None: ...

    Args:
        config: A dataclass of plain fields (int, float, str) made with `gpteval.config.option`.
        into: Name of the command's argument.
    """
    return _collected(config, into, lambda given: config(**given), defaults=True)


def changes_from(config: type[Any], into: str) -> Callable[[Command], Command]:
    """Add an option per field without a default; the command gets a dict of those given.

    For settings whose defaults depend on another option, such as a named recipe.
    """
    given_only = lambda given: {k: v for k, v in given.items() if v is not None}  # noqa: E731
    return _collected(config, into, given_only, defaults=False)


def _collected(
    config: type[Any], into: str, make: Callable[[dict[str, Any]], Any], *, defaults: bool
) -> Callable[[Command], Command]:
    kinds = get_type_hints(config)

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(**arguments: Any) -> Any:
            given = {field.name: arguments.pop(field.name) for field in fields(config)}
            return function(**{into: make(given)}, **arguments)

        for field in reversed(fields(config)):
            shown = {"default": field.default, "show_default": True} if defaults else {}
            name, help_text = field.name.replace("_", "-"), field.metadata["help"]
            option = click.option(f"--{name}", type=kinds[field.name], help=help_text, **shown)
            command = option(command)
        return command

    return decorate
