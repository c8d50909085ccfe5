"""What every option takes and refuses: no empty text, no number beyond use."""

from __future__ import annotations

from copy import copy
from typing import Any

import click


class Text(click.ParamType[str]):
    """A text that is not empty: an unset variable of a script is no value."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text; a usage error where there is none."""
        if not str(value).strip():
            self.fail("it is empty: leave the option out, or give it a value", param, ctx)
        return str(value)


class Number(click.types.FloatParamType):
    """A number: neither infinite nor NaN, nor beyond what any setting means."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; a usage error where there is none."""
        number = float(super().convert(value, param, ctx))
        if not abs(number) <= LARGEST:
            self.fail(f"{value!r} is no number that can be used", param, ctx)
        return number


LARGEST = 10**12
"""Largest number of any option, either way."""


def strict(command: click.Command) -> click.Command:
    """A copy of a command whose parameters take no empty text and no number beyond use.

    It is done here for all of them, so that an option is born with it.
    """
    made = copy(command)
    made.params = [_strict(parameter) for parameter in command.params]
    if isinstance(made, click.Group):
        made.commands = {name: strict(below) for name, below in made.commands.items()}
    return made


def _strict(parameter: click.Parameter) -> click.Parameter:
    made, kind = copy(parameter), parameter.type
    if type(kind) is click.types.StringParamType:
        made.type = Text()
    elif type(kind) is click.types.FloatParamType:
        made.type = Number()
    elif type(kind) is click.types.IntParamType:
        made.type = click.IntRange(-LARGEST, LARGEST)
    elif isinstance(kind, click.IntRange) and kind.max is None:
        made.type = click.IntRange(kind.min, LARGEST)
    return made
