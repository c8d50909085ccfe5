"""What a name means: a task by itself or a group; and why nothing answers to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

from gpteval.errors import PluginError, UnknownNameError
from gpteval.loading import Plugin
from gpteval.task import Task


def by_itself(names: Iterable[str], *tasks: Task) -> bool:
    """Whether names as they were typed name one of the tasks by itself, not only as a group's."""
    own = {task.name for task in tasks}
    return any(name in own or name.rpartition("/")[2] in own for name in names)


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
