"""What there is to measure, with and on, and whether it is sound: tasks, data, models, plug-ins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gpteval.config import SAMPLE_MODEL, task_names
from gpteval.errors import ConfigError, UnknownNameError
from gpteval.loading import Plugin
from gpteval.metric import Metric
from gpteval.model import ModelFamily
from gpteval.naming import ALL
from gpteval.paths import PathLike, user_path, user_reference
from gpteval.plugins import registry
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.data.verify import SplitReport
    from gpteval.studies.preview import Previewed

Directories = PathLike | Iterable[PathLike] | None


def list_tasks(names: str | Iterable[str] = ALL) -> list[Task]:
    """Tasks by name, group or pattern.

    Raises:
        UnknownNameError: A name that nobody registered.
    """
    return registry().select(task_names(names))


def list_metrics() -> dict[str, Metric]:
    """What a task can be scored by, by the name that it writes in `Task.metrics`."""
    return registry().metrics()


def list_models() -> dict[str, ModelFamily]:
    """Model families by name; their `references` and `prefix` say what can be named."""
    return registry().models()


def list_plugins(names: str | Iterable[str] | None = None) -> list[Plugin]:
    """Plug-ins with what is known of their failures, each asked for all it offers.

    Args:
        names: Packages or package:entry point; None for all.

    Raises:
        UnknownNameError: There is none of a name.
    """
    plugins = registry().check()
    if names is None:
        return plugins
    chosen: list[Plugin] = []
    for name in task_names(names):
        own = [plugin for plugin in plugins if name in (plugin.name, plugin.package)]
        if not own:
            known = [plugin.package for plugin in plugins]
            raise UnknownNameError("plug-in", name, known, "(see `gpteval plugins`)")
        chosen += own
    return chosen


def preview_tasks(
    names: str | Iterable[str],
    model: str = SAMPLE_MODEL,
    *,
    data_dir: Directories = None,
    sample: bool = False,
) -> Iterator[Previewed]:
    """Tasks as a model will read them, each checked to have all that a run needs.

    Args:
        names: Tasks, or a task file that ends in .toml.
        model: The model that shall read them.
        data_dir: Directory of official files, or several; None for `GPTEVAL_DATA`, else the hub.
        sample: The bundled samples instead.

    Raises:
        DataError: Something is missing, or can't be read.
    """
    from gpteval.data.rows import origin
    from gpteval.studies.preview import Previewed
    from gpteval.weights.load import load_model

    known, rows_from = registry(), origin(data_dir, sample)
    if isinstance(names, str) and names.endswith(".toml"):
        names = known.tasks_of(known.add_file(user_path(names)))
    loaded = load_model(user_reference(model))
    for task in known.select(task_names(names)):
        yield Previewed.checked(task, rows_from, loaded)


def verify_data(
    tasks: str | Iterable[str] = ALL, *, data_dir: Directories = None, sample: bool = False
) -> Iterator[SplitReport]:
    """Read every split as a run reads it: rows, labels, duplicates, overlap with train.

    Args:
        tasks: Names, groups and patterns.
        data_dir: Directory of official files, or several; None for `GPTEVAL_DATA`, else the hub.
        sample: The bundled samples instead.

    Returns:
        A report for every split, as it is known; what is missing or unreadable is a report too.

    Raises:
        ConfigError: No task is named.
    """
    from gpteval.data.rows import origin
    from gpteval.data.verify import verify, with_trained

    chosen = list_tasks(tasks)
    if not chosen:
        raise ConfigError("no task named: give names or groups, joined by commas")
    return verify(with_trained(chosen), origin(data_dir, sample))
