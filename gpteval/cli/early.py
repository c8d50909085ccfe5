"""What is read before all other arguments: which plug-ins there are decides what they may be."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from gpteval.loading import ADMITTED
from gpteval.plugins import registry

PLUGIN, NO_PLUGINS = "--plugin", "--no-plugins"


def read(arguments: Sequence[str]) -> list[str]:
    """Obey `--plugin FILE` and `--no-plugins`, wherever they stand, and return the rest.

    Raises:
        click.UsageError: `--plugin` without a file.
        GptevalError: A file that is no plug-in, or fails.
    """
    rest: list[str] = []
    files: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *words]
        elif name == PLUGIN:
            file = value if equals else next(words, "")
            if not file:
                raise click.UsageError(f"{PLUGIN} needs a file: {PLUGIN} my_task.py")
            files.append(file)
        elif word == NO_PLUGINS:
            os.environ[ADMITTED] = ""
            registry.cache_clear()
        else:
            rest.append(word)
    for file in files:
        from gpteval.paths import user_path

        registry().add_file(user_path(file))
    return rest


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Show them in the help of the main command; they never reach its parser."""
    file = click.option(
        PLUGIN,
        metavar="FILE",
        multiple=True,
        expose_value=False,
        help="A plug-in that is one file: Python with hooks (see `gpteval.hookspecs`), or a task "
        "file in TOML. May stand anywhere, and several times.",
    )
    none = click.option(
        NO_PLUGINS,
        is_flag=True,
        expose_value=False,
        help="The built-ins alone, as GPTEVAL_PLUGINS= says.",
    )
    return file(none(command))
