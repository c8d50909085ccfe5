"""Finds plug-ins, keeps them apart, and answers "which tasks, which models, which metrics".

Entry points are loaded one by one: pluggy's own loader stops at the first broken plug-in and skips a
second entry point of the same name. A plug-in that fails stays listed with its reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

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
        """Every task by name; of a plug-in also as package/name.

        Raises:
            PluginError: Two packages register tasks of one name.
        """
        return self._collect("task", "gpteval_register_tasks")

    def models(self) -> dict[str, ModelFamily]:
        """Every model family by name; of a plug-in also as package/name."""
        return self._collect("model family", "gpteval_register_models")

    def metrics(self) -> dict[str, Any]:
        """Every metric that a plug-in adds, by name."""
        found: dict[str, Any] = {}
        for addition in self._manager.hook.gpteval_register_metrics():
            found.update(addition)
        return found

    def add_commands(self, cli: click.Group) -> None:
        """Let plug-ins add their commands."""
        self._manager.hook.gpteval_register_commands(cli=cli)

    def run_finished(self, results: Any) -> None:
        """Tell plug-ins that a run is over."""
        self._manager.hook.gpteval_run_finished(results=results)

    def owners(self) -> dict[str, Plugin]:
        """The plug-in behind every task name."""
        rows = self._offers("gpteval_register_tasks")
        return {item.name: plugin for plugin, item in rows}

    def select(self, names: Iterable[str]) -> list[Task]:
        """Tasks named by name, package/name or group, in registration order, each once.

        Raises:
            UnknownNameError: A name that is neither, with the nearest that is.
        """
        tasks = self.tasks()
        bare = {id(t): t for t in tasks.values()}
        groups = {g for t in bare.values() for g in t.groups} | {"all"}
        chosen: set[int] = set()
        for name in names:
            members = [t for t in bare.values() if name in (*t.groups, "all")]
            if name in tasks:
                members = [tasks[name]]
            if not members:
                raise UnknownNameError(
                    "task or group", name, [*tasks, *groups], "(see `gpteval tasks`)"
                )
            chosen |= {id(t) for t in members}
        return [task for key, task in bare.items() if key in chosen]

    def _offers(self, hook: str) -> list[tuple[Plugin, Any]]:
        """What each plug-in returns from a registering hook, built-ins first, one row an item."""
        rows: list[tuple[Plugin, Any]] = []
        for plugin in self.plugins:
            implementation = getattr(self._manager.get_plugin(plugin.name), hook, None)
            if not plugin.error and implementation is not None:
                rows += [(plugin, item) for item in implementation()]
        return rows

    def _collect(self, noun: str, hook: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        holder: dict[str, Plugin] = {}
        for plugin, item in self._offers(hook):
            qualified = f"{plugin.package}/{item.name}"
            if item.name in holder:
                other = holder[item.name]
                raise PluginError(
                    f"{noun} {item.name!r} is registered by {other.package} and by "
                    f"{plugin.package}: uninstall one, or leave one out with GPTEVAL_PLUGINS"
                )
            holder[item.name] = plugin
            found[item.name] = item
            if plugin.package != OWN:
                found[qualified] = item
        return found


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
