"""One row as its source spells it, and the errors of reading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from gpteval.errors import DataError
from gpteval.task import Split, Task


class RawRow(NamedTuple):
    """One row before its label is read: columns by official name, and where it stands.

    Attributes:
        fields: Column → value, as the source spells it.
        path: File, or hub data set and split.
        line: Line of the file, or row of the hub's split, from 1.
    """

    fields: Mapping[str, Any]
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What a reader needs to know of a split.

    Attributes:
        columns: Columns every row must have.
        header: Column names, for files without a header line; () where the file has one.
    """

    columns: tuple[str, ...]
    header: tuple[str, ...] = ()


class AbsentError(DataError):
    """A split that is not there at all, as opposed to one that can't be read."""


def layout(task: Task, split: Split, *, labelled: bool) -> Layout:
    """The columns that the rows of a split must have: the task's own, its label and its id."""
    source = task.source
    label = (source.label,) if labelled and source.label else ()
    identity = (source.id,) if source.id else ()
    return Layout(tuple(dict.fromkeys((*source.columns, *label, *identity))), split.header)


def undecodable(path: object, line: int, error: UnicodeDecodeError) -> DataError:
    """Bytes that are not UTF-8."""
    byte = error.object[error.start]
    return DataError.at(path, line, f"byte 0x{byte:02x} is not UTF-8; convert the file to UTF-8")


def unreadable(path: object, error: OSError) -> DataError:
    """A file the system won't give."""
    return DataError(f"{path}: cannot be read: {error.strerror}")


def empty(path: object) -> DataError:
    """A file of no bytes."""
    return DataError(f"{path}: the file is empty; get it again")
