"""Rows without gold labels that somebody wants answered: those of a file, or mappings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpteval.data.examples import made
from gpteval.data.files import READERS
from gpteval.data.raw import Layout, RawRow
from gpteval.data.rows import task_rows
from gpteval.errors import ConfigError, DataError, ExampleError
from gpteval.table import ENDINGS
from gpteval.task import Example, Task

ROWS = "rows"
"""What stands for a file's name where rows are mappings."""


def read_given(task: Task, path: Path) -> list[RawRow]:
    """The rows of a file in a task's columns; it has a line of their names, and may have others.

    Raises:
        ConfigError: The ending of its name is of no known layout.
        DataError: It can't be read, or lacks a column; with file:line.
    """
    layout = ENDINGS.get(path.suffix.lower())
    if layout is None:
        raise ConfigError(f"{path}: name a file that ends in {', '.join(ENDINGS)}")
    return list(READERS[layout](path, Layout(task.source.columns)))


def given_rows(task: Task, rows: Iterable[Mapping[str, Any]]) -> list[RawRow]:
    """Mappings of a task's columns as rows, numbered from 1.

    Raises:
        DataError: One that lacks a column.
    """
    raws = [RawRow(row, ROWS, number) for number, row in enumerate(rows, start=1)]
    for raw in raws:
        for column in task.source.columns:
            if column not in raw.fields:
                has = ", ".join(raw.fields)
                raise DataError.at(ROWS, raw.line, f"no column {column!r}; it has {has}")
    return raws


def given_examples(task: Task, raws: Sequence[RawRow]) -> list[Example]:
    """The examples of rows, without gold labels; the id is the row's place, from 0.

    Raises:
        DataError: A row that makes no example, with file:line.
    """
    placed = replace(task, source=replace(task.source, id="", numbered=False))
    with located_in(raws):
        return made((row for _, row in task_rows(placed, raws, labelled=False)), task, task.example)


@contextmanager
def located_in(raws: Sequence[RawRow]) -> Iterator[None]:
    """Tell of an example that can't be used its file and line.

    Raises:
        DataError: In place of an `ExampleError`.
    """
    try:
        yield
    except ExampleError as error:
        raw = raws[error.place]
        raise DataError.at(raw.path, raw.line, str(error)) from None
