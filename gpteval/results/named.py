"""Which results, or measurements, are of the tasks that somebody names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from gpteval.config import task_names
from gpteval.errors import ResultError
from gpteval.naming import spelt
from gpteval.plugins import registry


class OfTask(Protocol):
    """What was measured of a task: a result, or a measurement."""

    @property
    def task(self) -> str:
        """The task's name."""


Measured = TypeVar("Measured", bound=OfTask)


def of_tasks(
    measured: Sequence[Measured], names: str | Iterable[str] | None = None
) -> list[Measured]:
    """Those of the tasks named; a task may have results and not be installed.

    Args:
        measured: What there is.
        names: Tasks, groups and patterns, as a list or joined by commas; None for all.

    Raises:
        ResultError: There are none.
        UnknownNameError: A name that has no results, and that nobody registered.
    """
    if names is None:
        return list(measured)
    present = {item.task for item in measured}
    wanted: set[str] = set()
    for name in (given := task_names(names)):
        wanted |= set(spelt(name, present)) or {task.name for task in registry().select([name])}
    kept = [item for item in measured if item.task in wanted]
    if not kept:
        there = ", ".join(sorted(present))
        raise ResultError(f"no results of {', '.join(given)}: there are some of {there}")
    return kept
