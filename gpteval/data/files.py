"""Official files of a split below a data directory: finding them, and reading them row by row.

TSV is read with quoting off and split on LF only: default quoting silently drops rows (QNLI dev
5463 → 5267, RTE test 3000 → 2985).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from gpteval.data.raw import (
    AbsentError,
    Layout,
    RawRow,
    empty,
    layout,
    undecodable,
    unreadable,
)
from gpteval.errors import DataError, GptevalError, PluginError
from gpteval.files import parse_json
from gpteval.paths import matching, open_file, refuse_special
from gpteval.task import Task


def read_files(task: Task, split: str, *directories: Path) -> Iterator[RawRow]:
    """Rows of a split's official files, in sorted order of the paths each pattern matches.

    Of several directories the first that has the split is read.

    Raises:
        AbsentError: None of the files is there.
        DataError: A file that is not what its layout says, with file:line.
    """
    official = task.source.splits[split]
    wanted = layout(task, official, labelled=official.labelled)
    reader = task.source.reader
    for path in find_files(task, split, *directories):
        if callable(reader):
            yield from read_own(reader, path, wanted)
        else:
            yield from READERS[reader](path, wanted)


def find_files(task: Task, split: str, *directories: Path) -> list[Path]:
    """The files of a split in the first directory that has any of them.

    A pattern may match none where another does.

    Raises:
        AbsentError: A directory, or every file of the split, is missing.
    """
    missing = next((d for d in directories if not d.is_dir()), None)
    if missing is not None:
        raise AbsentError(f"data directory {missing} does not exist; {_instead(task)}")
    for directory in directories:
        if files := _present(directory, task.source.splits[split].files):
            return files
    others = [f for s in task.source.splits.values() for f in s.files]
    partly = any(_present(directory, others) for directory in directories)
    expected = task.source.splits[split].files if partly else others
    raise AbsentError(
        f"{task.name}: no {split} split below {', '.join(map(str, directories))}: expected "
        f"{', '.join(dict.fromkeys(expected))}; {_instead(task)}"
    )


def _present(directory: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in matching(directory, pattern)]


def _instead(task: Task) -> str:
    """What else the user can do, as the end of a sentence."""
    source = task.source
    ways = [f"to get it: {source.ask}"] if source.ask else []
    ways += ["without --data-dir and GPTEVAL_DATA the hub is read"] if source.hub else []
    ways += ["--sample uses the bundled sample"] if source.sample else []
    return "; ".join(ways)


def read_tsv(path: Path, wanted: Layout) -> Iterator[RawRow]:
    """Tab-separated lines, no quoting; the first line names the columns unless a header is given.

    Raises:
        DataError: No rows, a column missing, a row with too few or too many fields.
    """
    lines = _lines(path)
    names, first = wanted.header, 1
    if not names:
        names, first = tuple(next(lines).rstrip("\r\n").split("\t")), 2
    pick = _picker(names, wanted.columns, path)
    number = first - 1
    for number, text in enumerate(lines, first):
        fields = text.rstrip("\r\n").split("\t")
        if len(fields) != len(names):
            raise DataError.at(path, number, _miscounted(fields, names))
        yield RawRow(pick(fields), str(path), number)
    _refuse_no_rows(path, number, first)


def read_csv(path: Path, wanted: Layout) -> Iterator[RawRow]:
    """Comma-separated records with standard quoting; the first names the columns.

    Raises:
        DataError: As `read_tsv`, or a quote that is not closed.
    """
    records = csv.reader(_lines(path), strict=True)
    first = 0
    try:
        names = wanted.header or tuple(next(records))
        pick = _picker(names, wanted.columns, path)
        for fields in records:
            if not fields:
                continue
            first = first or records.line_num
            if len(fields) != len(names):
                raise DataError.at(path, records.line_num, _miscounted(fields, names))
            yield RawRow(pick(fields), str(path), records.line_num)
    except csv.Error as error:
        raise DataError.at(path, records.line_num, f"not CSV: {error}") from None
    _refuse_no_rows(path, records.line_num, first or records.line_num + 1)


def read_jsonl(path: Path, wanted: Layout) -> Iterator[RawRow]:
    """One JSON object a line; blank lines are passed over.

    Raises:
        DataError: No rows, a line that is not a JSON object, a column missing.
    """
    number, rows = 1, 0
    for number, text in enumerate(_lines(path), 1):
        if not text.strip():
            continue
        try:
            value = parse_json(text)
        except ValueError as error:
            raise DataError.at(path, number, f"not whole JSON: {error}") from None
        if not isinstance(value, dict):
            raise DataError.at(path, number, f"expected a JSON object, found {text.strip()[:40]!r}")
        missing = [c for c in wanted.columns if c not in value]
        if missing:
            raise DataError.at(path, number, f"no field {missing[0]!r}; it has {', '.join(value)}")
        yield RawRow({c: value[c] for c in wanted.columns}, str(path), number)
        rows += 1
    if not rows:
        raise DataError.at(path, number, "no rows; get the file again")


def read_parquet(path: Path, wanted: Layout) -> Iterator[RawRow]:
    """The wanted columns of a parquet file, a thousand rows at a time; a row's line is its number.

    Raises:
        DataError: Not a whole parquet file, no rows, a column missing.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with open_file(path) as opened, ParquetFile(opened) as table:
            missing = [c for c in wanted.columns if c not in table.schema_arrow.names]
            if missing:
                has = ", ".join(table.schema_arrow.names)
                raise DataError(f"{path}: no column {missing[0]!r}; it has {has}")
            for batch in table.iter_batches(1000, columns=list(wanted.columns)):
                for fields in batch.to_pylist():
                    number += 1
                    yield RawRow(fields, str(path), number)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: not a whole parquet file: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not number:
        raise DataError(f"{path}: no rows; get the file again")


READERS: Mapping[str, Callable[[Path, Layout], Iterator[RawRow]]] = {
    "tsv": read_tsv,
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
}
"""The layouts known here; any other a task reads by a function of its own."""


def read_own(
    read: Callable[[Path], Iterable[tuple[int, Mapping[str, Any]]]], path: Path, wanted: Layout
) -> Iterator[RawRow]:
    """Rows of a file as a task's own function reads it; one of many files may hold none.

    Raises:
        DataError: The function failed, or gave something else than lines and rows, or a row lacks a
            column.
    """
    for line, fields in _guarded(read, path):
        missing = [c for c in wanted.columns if c not in fields]
        if missing:
            raise DataError.at(
                path, line, f"a row without {missing[0]!r}; it has {', '.join(fields)}"
            )
        yield RawRow(fields, str(path), line)


def _guarded(
    read: Callable[[Path], Iterable[tuple[int, Mapping[str, Any]]]], path: Path
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """What the function yields; whatever it raises is told with the file."""
    try:
        refuse_special(path)
        if not path.stat().st_size:
            raise empty(path)
        for item in read(path):
            line, fields = item
            if not isinstance(fields, Mapping) or not isinstance(line, int):
                raise TypeError(f"its reader yields {item!r:.60}, not a line and a row")
            yield line, fields
    except UnicodeDecodeError as error:
        raise undecodable(path, error.object.count(b"\n", 0, error.start) + 1, error) from None
    except OSError as error:
        raise unreadable(path, error) from None
    except PluginError as error:
        raise DataError(f"{path}: can't be read by its task's reader: {error}") from error
    except GptevalError:
        raise
    except Exception as error:  # of a task that no package offers
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: can't be read by its task's reader: {reason}") from error


def _lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 file, ends included, split on LF only; a byte-order mark is dropped.

    Blank lines at the end are no rows in any layout: they are left out.

    Raises:
        DataError: The file is empty, unreadable, or not UTF-8, with the line.
    """
    number, blank = 0, []
    try:
        with open_file(path) as file:
            for number, line in enumerate(file, 1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if number > 1 and not text.strip(" \r\n"):
                    blank.append(text)
                    continue
                yield from blank
                blank = []
                yield text
    except UnicodeDecodeError as error:
        raise undecodable(path, number, error) from None
    except OSError as error:
        raise unreadable(path, error) from None
    if not number:
        raise empty(path)


def _picker(
    names: tuple[str, ...], columns: tuple[str, ...], path: Path
) -> Callable[[list[str]], dict[str, str]]:
    """From the fields of a line to the wanted columns, without a dict of all of them."""
    missing = [c for c in columns if c not in names]
    if missing:
        raise DataError.at(path, 1, f"no column {missing[0]!r}; the header has {', '.join(names)}")
    if len(columns) == 1:
        place = names.index(columns[0])
        return lambda fields: {columns[0]: fields[place]}
    get: Callable[[list[str]], tuple[Any, ...]] = itemgetter(*map(names.index, columns))
    return lambda fields: dict(zip(columns, get(fields), strict=True))


def _miscounted(fields: list[str], names: tuple[str, ...]) -> str:
    few = "few" if len(fields) < len(names) else "many"
    return f"too {few} fields: {len(fields)}, expected {len(names)} ({', '.join(names)})"


def _refuse_no_rows(path: Path, last: int, first: int) -> None:
    if last < first:
        raise DataError.at(path, max(last, 1), "no rows after the header; get the file again")
