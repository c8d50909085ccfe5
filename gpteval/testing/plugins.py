"""The rules of a whole package: `check_plugin`."""

from __future__ import annotations

from gpteval.errors import UnknownNameError
from gpteval.plugins import registry
from gpteval.testing.rules import insist


def check_plugin(package: str) -> None:
    """Check that a package is found, loads, and that all it offers is sound.

    Args:
        package: Its name, as pip has it.

    Raises:
        ConformanceError: Why it, or one of its hooks, failed; every remark on it too.
        UnknownNameError: No installed package of that name is a plug-in.
    """
    plugins = registry().check()
    own = [plugin for plugin in plugins if plugin.package == package]
    if not own:
        raise UnknownNameError("plug-in", package, [plugin.package for plugin in plugins])
    lines = [line for plugin in own for line in (plugin.error, *plugin.remarks) if line]
    insist(f"plug-in {package}", lines)
