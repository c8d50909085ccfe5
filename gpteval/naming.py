"""Names: what they may be, and why nothing answers to one (misspelt, of two packages, failed)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NoReturn

from gpteval.errors import PluginError, UnknownNameError
from gpteval.loading import Plugin

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def misnamed(name: str) -> str:
    """What is wrong with the name that something is offered by; "" where nothing is."""
    fits = NAME.fullmatch(name)
    return "" if fits else f"name {name!r:.40} is not of letters, digits, _ - and ."


def refuse(kind: str, name: str, known: Sequence[str], plugins: Iterable[Plugin]) -> NoReturn:
    """Say why nothing answers to a name.

    Args:
        kind: The noun shown to the user.
        name: As it was typed.
        known: Names that would have worked.
        plugins: All there are, those that failed among them.

    Raises:
        PluginError: Two packages offer it, or one that failed seems to be the one that should.
        UnknownNameError: Nobody does.
    """
    rivals = [key for key in known if key.endswith(f"/{name}")]
    if rivals:
        raise PluginError(f"{kind} {name!r} is ambiguous: write {' or '.join(rivals)}")
    failed = [plugin for plugin in plugins if plugin.error]
    for plugin in failed:
        whole = name.startswith((f"{plugin.package}/", plugin.name))
        about = [line for line in (plugin.error, *plugin.remarks) if f" {name}: " in line]
        if whole or about:
            line = about[0] if about else plugin.error
            raise PluginError(f"plug-in {plugin.name} failed: {line}")
    hint = "(see `gpteval tasks`)" if "task" in kind else f"(known: {', '.join(known)})"
    if failed:
        hint += f"; plug-in {failed[0].name} failed: {failed[0].error}"
    raise UnknownNameError(kind, name, known, hint)
