"""Rows of a split, wherever they come from: official files, the hub, a bundled sample.

A row is a dict of the source's columns (text, or a list of texts), `id` and `label`. The same text
gives the same rows, and so the same digest, from files and from the hub.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from gpteval.data.files import read_files
from gpteval.data.hub import read_hub
from gpteval.data.labels import label_reader
from gpteval.data.raw import AbsentError, RawRow
from gpteval.data.samples import package_files, read_sample, sample_splits
from gpteval.errors import ConfigError, DataError
from gpteval.paths import PathLike, user_paths, variable_paths
from gpteval.task import Part, Row, Source, Task

DATA_VARIABLE = "GPTEVAL_DATA"

LIMIT_SEED = 0
"""Of the rows that a limit keeps: the same in every run."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from.

    Attributes:
        kind: Official files, the hub, or the bundled sample.
        directory: Of files only: where they are looked for first.
        others: Where they are looked for next; the first directory that has a split wins.
    """

    kind: Literal["files", "hub", "sample"]
    directory: Path | None = None
    others: tuple[Path, ...] = ()

    @property
    def directories(self) -> tuple[Path, ...]:
        """Where files are looked for, in order."""
        return () if self.directory is None else (self.directory, *self.others)


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
        private: Whether their labels are private: they can be predicted, not scored.
        seconds: How long it took to read them.
    """

    task: str
    split: str
    rows: tuple[Row, ...]
    official: int
    left_out: int
    digest: str
    origin: Origin
    private: bool = False
    seconds: float = field(default=0.0, compare=False)

    @property
    def complete(self) -> bool:
        """Whether every row that should be there is."""
        return len(self.rows) == self.official


def origin(data_dir: PathLike | Iterable[PathLike] | None = None, sample: bool = False) -> Origin:
    """The sample where asked for, else `data_dir`, else $GPTEVAL_DATA, else the hub.

    Args:
        data_dir: One directory of official files or several; the variable holds several as PATH.
        sample: Whether the sample is asked for.

    Raises:
        ConfigError: A data directory and the sample together, or one that is no path.
    """
    if sample:
        if data_dir:
            raise ConfigError("--sample and --data-dir exclude each other: give one of them")
        return Origin("sample")
    directories = user_paths(data_dir) or variable_paths(DATA_VARIABLE)
    return Origin("files", directories[0], directories[1:]) if directories else Origin("hub")


def own(task: Task, origin: Origin) -> Origin:
    """Where the rows of one task come from: first its own directory, where it brings one."""
    place = task.source.directory
    if not place or origin.kind == "sample":
        return origin
    package, colon, folder = place.partition(":")
    inside = package_files(package) if colon and not Path(place).is_absolute() else None
    home = Path(str(inside)) / folder if inside else Path(place)
    return Origin("files", home, origin.directories)


def load_split(task: Task, split: str, origin: Origin, limit: int | None = None) -> SplitRows:
    """Read a split.

    Args:
        task: Names the source.
        split: One of its splits.
        origin: Where to read it.
        limit: Most rows with a gold label to keep: a sample of the whole split, drawn with a fixed
            seed and in the split's order. What a smaller limit keeps, a larger one keeps too.

    Raises:
        AbsentError: The split is not there.
        DataError: A row that can't be read, with file:line.
    """
    if split not in task.source.splits:
        known = ", ".join(task.source.splits)
        raise AbsentError(f"{task.name}: no split {split!r}; it has {known}")
    began = time.perf_counter()
    official, origin = task.source.splits[split], own(task, origin)
    labelled = _labelled(task, split, origin)
    # A sample has the rows it has; so has what nobody counted.
    counted = bool(official.rows) and origin.kind != "sample"
    rows: list[Row] = []
    left_out = 0
    for _, row in task_rows(task, _read(task, split, origin), labelled=labelled):
        if labelled and row["label"] is None:
            left_out += 1
            continue
        rows.append(row)
    if not rows:
        why = f"none of {left_out} has a gold label" if left_out else "the files end before it"
        raise DataError(f"{task.name}: no rows of {split}: {why}")
    kept = tuple(rows) if limit is None else _drawn(rows, limit)
    return SplitRows(
        task=task.name,
        split=split,
        rows=kept,
        official=official.rows if counted else len(rows),
        left_out=left_out,
        digest=digest(kept),
        origin=origin,
        private=_private(task, split, origin),
        seconds=time.perf_counter() - began,
    )


def _drawn(rows: Sequence[Row], limit: int) -> tuple[Row, ...]:
    """As many rows, from all over the split: its head may be all of one kind (RACE's middle)."""
    places = list(range(len(rows)))
    random.Random(LIMIT_SEED).shuffle(places)
    return tuple(rows[place] for place in sorted(places[:limit]))


def place_of(task: Task, rows: SplitRows, place: int) -> str:
    """Where a row of a split stands: file:line. It is read again, for an error is rare.

    Args:
        task: Whose rows.
        rows: As they were read.
        place: The row's place in them, from 0.
    """
    wanted = rows.rows[place]
    pairs = task_rows(
        task,
        _read(task, rows.split, rows.origin),
        labelled=_labelled(task, rows.split, rows.origin),
    )
    raw = next((raw for raw, row in pairs if row["id"] == wanted["id"]), None)
    return f"{raw.path}:{raw.line}" if raw else f"row {place + 1}"


def _labelled(task: Task, split: str, origin: Origin) -> bool:
    """Whether the rows have a column with the gold label: those of a sample have it all."""
    return bool(task.source.label) and not _private(task, split, origin)


def _private(task: Task, split: str, origin: Origin) -> bool:
    """Whether the publisher keeps the labels; none of a sample's are kept."""
    return not task.source.splits[split].labelled and origin.kind != "sample"


def scored_splits(task: Task, origin: Origin) -> tuple[str, ...]:
    """The splits to score, the headline last: of a sample also `test`, which has labels there.

    Where the origin has none of them, all are named: reading them says what is missing.
    """
    there, origin = task.evaluate, own(task, origin)
    if origin.kind == "sample":
        wanted = (*(s for s in task.evaluate if s != "test"), "test")
        there = tuple(s for s in wanted if s in sample_splits(task))
    elif origin.kind == "hub":
        there = tuple(s for s in task.evaluate if task.source.splits[s].hub is not None)
    return there or task.evaluate


def private_splits(task: Task, origin: Origin) -> tuple[str, ...]:
    """The splits whose labels are private: to predict, and to send to who has them."""
    return tuple(s for s in task.source.splits if _private(task, s, own(task, origin)))


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
    if origin.directories:
        raws = read_files(task, split, *origin.directories)
    else:
        raws = read_hub(task, split)
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


def task_rows(
    task: Task, raws: Iterable[RawRow], *, labelled: bool
) -> Iterator[tuple[RawRow, Row]]:
    """Raw rows, and each as the task's: columns as text, a unique id, the label by name.

    Raises:
        DataError: A column that is not text, an id met before, an unknown label.
    """
    source, read_label = task.source, label_reader(task)
    seen: set[str] = set()
    for row_id, raw in _identified(task, raws):
        if row_id in seen:
            raise DataError.at(raw.path, raw.line, f"id {row_id!r} stands on an earlier row too")
        seen.add(row_id)
        row: dict[str, Any] = {name: _column(source, raw, name) for name in source.columns}
        row["id"] = row_id
        row["label"] = read_label(raw) if labelled else None
        yield raw, row


def _identified(task: Task, raws: Iterable[RawRow]) -> Iterator[tuple[str, RawRow]]:
    """Rows with their ids: the id column, its place in a group, or the place in the split."""
    source = task.source
    members: Counter[str] = Counter()
    for number, raw in enumerate(raws):
        row_id = _digits(raw, source.id) if source.id else str(number)
        if source.numbered:
            group, row_id = row_id, f"{row_id}/{members[row_id]}"
            members[group] += 1
        yield row_id, raw


def _column(source: Source, raw: RawRow, name: str) -> str | list[str]:
    """A column as the source says that it is."""
    if name in source.lists:
        return _texts(raw, name)
    return _digits(raw, name) if name in source.numbers else _text(raw, name)


def _digits(raw: RawRow, column: str) -> str:
    """Text, or the digits of a whole number."""
    value = raw.fields[column]
    return str(value) if type(value) is int else _text(raw, column)


def _text(raw: RawRow, column: str) -> str:
    """A column's text."""
    return _checked(raw, column, raw.fields[column], "text")


def _texts(raw: RawRow, column: str) -> list[str]:
    """A column's list of texts."""
    value, expected = raw.fields[column], "a list of texts"
    if not isinstance(value, list):
        raise _mistyped(raw, column, value, expected)
    return [_checked(raw, column, text, expected) for text in value]


def _checked(raw: RawRow, column: str, value: Any, expected: str) -> str:
    """A text that is one, every character whole: a number or null made into text is no word.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, str):
        raise _mistyped(raw, column, value, expected)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        problem = f"column {column!r} has half a character, {half!r}: mend the file"
        raise DataError.at(raw.path, raw.line, problem) from None
    return value


def _mistyped(raw: RawRow, column: str, value: Any, expected: str) -> DataError:
    shown = "null" if value is None else f"{value!r:.40}"
    problem = f"column {column!r} is {shown}: expected {expected}; mend the row, or leave it out"
    return DataError.at(raw.path, raw.line, problem)
