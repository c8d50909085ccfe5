"""Bundled samples: small data sets written for this project, in the tasks' own row shape."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable

from gpteval.data.files import read_jsonl
from gpteval.data.raw import AbsentError, RawRow, layout
from gpteval.task import Task


def read_sample(task: Task, split: str) -> Iterator[RawRow]:
    """Rows of a split of the task's sample; every split of a sample has labels.

    Raises:
        AbsentError: The task has no sample, or its sample has no such split.
    """
    splits = sample_splits(task)
    if split not in splits:
        has = f"its sample has {', '.join(splits)}" if splits else "it has no sample"
        raise AbsentError(f"{task.name}: no {split} split: {has}; use --data-dir or the hub")
    wanted = layout(task, task.source.splits[split], labelled=True)
    with as_file(_directory(task) / f"{split}.jsonl") as path:
        yield from read_jsonl(path, wanted)


def sample_splits(task: Task) -> tuple[str, ...]:
    """The task's splits that its sample has, in the task's order."""
    if not task.source.sample:
        return ()
    directory = _directory(task)
    return tuple(s for s in task.source.splits if (directory / f"{s}.jsonl").is_file())


def _directory(task: Task) -> Traversable:
    """The package directory that `Source.sample` names ("gpteval_tasks:samples/rte")."""
    package, _, path = task.source.sample.partition(":")
    return files(package).joinpath(*path.split("/"))
