"""Finds plug-ins, keeps them apart, and answers "which tasks, which models, which metrics".

Entry points are loaded one by one: pluggy's own loader stops at the first broken plug-in and skips
a second entry point of the same name. A plug-in that fails stays listed with its reason.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, NoReturn

import pluggy

from gpteval import hookspecs
from gpteval.errors import PluginError, UnknownNameError

if TYPE_CHECKING:
    import click

    from gpteval.model import ModelFamily
    from gpteval.task import Task

GROUP = "gpteval"
OWN = "gpteval"
"""The distribution whose names need no qualifier."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point: loaded, or failed with its reason in `error`."""

    name: str
    package: str
    version: str
    module: str
    hooks: tuple[str, ...] = ()
    error: str = ""


class Registry:
    """The plug-ins of one process and what they registered."""

    def __init__(self, points: Iterable[EntryPoint] | None = None) -> None:
        """Load `points`, by default those of the installed packages that `GPTEVAL_PLUGINS` admits.

        `GPTEVAL_PLUGINS=` (empty) admits only the built-ins; `GPTEVAL_PLUGINS=a,b` the packages
        named; unset, all. `GPTEVAL_STRICT_PLUGINS=1` raises on the first that fails.
        """
        self._manager = pluggy.PluginManager("gpteval")
        self._manager.add_hookspecs(hookspecs)
        self._asked: dict[str, list[tuple[Plugin, Any]]] = {}
        self.plugins = [self._load(p) for p in (installed() if points is None else points)]

    def _load(self, point: EntryPoint) -> Plugin:
        package, version = _distribution(point)
        name = f"{package}:{point.name}"
        try:
            module = point.load()
            self._manager.register(module, name)
            self._manager.check_pending()
        except Exception as error:  # a stranger's import may raise anything
            if os.environ.get("GPTEVAL_STRICT_PLUGINS") == "1":
                raise PluginError(f"plug-in {name} failed: {_reason(error)}") from error
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            return Plugin(name, package, version, point.value, error=_reason(error))
        hooks = sorted(c.name for c in self._manager.get_hookcallers(module) or [])
        return Plugin(name, package, version, point.value, tuple(hooks))

    def tasks(self) -> dict[str, Task]:
        """Every task by name; where two packages use one name, each by package/name."""
        return {
            name: item if item.name == name else replace(item, name=name)
            for name, (_, item) in self._named("gpteval_register_tasks").items()
        }

    def models(self) -> dict[str, ModelFamily]:
        """Every model family by name; where two packages use one name, each by package/name."""
        return {name: item for name, (_, item) in self._named("gpteval_register_models").items()}

    def metrics(self) -> dict[str, Any]:
        """Every metric that a plug-in adds, by name."""
        found: dict[str, Any] = {}
        for addition in self._manager.hook.gpteval_register_metrics():
            found.update(addition)
        return found

    def versions(self) -> dict[str, str]:
        """Package → version of every plug-in that loaded."""
        return {plugin.package: plugin.version for plugin in self.plugins if not plugin.error}

    def add_commands(self, cli: click.Group) -> None:
        """Let plug-ins add their commands."""
        self._manager.hook.gpteval_register_commands(cli=cli)

    def run_finished(self, results: Any) -> None:
        """Tell plug-ins that a run is over."""
        self._manager.hook.gpteval_run_finished(results=results)

    def owners(self) -> dict[str, Plugin]:
        """The plug-in behind every task, by the names of `tasks`."""
        return {name: plugin for name, (plugin, _) in self._named("gpteval_register_tasks").items()}

    def select(self, names: Iterable[str]) -> list[Task]:
        """Tasks named by name, package/name or group, in registration order, each once.

        "all" is the suite: every task but those that say they are no part of it.

        Raises:
            UnknownNameError: A name that nobody registered, with the nearest that somebody did.
            PluginError: A name that two packages use.
        """
        tasks, owners = self.tasks(), self.owners()
        groups = sorted({group for task in tasks.values() for group in task.groups})
        chosen: set[str] = set()
        for name in names:
            members = {
                key
                for key, task in tasks.items()
                if name in (key, f"{owners[key].package}/{key}", *task.groups)
                or (name == "all" and task.suite)
            }
            if not members:
                self._refuse(name, [*tasks, *groups, "all"])
            chosen |= members
        return [task for key, task in tasks.items() if key in chosen]

    def _refuse(self, name: str, known: list[str]) -> NoReturn:
        """Say why no task answers to `name`."""
        rivals = [key for key in known if key.endswith(f"/{name}")]
        if rivals:
            raise PluginError(f"task {name!r} is ambiguous: write {' or '.join(rivals)}")
        failed = [plugin for plugin in self.plugins if plugin.error and plugin.package in name]
        if failed:
            raise PluginError(f"plug-in {failed[0].name} failed to load: {failed[0].error}")
        raise UnknownNameError("task or group", name, known, "(see `gpteval tasks`)")

    def _offers(self, hook: str) -> list[tuple[Plugin, Any]]:
        """What each plug-in returns from a registering hook, built-ins first, one row an item."""
        rows: list[tuple[Plugin, Any]] = []
        for plugin in self.plugins:
            implementation = getattr(self._manager.get_plugin(plugin.name), hook, None)
            if not plugin.error and implementation is not None:
                rows += [(plugin, item) for item in implementation()]
        return rows

    def _named(self, hook: str) -> dict[str, tuple[Plugin, Any]]:
        """Offers by name, by package/name where a name is used twice; asked for once."""
        if hook not in self._asked:
            self._asked[hook] = self._offers(hook)
        offers = self._asked[hook]
        uses = Counter(item.name for _, item in offers)
        return {
            item.name if uses[item.name] == 1 else f"{plugin.package}/{item.name}": (plugin, item)
            for plugin, item in offers
        }


def installed() -> list[EntryPoint]:
    """The entry points of group `gpteval`: built-ins first, then by package name."""
    admitted = os.environ.get("GPTEVAL_PLUGINS")
    names = None if admitted is None else {n.strip() for n in admitted.split(",")}
    points = sorted(entry_points(group=GROUP), key=lambda p: (_distribution(p)[0], p.name))
    own = [p for p in points if _distribution(p)[0] == OWN]
    other = [p for p in points if _distribution(p)[0] != OWN]
    return own + [p for p in other if names is None or _distribution(p)[0] in names]


@cache
def registry() -> Registry:
    """The registry of this process, made on first use."""
    return Registry()


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "0")


def _reason(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"
