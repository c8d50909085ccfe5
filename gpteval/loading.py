"""Finds plug-ins, loads each by itself, and keeps what goes wrong in one on its own row.

Entry points are loaded one by one: pluggy's own loader stops at the first broken plug-in and skips
a second entry point of the same name. Whatever a plug-in's code raises, at loading or later, is
that plug-in's failure: it stays listed with its reason, and nothing else is lost.
"""

from __future__ import annotations

import difflib
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import Path
from traceback import walk_tb
from typing import Any

import pluggy

from gpteval import hookspecs
from gpteval.errors import PluginError, UnknownNameError
from gpteval.plugin_source import from_file, module_text, refuse_other_api
from gpteval.text import one_line

GROUP = "gpteval"
OWN = "gpteval"
"""The distribution whose names need no qualifier."""
STRICT = "GPTEVAL_STRICT_PLUGINS"
REGISTERS = "gpteval_register_"
COMMANDS = "gpteval_register_commands"
ADMITTED = "GPTEVAL_PLUGINS"
HEAVY = {"torch", "datasets", "transformers", "sklearn", "scipy"}
"""What a module that only offers something need not import."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point.

    Attributes:
        name: "package:entry point".
        package, version, module: Where it comes from.
        hooks: Those it implements.
        error: Why it, or the first of its hooks that did, failed; "" where nothing did.
        remarks: What else its user should know: further failures, names that others use too.
        digest: SHA-256 of what it defines, where it is one file that no package installed.
    """

    name: str
    package: str
    version: str
    module: str
    hooks: tuple[str, ...] = ()
    error: str = ""
    remarks: tuple[str, ...] = ()
    digest: str = ""


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
        if points is None:
            self._tell_unmatched()

    @property
    def plugins(self) -> list[Plugin]:
        """Every plug-in in the order they were found, with what is known of its failures."""
        return list(self._rows.values())

    def _load(self, point: EntryPoint) -> None:
        package, version = _distribution(point)
        plugin = Plugin(f"{package}:{point.name}", package, version, point.value)

        def load() -> object:
            if package != OWN:
                refuse_other_api(module_text(point.module))
            return point.load()

        self._register(plugin, load)

    def _tell_unmatched(self) -> None:
        """Warn of a name in GPTEVAL_PLUGINS that no package has: it may be misspelt."""
        packages = {plugin.package for plugin in self.plugins}
        known = set(map(_plain, packages))
        for name in sorted(_admitted() or ()):
            if name and _plain(name) not in known:
                offering = {_plain(_distribution(point)[0]) for point in _points()[0]} - {OWN}
                close = difflib.get_close_matches(_plain(name), offering, 1, 0.5)
                logger.warning(
                    "%s names %r, and no installed package of that name is a plug-in%s",
                    ADMITTED,
                    name,
                    f"; did you mean {close[0]!r}?" if close else " (see `pip list`)",
                )

    def add_file(self, path: Path) -> Plugin:
        """Load a plug-in that is one file: Python with hooks, or a task told by its columns (TOML).

        Raises:
            PluginError: It fails, or another file of that name was loaded.
            GptevalError: It can't be read.
        """
        load, identity = from_file(path)
        place = str(path.absolute())
        plugin = Plugin(path.name, path.name, identity[:12], place, digest=identity)
        earlier = self._rows.get(plugin.name)
        if earlier is not None and earlier.module != place:
            raise PluginError(f"{path}: another plug-in is called {path.name!r}: rename one")
        if earlier is not None:
            self._remove(earlier)
        self._register(plugin, load)
        return self._sound(plugin)

    def _sound(self, plugin: Plugin) -> Plugin:
        """A plug-in that was asked for, as its row stands.

        Raises:
            PluginError: It failed; it is then forgotten.
        """
        row = self._rows[plugin.name]
        if row.error:
            self._remove(row)
            raise PluginError(f"plug-in {row.module} failed: {row.error}")
        return row

    def _remove(self, plugin: Plugin) -> None:
        self._rows.pop(plugin.name)
        if self._manager.has_plugin(plugin.name):
            self._manager.unregister(name=plugin.name)

    def _register(self, plugin: Plugin, load: Callable[[], object]) -> None:
        """Load a plug-in and have its hooks called; what goes wrong stays on its row."""
        self._rows[plugin.name] = plugin
        before = set(sys.modules)
        with self._own_fault(plugin, "import"):
            module = load()
            if heavy := sorted(HEAVY & (set(sys.modules) - before)):
                self.note(
                    plugin,
                    f"import: imports {heavy[0]}, so that every command takes seconds longer: "
                    "import it in the function that uses it",
                )
            try:
                self._manager.register(module, plugin.name)
                self._refuse_unknown(module)
            except BaseException:
                if self._manager.has_plugin(plugin.name):
                    self._manager.unregister(name=plugin.name)
                raise
            hooks = sorted(c.name for c in self._manager.get_hookcallers(module) or [])
            self._rows[plugin.name] = replace(self._rows[plugin.name], hooks=tuple(hooks))

    def _refuse_unknown(self, module: object) -> None:
        """Refuse a hook that there is not, which would never be called.

        Raises:
            UnknownNameError: With the nearest that there is.
        """
        known = [name for name in vars(hookspecs) if name.startswith("gpteval_")]
        for caller in self._manager.get_hookcallers(module) or []:
            wanted = [made for made in caller.get_hookimpls() if not made.optionalhook]
            if wanted and not caller.has_spec():
                raise UnknownNameError("hook", caller.name, known)

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

    def author(self, error: BaseException) -> Plugin | None:
        """The stranger's plug-in in whose code an error arose, or was passed on last; or none."""
        authors = {p.module.partition(":")[0].partition(".")[0]: p for p in self.plugins}
        files = {plugin.module: plugin for plugin in self.plugins if plugin.digest}
        last: Plugin | None = None
        for frame, _ in walk_tb(error.__traceback__):
            name = str(frame.f_globals.get("__name__")).partition(".")[0]
            last = authors.get(name) or files.get(frame.f_code.co_filename) or last
        return None if last is None or last.package == OWN else last

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
    admitted = _admitted()
    names = None if admitted is None else set(map(_plain, admitted))
    points, damaged = _points()
    points.sort(key=lambda p: (_distribution(p)[0], p.name))
    own = [p for p in points if _distribution(p)[0] == OWN]
    other = [p for p in points if _distribution(p)[0] != OWN]
    return own + [
        p for p in other if names is None or _plain(_distribution(p)[0]) in names
    ], damaged


def _points() -> tuple[list[EntryPoint], list[Plugin]]:
    """As `installed`, in any order and whatever is admitted."""
    try:
        return list(entry_points(group=GROUP)), []
    except Exception:  # one damaged package hides all others from `entry_points`
        return _one_by_one()


def _admitted() -> set[str] | None:
    """The packages that GPTEVAL_PLUGINS names; None where it is not set: all."""
    names = os.environ.get(ADMITTED)
    return None if names is None else {name.strip() for name in names.split(",")}


def _plain(package: str) -> str:
    """A package's name as all its spellings have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


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
        name, version = _identity(point.dist) if point.dist else ("", "")
    except Exception:  # metadata that pip left half-written
        name, version = "", ""
    return name or "unknown", version or "0"


@cache
def _identity(distribution: Distribution) -> tuple[str, str]:
    """Its name and version: each look at them parses the whole metadata."""
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    first = (str(error).splitlines() or [""])[0]
    return one_line(f"{type(error).__name__}: {first}")
