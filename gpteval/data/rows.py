"""Rows of a split, wherever they come from: official files, the hub, a bundled sample.

A row is a dict of the source's columns (text, or a list of texts), `id` and `label`. The same text
gives the same rows, and so the same digest, from files and from the hub.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from gpteval.data.files import read_files
from gpteval.data.hub import read_hub
from gpteval.data.labels import label_reader
from gpteval.data.raw import AbsentError, RawRow
from gpteval.data.samples import read_sample, sample_splits
from gpteval.errors import ConfigError, DataError
from gpteval.task import Part, Row, Task

DATA_VARIABLE = "GPTEVAL_DATA"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from; `directory` for files only."""

    kind: Literal["files", "hub", "sample"]
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class SplitRows:
    """The rows of one split.

    Attributes:
        task, split: Whose rows.
        rows: Rows with a gold label (all rows of a split whose labels are private).
        official: How many there should be: of the publisher's split, or of the bundled sample.
        left_out: Rows met on the way that have no gold label.
        digest: SHA-256 of the rows in order.
        origin: Where they come from.
    """

    task: str
    split: str
    rows: tuple[Row, ...]
    official: int
    left_out: int
    digest: str
    origin: Origin

    @property
    def complete(self) -> bool:
        """Whether every row that should be there is."""
        return len(self.rows) == self.official


def origin(data_dir: str | Path | None = None, sample: bool = False) -> Origin:
    """The sample where asked for, else `data_dir`, else $GPTEVAL_DATA, else the hub.

    Raises:
        ConfigError: A data directory and the sample together.
    """
    if sample:
        if data_dir:
            raise ConfigError("--sample and --data-dir exclude each other: give one of them")
        return Origin("sample")
    directory = data_dir or os.environ.get(DATA_VARIABLE)
    return Origin("files", Path(directory)) if directory else Origin("hub")


def load_split(task: Task, split: str, origin: Origin, limit: int | None = None) -> SplitRows:
    """Read a split.

    Args:
        task: Names the source.
        split: One of its splits.
        origin: Where to read it.
        limit: Most rows with a gold label to read.

    Raises:
        AbsentError: The split is not there.
        DataError: A row that can't be read, with file:line.
    """
    if split not in task.source.splits:
        known = ", ".join(task.source.splits)
        raise AbsentError(f"{task.name}: no split {split!r}; it has {known}")
    official = task.source.splits[split]
    labelled = official.labelled or origin.kind == "sample"
    rows: list[Row] = []
    left_out = 0
    for row in _rows(task, _read(task, split, origin), labelled=labelled):
        if labelled and row["label"] is None:
            left_out += 1
            continue
        rows.append(row)
        # A sample is small, and its size is known only at its end.
        if len(rows) == limit and origin.kind != "sample":
            break
    if not rows:
        why = f"none of {left_out} has a gold label" if left_out else "the files end before it"
        raise DataError(f"{task.name}: no rows of {split}: {why}")
    kept = tuple(rows[:limit])
    return SplitRows(
        task=task.name,
        split=split,
        rows=kept,
        official=len(rows) if origin.kind == "sample" else official.rows,
        left_out=left_out,
        digest=digest(kept),
        origin=origin,
    )


def scored_splits(task: Task, origin: Origin) -> tuple[str, ...]:
    """The splits to score, the headline last: of a sample also `test`, which has labels there.

    Where the origin has none of them, all are named: reading them says what is missing.
    """
    there = task.evaluate
    if origin.kind == "sample":
        wanted = (*(s for s in task.evaluate if s != "test"), "test")
        there = tuple(s for s in wanted if s in sample_splits(task))
    elif origin.kind == "hub":
        there = tuple(s for s in task.evaluate if task.source.splits[s].hub is not None)
    return there or task.evaluate


def digest(rows: Iterable[Row]) -> str:
    """SHA-256 over the rows in order, each as canonical JSON on a line."""
    total = hashlib.sha256()
    encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
    for row in rows:
        total.update(encode(row).encode("utf-8", "surrogatepass") + b"\n")
    return total.hexdigest()


def _read(task: Task, split: str, origin: Origin) -> Iterator[RawRow]:
    """The split's rows as the origin spells them."""
    if origin.kind == "sample":
        return read_sample(task, split)
    if origin.directory is None:
        raws = read_hub(task, split)
    else:
        raws = read_files(task, split, origin.directory)
    part = task.source.splits[split].part
    return raws if part is None else _part(raws, part)


def _part(raws: Iterator[RawRow], part: Part) -> Iterator[RawRow]:
    """The rows of `raws` that belong to one of the splits that share a file."""
    if not part.held_out:
        return islice(raws, part.start, part.stop)
    from sklearn.model_selection import train_test_split

    everything = list(raws)
    if len(everything) <= part.held_out:
        raise DataError(
            f"{everything[0].path}: {len(everything)} rows, of which {part.held_out} are to be "
            "held out; get the whole file"
        )
    places = range(len(everything))
    train, test = train_test_split(places, test_size=part.held_out, random_state=part.seed)
    return (everything[place] for place in (train if part.take == "train" else test))


def _rows(task: Task, raws: Iterable[RawRow], *, labelled: bool) -> Iterator[Row]:
    """Raw rows as the task's: columns as text, a unique id, the label by name.

    Raises:
        DataError: A column without a value, an id met before, an unknown label.
    """
    columns, read_label = task.source.columns, label_reader(task)
    seen: set[str] = set()
    for row_id, raw in _identified(task, raws):
        if row_id in seen:
            raise DataError.at(raw.path, raw.line, f"id {row_id!r} stands on an earlier row too")
        seen.add(row_id)
        row: dict[str, Any] = {name: _text(raw, name) for name in columns}
        row["id"] = row_id
        row["label"] = read_label(raw) if labelled else None
        yield row


def _identified(task: Task, raws: Iterable[RawRow]) -> Iterator[tuple[str, RawRow]]:
    """Rows with their ids: the id column, its place in a group, or the place in the split."""
    source = task.source
    members: Counter[str] = Counter()
    for number, raw in enumerate(raws):
        row_id = str(raw.fields[source.id]) if source.id else str(number)
        if source.numbered:
            group, row_id = row_id, f"{row_id}/{members[row_id]}"
            members[group] += 1
        yield row_id, raw


def _text(raw: RawRow, column: str) -> str | list[str]:
    """A column's value as text, or as a list of texts."""
    value = raw.fields[column]
    if value is None:
        raise DataError.at(raw.path, raw.line, f"column {column!r} has no value")
    texts = [str(v) for v in value] if isinstance(value, list) else [str(value)]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        problem = f"column {column!r} has half a character, {half!r}: mend the file"
        raise DataError.at(raw.path, raw.line, problem) from None
    return texts if isinstance(value, list) else texts[0]
