"""Answers "which tasks, models, metrics, suites, recipes", and which of two of one name.

A built-in keeps its bare name whatever a stranger calls his. What is offered is checked
(`offers.py`) before anybody sees it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval import hookspecs
from gpteval.errors import GptevalError, PluginError
from gpteval.loading import COMMANDS, OWN, REGISTERS, Plugin, Plugins
from gpteval.naming import Names, misnamed, refuse
from gpteval.plugin_source import Offered

if TYPE_CHECKING:
    import click

    from gpteval.config import FinetuneConfig
    from gpteval.metric import Metric
    from gpteval.model import ModelFamily
    from gpteval.task import Suite, Task

logger = logging.getLogger(__name__)

SESSION = "session"
"""The plug-in of the tasks that were given as values, from Python."""

OFFERS = tuple(name for name in vars(hookspecs) if name.startswith(REGISTERS) and name != COMMANDS)
"""The hooks that offer something by name."""


class Registry(Plugins):
    """What the plug-ins of one process offer."""

    def __init__(self, points: Iterable[EntryPoint] | None = None) -> None:
        """Load `points`, as `Plugins` does."""
        super().__init__(points)
        self._adopted = Offered()
        self._named: dict[str, dict[str, tuple[Plugin, Any]]] = {}

    def add_file(self, path: Path) -> Plugin:
        """As `Plugins` does, and check all it offers: a file was asked for by name."""
        self._named.clear()
        plugin = super().add_file(path)
        for hook in OFFERS:
            self._of(hook)
        row = self._sound(plugin)
        for line in row.remarks:
            logger.warning("%s: %s", row.name, line)
        return row

    def adopt(self, task: Task) -> None:
        """Know a task that no package offers, given as a value; another of its name is replaced.

        Raises:
            PluginError: A plug-in has one of that name, or it is no task that can be measured.
        """
        known = self.tasks().get(task.name)
        if known == task:
            return
        if known is not None and self.owners()[task.name].name != SESSION:
            owner = self.owners()[task.name].package
            raise PluginError(
                f"task {task.name!r} is another one of {owner}: give yours a name of its own"
            )
        if wrong := self.fault("gpteval_register_tasks", task.name, task):
            raise PluginError(f"task {task.name!r}: {wrong}")
        self._adopted.tasks[task.name] = task
        if SESSION not in self._rows:
            self._register(Plugin(SESSION, SESSION, "0", ""), lambda: self._adopted)
        self._named.clear()

    def tasks_of(self, plugin: Plugin) -> list[str]:
        """Names of the tasks that one plug-in offers."""
        return self.offered(plugin)["tasks"]

    def offered(self, plugin: Plugin) -> dict[str, list[str]]:
        """Kind ("tasks", "models", "metrics", …) → the names of what one plug-in offers."""
        return {
            hook.removeprefix(REGISTERS): [
                name for name, (owner, _) in self._of(hook).items() if owner.name == plugin.name
            ]
            for hook in OFFERS
        }

    def file_digest(self, task: str) -> str:
        """SHA-256 of the file that defines a task; "" where a package does."""
        owner = self.owners().get(task)
        return owner.digest if owner else ""

    def _offers(self, hook: str) -> list[tuple[Plugin, str, Any]]:
        """Plug-in, name and item of everything sound that a registering hook returns."""
        offers: list[tuple[Plugin, str, Any]] = []
        for plugin, items in self.called(hook):
            names: set[str] = set()
            for given, item in items or []:
                where, looked = hook.removeprefix("gpteval_"), None
                with self._own_fault(plugin, where):
                    looked = self._looked_at(plugin, hook, given, item)
                if looked is None:
                    continue
                offered, name, wrong = looked
                wrong = wrong or (f"{name!r} twice" if name in names else "")
                if wrong:
                    what = "" if misnamed(name) else f" {name}"
                    self.note(plugin, f"{where}{what}: {wrong}", failed=True)
                    continue
                names.add(name)
                offers.append((plugin, name, offered))
        return offers

    def _looked_at(self, plugin: Plugin, hook: str, given: str, item: Any) -> tuple[Any, str, str]:
        """An item as it is used, its name, and what is wrong with it."""
        offered = _named(hook, given, item)
        name = given or str(getattr(offered, "name", ""))
        # Our own are held to the same by a test; it is a tenth of the time of a listing.
        if plugin.package == OWN:
            return offered, name, ""
        wrong = self.fault(hook, name, offered)
        if not wrong and plugin.name != SESSION:
            from gpteval.offers import guarded

            offered = guarded(offered, f"{_kind(hook)} {name!r} of {plugin.package}")
        return offered, name, wrong

    def fault(self, hook: str, name: str, item: Any) -> str:
        """What is wrong with an item that a hook offers by this name; "" where nothing is."""
        from gpteval.offers import KINDS, fault
        from gpteval.task import Suite, Task

        wrong = fault(item, KINDS[hook]) or misnamed(name)
        if not wrong and isinstance(item, Task):
            wrong = self._unmeasured(item)
        if not wrong and isinstance(item, Suite):
            wrong = self._unmet(item)
        return wrong

    def _of(self, hook: str) -> dict[str, tuple[Plugin, Any]]:
        """Offers by name; asked for once.

        A built-in keeps its bare name, and a stranger's of that name is package/name. Strangers'
        of one name are each package/name.
        """
        if hook not in self._named:
            offers = self._offers(hook)
            owners: dict[str, list[Plugin]] = {}
            for plugin, name, _ in offers:
                owners.setdefault(name, []).append(plugin)
            table: dict[str, tuple[Plugin, Any]] = {}
            for plugin, name, item in offers:
                rivals = [other.package for other in owners[name] if other is not plugin]
                if rivals and plugin.package != OWN:
                    own = f"{plugin.package}/{name}"
                    self.note(plugin, f"{name!r} is a name of {', '.join(rivals)} too: write {own}")
                    table[own] = plugin, item
                else:
                    table[name] = plugin, item
            self._named[hook] = table
        return self._named[hook]

    def _get(self, hook: str, kind: str, name: str) -> Any:
        """The item of that name or package/name.

        Raises:
            UnknownNameError: Nobody offers it, with the nearest that somebody does.
            PluginError: Several do, or the package that should failed.
        """
        table = self._of(hook)
        named = ((key, f"{plugin.package}/{key}") for key, (plugin, _) in table.items())
        key = next((key for key, qualified in named if name in (key, qualified)), None)
        if key is None:
            refuse(kind, name, list(table), self.plugins)
        return table[key][1]

    def _items(self, hook: str) -> dict[str, Any]:
        """What is offered, by name."""
        return {name: item for name, (_, item) in self._of(hook).items()}

    def tasks(self) -> dict[str, Task]:
        """Every task by name; a name used twice: by package/name but for a built-in's."""
        return {
            name: item if item.name == name else replace(item, name=name)
            for name, item in self._items("gpteval_register_tasks").items()
        }

    def models(self) -> dict[str, ModelFamily]:
        """Every model family by name."""
        return self._items("gpteval_register_models")

    def metrics(self) -> dict[str, Metric]:
        """Every metric by name."""
        return self._items("gpteval_register_metrics")

    def metric(self, name: str) -> Metric:
        """The metric of that name; raises as `select` does."""
        metric: Metric = self._get("gpteval_register_metrics", "metric", name)
        return metric

    def suites(self) -> dict[str, Suite]:
        """Every suite by name."""
        return self._items("gpteval_register_suites")

    def recipes(self) -> dict[str, FinetuneConfig]:
        """Every recipe by name."""
        return self._items("gpteval_register_recipes")

    def recipe(self, name: str) -> FinetuneConfig:
        """The recipe of that name; raises as `select` does."""
        recipe: FinetuneConfig = self._get("gpteval_register_recipes", "recipe", name)
        return recipe

    def versions(self) -> dict[str, str]:
        """Package → version of every plug-in that loaded."""
        return {p.package: p.version for p in self.plugins if p.hooks and p.module}

    def check(self) -> list[Plugin]:
        """Every plug-in, after each was asked for all it offers: so all failures are known."""
        for hook in OFFERS:
            self._of(hook)
        return self.plugins

    def add_commands(self, add: Callable[[Plugin, click.Group], None]) -> None:
        """Have every plug-in put its commands into a group of its own, and hand it over."""
        import click

        implementations = self._manager.hook.gpteval_register_commands.get_hookimpls()
        if not implementations:
            return
        group = click.Group()
        for plugin, _ in self.called("gpteval_register_commands", cli=group):
            with self._own_fault(plugin, "register_commands"):
                add(plugin, group)
            group.commands.clear()

    def run_finished(self, results: Sequence[Any]) -> None:
        """Tell plug-ins that a run is over; one that fails is told, and changes nothing."""
        for plugin, _ in self.called("gpteval_run_finished", results=tuple(results)):
            row = self._rows[plugin.name]
            for line in (row.error, *row.remarks):
                if line.startswith("run_finished: "):
                    logger.warning("plug-in %s: %s; the results are written", plugin.name, line)

    @contextmanager
    def guard(self, hook: str, name: str) -> Iterator[None]:
        """Turn what comes of using an offered item into one line that names its package.

        Its functions are guarded by themselves; this is for what they return. `hook` offers the
        item by `name`.

        Raises:
            PluginError: What a stranger's item raised, but for errors of gpteval's own.
        """
        from gpteval.offers import blamed

        plugin, _ = self._of(hook).get(name, (None, None))
        stranger = plugin is not None and plugin.package != OWN
        whose = f"{_kind(hook)} {name!r} of {plugin.package}" if plugin and stranger else ""
        with blamed(whose) if whose else nullcontext():
            yield

    def package_of(self, hook: str, name: str) -> str:
        """Package and version that offer an item by this name or package/name; "" for our own."""
        for known, (plugin, _) in self._of(hook).items():
            if name in (known, f"{plugin.package}/{known}"):
                return "" if plugin.package == OWN else f"{plugin.package} {plugin.version}"
        return ""

    def owners(self) -> dict[str, Plugin]:
        """The plug-in behind every task, by the names of `tasks`."""
        table = self._of("gpteval_register_tasks")
        return {name: self._rows[plugin.name] for name, (plugin, _) in table.items()}

    @property
    def task_names(self) -> Names:
        """What the tasks answer to."""
        packages = {name: plugin.package for name, plugin in self.owners().items()}
        return Names(self.tasks().values(), packages)

    def select(self, names: Iterable[str]) -> list[Task]:
        """Tasks by name, package/name, alias, group or pattern, in registration order, each once.

        Case and punctuation make no difference where no name is written so: SST-2 is sst2. "all" is
        every task there is.

        Raises:
            UnknownNameError: A name that nobody registered, with the nearest that somebody did.
            PluginError: A name that two packages use, or of a package that failed.
        """
        known, chosen = self.task_names, set[str]()
        for name in names:
            tasks = known.tasks(name)
            if not tasks:
                refuse("task or group", name, known.known, self.plugins, "(see `gpteval tasks`)")
            chosen |= tasks
        return [task for key, task in self.tasks().items() if key in chosen]

    def named(self, names: Iterable[str]) -> set[str]:
        """The tasks that are named by themselves, not as part of a group or a pattern."""
        known = self.task_names
        return set().union(*(known.alone(name) for name in names))

    def _unmeasured(self, task: Task) -> str:
        """Why a task's metrics can't be computed; "" where they can."""
        try:
            for name in task.metrics:
                self.metric(name)
        except GptevalError as error:
            return str(error)
        return ""

    def _unmet(self, suite: Suite) -> str:
        """Why a suite can't be averaged: a task or a metric of it that there is not."""
        tasks = self.tasks()
        for name, metrics in suite.members.items():
            if name not in tasks:
                return f"no task {name!r}"
            if without := [metric for metric in metrics if metric not in tasks[name].metrics]:
                return f"task {name!r} has no metric {without[0]!r}"
        return ""


def _kind(hook: str) -> str:
    """The noun of what a hook offers."""
    return hook.removeprefix(REGISTERS).removesuffix("s")


def _named(hook: str, name: str, item: Any) -> Any:
    """What a hook offers, with the name it is offered by where it may have none of its own."""
    if hook != "gpteval_register_metrics":
        return item
    from gpteval.metric import as_metric

    return as_metric(name, item)


@cache
def registry() -> Registry:
    """The registry of this process, made on first use."""
    return Registry()
