"""Rows from the Hugging Face hub through the `datasets` library; no data set's script is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gpteval.data.raw import AbsentError, RawRow, layout
from gpteval.errors import DataError
from gpteval.task import Split, Task

if TYPE_CHECKING:
    from datasets import Dataset

COMMIT = re.compile("[0-9a-f]{40}")


class UnreachableError(DataError):
    """The hub does not answer: no other data set will come from it either."""


def read_hub(task: Task, split: str) -> Iterator[RawRow]:
    """Rows of a split of the hub's data set, in the official columns.

    Numbers of a ClassLabel column become its names, and -1 None.

    Raises:
        AbsentError: The task is not on the hub, or this split isn't.
        UnreachableError: The hub does not answer.
        DataError: It holds no such data set, configuration, revision, split or column.
    """
    source, official = task.source, task.source.splits[split]
    if not source.hub or official.hub is None:
        raise AbsentError(f"{task.name}: no {split} split on the hub; {_instead(task)}")
    wanted = layout(task, official, labelled=official.labelled)
    dataset = _load(task, official)
    columns = {source.hub_columns.get(name, name): name for name in dataset.column_names}
    missing = [c for c in wanted.columns if c not in columns]
    path = f"{source.hub}/{_config(task, official)}/{official.hub}"
    if missing:
        raise DataError(f"hub {path}: no column {missing[0]!r}; it has {', '.join(columns)}")
    return _rows(dataset, {c: columns[c] for c in wanted.columns}, path)


def _rows(dataset: Dataset, columns: dict[str, str], path: str) -> Iterator[RawRow]:
    """Rows in the official columns, a thousand at a time."""
    features = dataset.features
    names = [getattr(features[theirs], "names", None) for theirs in columns.values()]
    line = 0
    for batch in dataset.select_columns(list(columns.values())).iter(1000):
        values = [
            _named(batch[theirs], known)
            for theirs, known in zip(columns.values(), names, strict=True)
        ]
        for row in zip(*values, strict=True):
            line += 1
            yield RawRow(dict(zip(columns, row, strict=True)), path, line)


def _named(values: list[Any], names: list[str] | None) -> list[Any]:
    """ClassLabel numbers as their names; other values as they are."""
    if names is None:
        return values
    return [names[v] if v is not None and v >= 0 else None for v in values]


def _config(task: Task, split: Split) -> str:
    return split.config or task.source.config


def _load(task: Task, split: Split) -> Dataset:
    """The data set at the pinned revision."""
    import datasets

    source, config = task.source, _config(task, split)
    try:
        dataset = datasets.load_dataset(
            source.hub, config or None, revision=source.revision, split=split.hub
        )
    except Exception as error:  # `datasets` lets through whatever its HTTP client raises
        kind = UnreachableError if isinstance(error, ConnectionError) else DataError
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise kind(f"{_named_at(task, split)}: {reason}; {_instead(task)}") from error
    _refuse_other_revision(task, split, dataset)
    return dataset


def _refuse_other_revision(task: Task, split: Split, dataset: Dataset) -> None:
    """`datasets` falls back to *any* cached revision when the one asked for can't be had."""
    revision = task.source.revision
    cached = [file["filename"] for file in dataset.cache_files]
    if COMMIT.fullmatch(revision) and not all(revision in name for name in cached):
        raise DataError(
            f"{_named_at(task, split)}: the hub did not give that revision and the cache holds "
            f"another; {_instead(task)}"
        )


def _named_at(task: Task, split: Split) -> str:
    source = task.source
    where = f"{source.hub} {_config(task, split)} {split.hub} at {source.revision[:12]}"
    return f"{task.name}: cannot read {where} from the hub"


def _instead(task: Task) -> str:
    """What the user can do without the hub, as the end of a sentence."""
    where = "pass --data-dir with the official files"
    where += f" ({task.source.ask})" if task.source.ask else ""
    return where + (", or --sample" if task.source.sample else "")
