"""Examples on the screen: their texts, and what was said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval.cli import output
from gpteval.errors import DataError
from gpteval.text import printable

if TYPE_CHECKING:
    from gpteval.results.pairing import Measurement
    from gpteval.task import Example

LONGEST = 400
"""Characters of a text that are shown of it."""


def read_texts(
    measurement: Measurement, data_dir: Sequence[Path], sample: bool
) -> Mapping[str, Example]:
    """The examples that were scored, by id; where they are not there it is told."""
    from gpteval.data.rows import origin
    from gpteval.studies.browse import texts

    sampled = sample or (not data_dir and measurement.origin == "sample")
    try:
        return texts(measurement, origin(data_dir, sampled))
    except DataError as error:
        output.tell(f"without their texts: {error}")
        return {}


def json_texts(example: Example | None) -> dict[str, Any]:
    """An example's texts as JSON values."""
    return {"context": example.context, "texts": example.sequences} if example else {}


def show_texts(example: Example | None) -> None:
    """Print an example's texts."""
    from gpteval.report.telling import texts_of

    for text in texts_of(example, LONGEST):
        show_line(f"    {text}")


def show_more(count: int, limit: int) -> None:
    """Say how many there are beyond those that were printed."""
    if count > limit:
        show_line(f"… and {count - limit} more: --limit {count} shows all")


def show_line(text: str) -> None:
    """Print a line."""
    output.write(f"{printable(text)}\n")
