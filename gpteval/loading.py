"""Finds plug-ins, loads each by itself, and keeps what goes wrong in one on its own row.

Entry points are loaded one by one: pluggy's own loader stops at the first broken plug-in and skips
a second entry point of the same name. Whatever a plug-in's code raises, at loading or later, is
that plug-in's failure: it stays listed with its reason, and nothing else is lost.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, distributions, entry_points
from typing import Any

import pluggy

from gpteval import hookspecs
from gpteval.errors import PluginError
from gpteval.text import one_line

GROUP = "gpteval"
OWN = "gpteval"
"""The distribution whose names need no qualifier."""
STRICT = "GPTEVAL_STRICT_PLUGINS"
REGISTERS = "gpteval_register_"
COMMANDS = "gpteval_register_commands"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point.

    Attributes:
        name: "package:entry point".
        package, version, module: Where it comes from.
        hooks: Those it implements.
        error: Why it, or the first of its hooks that did, failed; "" where nothing did.
        remarks: What else its user should know: further failures, names that others use too.
    """

    name: str
    package: str
    version: str
    module: str
    hooks: tuple[str, ...] = ()
    error: str = ""
    remarks: tuple[str, ...] = ()


class Plugins:
    """The plug-ins of one process, each with what is known of its failures."""

    def __init__(self, points: Iterable[EntryPoint] | None = None) -> None:
        """Load `points`, by default those of the installed packages that `GPTEVAL_PLUGINS` admits.

        `GPTEVAL_PLUGINS=` (empty) admits only the built-ins; `GPTEVAL_PLUGINS=a,b` the packages
        named; unset, all. `GPTEVAL_STRICT_PLUGINS=1` raises on the first that fails.
        """
        self._manager = pluggy.PluginManager("gpteval")
        self._manager.add_hookspecs(hookspecs)
        self._rows: dict[str, Plugin] = {}
        entry_points, damaged = installed() if points is None else (points, ())
        for point in entry_points:
            self._load(point)
        self._rows |= {row.name: row for row in damaged}

    @property
    def plugins(self) -> list[Plugin]:
        """Every plug-in in the order they were found, with what is known of its failures."""
        return list(self._rows.values())

    def _load(self, point: EntryPoint) -> None:
        package, version = _distribution(point)
        plugin = Plugin(f"{package}:{point.name}", package, version, point.value)
        self._rows[plugin.name] = plugin
        with self._own_fault(plugin, "import"):
            module = point.load()
            try:
                self._manager.register(module, plugin.name)
                self._manager.check_pending()
            except BaseException:
                if self._manager.has_plugin(plugin.name):
                    self._manager.unregister(name=plugin.name)
                raise
            hooks = sorted(c.name for c in self._manager.get_hookcallers(module) or [])
            self._rows[plugin.name] = replace(self._rows[plugin.name], hooks=tuple(hooks))

    @contextmanager
    def _own_fault(self, plugin: Plugin, where: str) -> Iterator[None]:
        """Put on a plug-in's row whatever its code raises or prints; nobody else is disturbed."""
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's code may raise anything, SystemExit too
            self.note(plugin, f"{where}: {reason(error)}", failed=True)
        if line := printed.getvalue().strip():
            self.note(plugin, f"{where}: prints {line.splitlines()[0]!r:.60}")

    def note(self, plugin: Plugin, line: str, *, failed: bool = False) -> None:
        """Write a line on a plug-in's row: its error if it is the first failure, else a remark."""
        row = self._rows[plugin.name]
        if failed and os.environ.get(STRICT) == "1":
            raise PluginError(f"plug-in {plugin.name} failed: {line}")
        if failed and not row.error:
            row = replace(row, error=line)
        elif line not in (row.error, *row.remarks):
            row = replace(row, remarks=(*row.remarks, line))
        self._rows[plugin.name] = row

    def called(self, hook: str, **arguments: Any) -> Iterator[tuple[Plugin, Any]]:
        """Call every plug-in's implementation of a hook, built-ins first; failed ones are noted."""
        hooked = getattr(self._manager.hook, hook).get_hookimpls()
        implementations = {made.plugin_name: made for made in hooked}
        for plugin in self.plugins:
            implementation = implementations.get(plugin.name)
            if implementation is None:
                continue
            given = [arguments[name] for name in implementation.argnames]
            answer: Any = None
            with self._own_fault(plugin, hook.removeprefix("gpteval_")):
                returned = implementation.function(*given)
                registers = hook.startswith(REGISTERS) and hook != COMMANDS
                answer = items(returned) if registers else returned  # a generator fails here
            yield plugin, answer


def items(answer: Any) -> list[tuple[str, Any]]:
    """What a registering hook returned, as pairs of a name, where it gives one, and an item."""
    if isinstance(answer, Mapping):
        return [(str(name), item) for name, item in answer.items()]
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise TypeError(f"returns {answer!r:.40}, not a list or a mapping")
    return [("", item) for item in answer]


def installed() -> tuple[list[EntryPoint], list[Plugin]]:
    """The entry points of group `gpteval`, and the packages whose entry points can't be read.

    Built-ins come first, then by package name.
    """
    admitted = os.environ.get("GPTEVAL_PLUGINS")
    names = None if admitted is None else {n.strip() for n in admitted.split(",")}
    try:
        points, damaged = list(entry_points(group=GROUP)), list[Plugin]()
    except Exception:  # one damaged package hides all others from `entry_points`
        points, damaged = _one_by_one()
    points.sort(key=lambda p: (_distribution(p)[0], p.name))
    own = [p for p in points if _distribution(p)[0] == OWN]
    other = [p for p in points if _distribution(p)[0] != OWN]
    return own + [p for p in other if names is None or _distribution(p)[0] in names], damaged


def _one_by_one() -> tuple[list[EntryPoint], list[Plugin]]:
    """As `installed`, package by package; of two of one name on the path the first counts."""
    points: dict[str, list[EntryPoint]] = {}
    damaged: dict[str, Plugin] = {}
    for number, distribution in enumerate(distributions()):
        name = f"package {number}"
        try:
            name = distribution.name
            own = [point for point in distribution.entry_points if point.group == GROUP]
            points.setdefault(name, own)
        except Exception as error:  # whatever half-written metadata makes of its reader
            damaged.setdefault(
                name, Plugin(name, name, "0", "", error=f"metadata: {reason(error)}")
            )
    return [point for same in points.values() for point in same], list(damaged.values())


def _distribution(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the package; a damaged one has none."""
    try:
        name, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    except Exception:  # metadata that pip left half-written
        name, version = "", ""
    return name or "unknown", version or "0"


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    first = (str(error).splitlines() or [""])[0]
    return one_line(f"{type(error).__name__}: {first}")
