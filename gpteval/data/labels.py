"""From a raw label to the task's: by name, never by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gpteval.data.raw import RawRow
from gpteval.errors import DataError
from gpteval.task import Label, Task


def label_reader(task: Task) -> Callable[[RawRow], Label]:
    """How to read the gold label of a row of `task`; None where the row has none.

    The returned function raises DataError, with the place and the known names, where the label is
    not one of the task's.
    """
    source, known = task.source, _known(task)

    def read(row: RawRow) -> Label:
        value = row.fields[source.label]
        if value is None or str(value) in source.no_gold:
            return None
        name = str(value) if not isinstance(value, bool) else str(value).lower()  # as JSON has it
        if name in known:
            return known[name]
        label = _number(task, name)
        if label is None:
            raise DataError.at(
                row.path, row.line, f"unknown label {name!r}, expected {_expected(task, known)}"
            )
        return label

    return read


def _known(task: Task) -> Mapping[str, str | int]:
    """Raw label → label, where the labels are a closed set."""
    names = task.source.label_names
    if task.kind == "choose":
        return {raw: int(index) for raw, index in names.items()}
    return {**{label: label for label in task.labels}, **names}


def _number(task: Task, name: str) -> int | float | None:
    """A whole score or an index written as digits; None where it is not one the task can have."""
    try:
        if task.kind == "choose" and not task.source.label_names:
            return int(name) if int(name) >= 0 else None
        if task.kind == "regress":
            low, high = task.scale
            return float(name) if low <= float(name) <= high else None
    except ValueError:
        pass
    return None


def _expected(task: Task, known: Mapping[str, Any]) -> str:
    if task.kind == "regress":
        return f"a number from {task.scale[0]} to {task.scale[1]}"
    return f"one of {', '.join(known)}" if known else "the right answer's index, from 0"
