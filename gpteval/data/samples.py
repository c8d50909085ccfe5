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
    directory = _directory(task)
    assert directory is not None  # it has splits
    wanted = layout(task, task.source.splits[split], labelled=True)
    with as_file(directory / f"{split}.jsonl") as path:
        yield from read_jsonl(path, wanted)


def sample_splits(task: Task) -> tuple[str, ...]:
    """The task's splits that its sample has, in the task's order."""
    directory = _directory(task)
    if directory is None:
        return ()
    return tuple(s for s in task.source.splits if (directory / f"{s}.jsonl").is_file())


def _directory(task: Task) -> Traversable | None:
    """The package directory that `Source.sample` names ("gpteval_tasks:samples/rte"), if any."""
    package, _, path = task.source.sample.partition(":")
    home = package_files(package)
    return home.joinpath(*path.split("/")) if home else None


def package_files(package: str) -> Traversable | None:
    """What a package has beside its modules; None where there is no such package."""
    try:
        return files(package) if package else None
    except Exception:  # of a package that is not installed, or whose import raises anything
        return None
