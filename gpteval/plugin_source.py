"""Plug-ins that no package installs (a file, a task from Python), and the API one is for."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from gpteval import hookspecs
from gpteval.errors import PluginError

if TYPE_CHECKING:
    from gpteval.task import Task

API = re.compile(r"^GPTEVAL_API\s*=\s*(\d+)", re.MULTILINE)


class Offered:
    """Tasks that no package brings, offered as a package offers its own."""

    def __init__(self, *tasks: Task) -> None:
        """`tasks` may be added to until they are asked for."""
        self.tasks = {task.name: task for task in tasks}

    @hookspecs.hookimpl
    def gpteval_register_tasks(self) -> list[Task]:
        """All of them."""
        return list(self.tasks.values())


def from_file(path: Path) -> tuple[Callable[[], object], str]:
    """How to load a plug-in that is one file, and the SHA-256 of what it defines.

    Raises:
        PluginError: It can't be read, or its name ends in neither .py nor .toml.
        GptevalError: It is no task file.
    """
    from hashlib import sha256

    from gpteval.paths import open_file
    from gpteval.table import read_table

    if path.suffix == ".toml":
        table = read_table(path)
        return lambda: Offered(table.task(path.parent)), table.digest
    try:
        with open_file(path) as file:
            text = file.read()
    except OSError as error:
        raise PluginError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix != ".py":
        raise PluginError(f"{path}: a plug-in that is a file ends in .py, a task file in .toml")
    identity = sha256(text).hexdigest()

    def load() -> ModuleType:
        refuse_other_api(text.decode("utf-8", "replace"))
        return _module(path, f"gpteval_file_{identity[:12]}")

    return load, identity


def _module(path: Path, name: str) -> ModuleType:
    """A Python file as a module, known by a name of its own: what it defines may be pickled."""
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # of any file that ends in .py
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def module_text(module: str) -> str:
    """A module's text, which is not run; "" where it can't be had."""
    spec = find_spec(module)
    read = getattr(spec.loader, "get_source", None) if spec else None
    return (read(module) if read else None) or ""


def refuse_other_api(source: str) -> None:
    """Refuse a plug-in that is written for another API, before it fails on a name there is not.

    Raises:
        ImportError: It says so, and which one this gpteval has.
    """
    declared = API.search(source)
    oldest, latest = hookspecs.OLDEST_API, hookspecs.API_VERSION
    wanted = int(declared[1]) if declared else latest
    if oldest <= wanted <= latest:
        return
    known = f"{oldest} to {latest}" if oldest < latest else latest
    older = "gpteval" if wanted > latest else "the package"
    raise ImportError(
        f"written for plug-in API {wanted}, and this gpteval has {known}: upgrade {older}"
    )
