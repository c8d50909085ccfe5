"""What a name may be and stands for, and why nothing answers to one.

It is misspelt, of two packages, or of one that failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NoReturn

from gpteval.errors import PluginError, UnknownNameError
from gpteval.loading import Plugin

if TYPE_CHECKING:
    from gpteval.task import Task

ALL = "all"
"""Names every task there is; a method leaves out, and names, those it can't measure."""

PUNCTUATION = re.compile(r"[^\w/]|_")
"""What people put into a name, or leave out: SST-2, sst2, Breaking NLI, breaking_nli."""


def plain(name: str) -> str:
    """A name without case and punctuation; a package's stays apart from what it offers."""
    return PUNCTUATION.sub("", name.casefold())


def is_pattern(name: str) -> bool:
    """Whether a name stands for all that match it: mnli*, blimp_?, [a-c]*."""
    return any(mark in name for mark in "*?[")


def spelt(name: str, known: Iterable[str]) -> list[str]:
    """The known names that a name stands for.

    It is one of them; or a pattern, without regard to case; or one in another spelling.
    """
    names = list(known)
    if name in names:
        return [name]
    if is_pattern(name):
        return [own for own in names if fnmatchcase(own.casefold(), name.casefold())]
    return [own for own in names if plain(own) == plain(name)]


class Names:
    """The names that tasks answer to.

    A name as it is written goes before other spellings, a task's own before another's alias.
    """

    def __init__(self, tasks: Iterable[Task], packages: Mapping[str, str]) -> None:
        """`packages`: task → the package that offers it."""
        self._own: dict[str, set[str]] = {}
        self._aliases: dict[str, set[str]] = {}
        self._groups: dict[str, set[str]] = {}
        for task in tasks:
            key = task.name
            for name in (key, f"{packages[key]}/{key}"):
                self._own.setdefault(name, set()).add(key)
            for name in task.aliases:
                self._aliases.setdefault(name, set()).add(key)
            for name in (ALL, *task.groups):
                self._groups.setdefault(name, set()).add(key)

    def tasks(self, name: str) -> set[str]:
        """The tasks that a name or a pattern of names stands for; none where it is unknown.

        Raises:
            PluginError: It is the other spelling of several names.
        """
        if is_pattern(name):
            return set().union(*(self._own[own] for own in spelt(name, self._own)))
        shared = {own: self._own.get(own, set()) | tasks for own, tasks in self._groups.items()}
        words = {**self._aliases, **self._own, **shared}
        meant = {frozenset(words[own]): own for own in spelt(name, words)}
        if len(meant) > 1:
            raise PluginError(f"task {name!r} is ambiguous: write {' or '.join(meant.values())}")
        return set(*meant)

    def alone(self, name: str) -> set[str]:
        """The task that a name means by itself, not as one of a group or a pattern."""
        words = {**self._aliases, **self._own}
        return set().union(*(words[own] for own in spelt(name, words) if not is_pattern(name)))

    @property
    def known(self) -> list[str]:
        """Tasks, then groups."""
        return [*(name for name, own in self._own.items() if name in own), *sorted(self._groups)]


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def misnamed(name: str) -> str:
    """What is wrong with the name that something is offered by; "" where nothing is."""
    fits = NAME.fullmatch(name)
    return "" if fits else f"name {name!r:.40} is not of letters, digits, _ - and ."


def refuse(
    kind: str, name: str, known: Sequence[str], plugins: Iterable[Plugin], hint: str = ""
) -> NoReturn:
    """Say why nothing answers to a name.

    Args:
        kind: The noun shown to the user.
        name: As it was typed.
        known: Names that would have worked.
        plugins: All there are, those that failed among them.
        hint: Where to look, in parentheses; default: the names.

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
    hint = hint or f"(known: {', '.join(known)})"
    if len(failed) == 1:
        hint += f"; plug-in {failed[0].name} failed: {failed[0].error}"
    elif failed:
        hint += f"; plug-ins {', '.join(p.name for p in failed)} failed: `gpteval plugins` says why"
    raise UnknownNameError(kind, name, known, hint)
