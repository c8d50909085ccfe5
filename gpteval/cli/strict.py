"""What every option takes and refuses, and what a shell offers for it (click's own completion)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

import click

from gpteval.cli import output
from gpteval.plugins import registry

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Text(click.ParamType[str]):
    """A text that is not empty: an unset variable of a script is no value."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text; a usage error where there is none."""
        if not str(value).strip():
            self.fail("it is empty: leave the option out, or give it a value", param, ctx)
        return str(value)


class TaskNames(Text):
    """Names of tasks and groups, joined by commas; the last of them is completed."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Those that begin so."""
        typed, comma, _ = incomplete.rpartition(",")
        return _items((f"{typed}{comma}{own}" for own in registry().task_names.known), incomplete)


class ModelName(Text):
    """A model's reference: a name, a prefix, or a directory."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names and prefixes that begin so; directories where there are none."""
        from click.shell_completion import CompletionItem

        families = registry().models().values()
        names = [name for family in families for name in (*family.references, family.prefix)]
        return _items(filter(None, names), incomplete) or [CompletionItem(incomplete, type="dir")]


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


NAMED: Mapping[str, type[Text]] = {
    **dict.fromkeys(("tasks", "task", "overlap", "monitor", "advisory"), TaskNames),
    "model": ModelName,
}
"""Parameter → what its text is, where a shell can know."""


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

    While it runs, stdout is for its results alone.

    It is done here for all of them, so that an option is born with it.
    """
    made = copy(command)
    made.params = [_strict(parameter) for parameter in command.params]
    made.callback = command.callback and output.reserving(command.callback)
    if isinstance(made, click.Group):
        made.commands = {name: strict(below) for name, below in made.commands.items()}
    return made


def _strict(parameter: click.Parameter) -> click.Parameter:
    made, kind = copy(parameter), parameter.type
    if type(kind) is click.types.StringParamType:
        made.type = NAMED.get(str(parameter.name), Text)()
    elif type(kind) is click.types.FloatParamType:
        made.type = Number()
    elif type(kind) is click.types.IntParamType:
        made.type = click.IntRange(-LARGEST, LARGEST)
    elif isinstance(kind, click.IntRange) and kind.max is None:
        made.type = click.IntRange(kind.min, LARGEST)
    return made
