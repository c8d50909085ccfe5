"""What a task makes of its rows, examples and prompts, each checked before a model reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from gpteval.data.rows import SplitRows, place_of
from gpteval.errors import DataError, ExampleError, GptevalError, PluginError
from gpteval.task import Example, Prompt, Row, Task

Made = TypeVar("Made", Example, Prompt)


def examples_of(task: Task, rows: SplitRows) -> list[Example]:
    """The examples of a split, in the order of its rows.

    Raises:
        DataError: A row that makes no example, or two that make examples of one id; with file:line.
    """
    with located(task, rows):
        return made(rows.rows, task, task.example)


def prompts_of(task: Task, rows: SplitRows) -> list[Prompt]:
    """The prompts of a split, in the order of its rows; the task has prompts.

    Raises:
        DataError: As `examples_of`.
    """
    assert task.prompt is not None
    with located(task, rows):
        return made(rows.rows, task, task.prompt)


@contextmanager
def located(task: Task, rows: SplitRows) -> Iterator[None]:
    """Tell of an example that can't be used its task, its split, its file and line.

    Raises:
        DataError: In place of an `ExampleError`.
    """
    try:
        yield
    except ExampleError as error:
        place = place_of(task, rows, error.place)
        raise DataError(f"{place}: {task.name} {rows.split}: {error}") from None


def wrong_with(task: Task, item: Any) -> str:
    """Why something is neither an example nor a prompt that a model can read; "" where it is."""
    if isinstance(item, Example):
        choices: Sequence[Any] = item.sequences
        segments = [text for sequence in item.sequences for text in _segments(sequence)]
        texts = [*segments, item.context]
    elif isinstance(item, Prompt):
        choices = item.candidates
        parts = [text for c in item.candidates for text in (c.context, c.continuation)]
        texts = [*parts, item.passage, item.neutral]
    else:
        return f"it is a {type(item).__name__}"
    if not choices:
        return "it has no sequence to read"
    texts += [item.id, item.part, item.cluster]
    wrong = next((text for text in texts if not isinstance(text, str)), "")
    return f"{wrong!r:.40}: expected text" if wrong != "" else _wrong_label(task, item, choices)


def has_text(example: Example) -> bool:
    """Whether there is something to read: a context, or text in each of the sequences."""
    own = (any(text.strip() for text in sequence) for sequence in example.sequences)
    return bool(example.context.strip()) or all(own)


def made(rows: Iterable[Row], task: Task, make: Callable[[Row], Made]) -> list[Made]:
    """What a task's function makes of rows, each held to what a model can read.

    Raises:
        ExampleError: A row that makes nothing of the kind, or a second one of an id.
    """
    items: list[Made] = []
    known: set[str] = set()
    for place, row in enumerate(rows):
        try:
            item = make(row)
            wrong = wrong_with(task, item)
        except PluginError as error:
            wrong = str(error)
        except GptevalError as error:
            raise ExampleError(place, str(error)) from None
        except Exception as error:  # of a task that no package offers
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            raise ExampleError(place, f"row {row['id']} makes no example ({wrong})")
        if isinstance(item, Example) and not has_text(item):
            problem = f"example {item.id} has no text"
            raise ExampleError(place, f"{problem}: mend the row, or leave it out")
        if item.id in known:
            raise ExampleError(place, f"a second row makes an example of the id {item.id!r:.40}")
        known.add(item.id)
        items.append(item)
    return items


def _segments(sequence: Any) -> Any:
    """The segments of a sequence; what is none stands for itself, and is then refused."""
    return sequence if isinstance(sequence, tuple) and sequence else (None,)


def _wrong_label(task: Task, item: Example | Prompt, choices: Sequence[Any]) -> str:
    """Why the label is none of the answers; "" where it is, or where there is none."""
    label = item.label
    if label is None:
        return ""
    if task.kind == "regress":
        low, high = task.scale
        fits = isinstance(label, int | float) and low <= label <= high
        return "" if fits else f"label {label!r:.40}: expected a number from {low} to {high}"
    if task.kind == "classify":
        known = ", ".join(task.labels)
        return "" if label in task.labels else f"label {label!r:.40}: expected one of {known}"
    fits = isinstance(label, int) and 0 <= label < len(choices)
    return "" if fits else f"label {label!r:.40}: expected an answer, 0 to {len(choices) - 1}"
