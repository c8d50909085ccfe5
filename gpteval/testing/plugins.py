"""The rules of a whole package: `check_plugin`."""

from __future__ import annotations

from gpteval.errors import UnknownNameError
from gpteval.loading import Plugin
from gpteval.plugins import registry
from gpteval.testing.metrics import metric_faults
from gpteval.testing.models import model_faults
from gpteval.testing.rules import insist
from gpteval.testing.tasks import task_faults


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


def plugin_faults(plugin: Plugin) -> list[str]:
    """Why a plug-in failed, and a line for every rule that something of it breaks.

    Tasks are checked on the rows that they bring along, models where they have presets.
    """
    known, offers = registry(), registry().offered(plugin)
    tasks = [known.tasks()[name] for name in offers["tasks"]]
    there = [task for task in tasks if task.source.sample or task.source.directory]
    families = [known.models()[name] for name in offers["models"]]
    lines = {f"task {task.name}": task_faults(task) for task in there}
    lines |= {f"metric {name}": metric_faults(known.metric(name)) for name in offers["metrics"]}
    lines |= {f"model {f.name}": model_faults(f) for f in families if f.presets}
    broken = [f"{what}: {line}" for what, faults in lines.items() for line in faults]
    return [*filter(None, [plugin.error]), *broken]
