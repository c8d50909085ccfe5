"""One row as its source spells it, and the errors that point at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gpteval.errors import DataError, GptevalError
from gpteval.task import Example, Prompt, Row, Split, Task

Made = TypeVar("Made")


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
    label = (source.label,) if labelled else ()
    identity = (source.id,) if source.id else ()
    return Layout(tuple(dict.fromkeys((*source.columns, *label, *identity))), split.header)


def made(task: Task, row: Row, make: Callable[[Row], Made]) -> Made:
    """What the task makes of a row: an example, or a prompt.

    Raises:
        DataError: It makes something else, or nothing (COPA asking for neither cause nor effect).
    """
    try:
        item = make(row)
        wrong = shapeless(item)
    except GptevalError:
        raise
    except Exception as error:  # a stranger's function may raise anything
        wrong = f"{type(error).__name__}: {error}"
    if wrong:
        raise DataError(f"{task.name}: row {row['id']} makes no example ({wrong})")
    return item


def examples_of(task: Task, rows: Iterable[Row]) -> list[Example]:
    """What a task makes of the rows of a split, in their order.

    Raises:
        DataError: A row that makes no example, or two that make examples of one id.
    """
    examples = [made(task, row, task.example) for row in rows]
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            raise DataError(f"{task.name}: two rows make examples of one id, {example.id!r:.40}")
        seen.add(example.id)
    return examples


def shapeless(item: Any) -> str:
    """Why something is neither an example nor a prompt that a model can read; "" where it is."""
    if isinstance(item, Example):
        if not item.sequences:
            return "no sequence"
        texts = (text for sequence in item.sequences for text in _texts(sequence))
        return next((f"text {text!r:.40}" for text in texts if not isinstance(text, str)), "")
    if isinstance(item, Prompt):
        parts = [t for c in item.candidates for t in (c.context, c.continuation)]
        texts = (text for text in (*parts, item.passage, item.neutral))
        wrong = next((f"text {text!r:.40}" for text in texts if not isinstance(text, str)), "")
        return wrong or ("" if item.candidates else "no candidate")
    return f"a {type(item).__name__}"


def _texts(sequence: Any) -> Any:
    """The segments of a sequence; what is none stands for itself, and is then refused."""
    return sequence if isinstance(sequence, tuple) and sequence else (None,)


def read_bytes(path: Path) -> bytes:
    """A whole small file.

    Raises:
        DataError: It can't be read, or is empty.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    if not content:
        raise empty(path)
    return content


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
