"""Lines of the results directory's files: records and predictions, read and written as JSON."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any

from gpteval.errors import ResultError
from gpteval.files import parse_json, to_json
from gpteval.paths import open_file
from gpteval.records import (
    DIGEST,
    NewerError,
    Prediction,
    Record,
    Result,
    read_record,
    with_digest,
)
from gpteval.results.soundness import unsound

logger = logging.getLogger(__name__)

SHOWN = 5
"""Lines that are named beside the first that could not be read."""


class Known:
    """The results that were read so far: of a file that only grows, each line is read once.

    Attributes:
        results, by_key: In the order written, all and those of a run.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.results: list[Result] = []
        self.by_key: dict[str, list[Result]] = {}
        self._file, self._read, self._lines, self._last = 0, 0, 0, b""

    def extend(self, path: Path) -> None:
        """Read what has been added; all of it where what was read is no longer there.

        Raises:
            OSError: It can't be read.
        """
        faults: dict[int, str] = {}
        with open_file(path) as file:
            if not self._begins(file):
                self.forget()
            self._file = os.fstat(file.fileno()).st_ino
            file.seek(self._read)
            content = file.read()
        *lines, last = content.split(b"\n")
        for number, line in enumerate([*lines, last] if last else lines, start=self._lines + 1):
            try:
                result = parsed(line, Result)
            except NewerError as error:
                faults[number] = f"a record of {error}: upgrade gpteval"
            except ValueError as error:
                faults[number] = f"not a result of this gpteval ({error}): restore or delete it"
            else:
                self.results.append(result)
                self.by_key.setdefault(result.key, []).append(result)
        if faults:
            _tell(path, tuple(faults.items()))
        if last:  # its end is still to come
            self._file = 0
        elif lines:
            self._read, self._lines = self._read + len(content), self._lines + len(lines)
            self._last = lines[-1] + b"\n"

    def _begins(self, file: IO[bytes]) -> bool:
        """Whether a file begins with what was read, to judge by its last line."""
        if os.fstat(file.fileno()).st_ino != self._file:
            return False
        file.seek(self._read - len(self._last))
        return file.read(len(self._last)) == self._last


@lru_cache(8)
def known(path: Path) -> Known:
    """What was read of a file, by whichever store of this process; `path` is absolute."""
    return Known()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system says into one line on what can't be read."""
    try:
        yield
    except OSError as error:
        raise ResultError(
            f"{path} can't be read ({error.strerror or error}): give it back its permissions, or "
            "name another results directory"
        ) from error


def to_lines(records: Iterable[Record], kind: type[Record]) -> bytes:
    """Records as lines, each held to what reading will ask of it.

    Raises:
        ResultError: The first that could not be read again.
    """
    return "".join(f"{_line(record, kind)}\n" for record in records).encode()


def _line(record: Record, kind: type[Record]) -> str:
    row = _compact(record) if isinstance(record, Prediction) else asdict(record)
    try:
        line = to_json(with_digest(row) if kind is Result else row, compact=True)
        parsed(line, kind)
    except (ValueError, TypeError) as error:
        which = row.get("id") or f"{row.get('task')} {row.get('split')}"
        raise ResultError(
            f"the {kind.__name__.lower()} of {which!s:.80} could not be read again, and is not "
            f"saved: {_unwritable(row) or error}; mend the task, metric or model it comes from"
        ) from error
    return line


def _unwritable(row: Mapping[str, Any]) -> str:
    """The first field that JSON has no way to write, with its value; "" where there is none."""
    for name, value in row.items():
        try:
            to_json(value)
        except (ValueError, TypeError):
            return f"{name} is {value!r:.80}"
    return ""


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers.

    Raises:
        ResultError: The file can't be read.
    """
    with reading(path):
        *lines, last = path.read_bytes().split(b"\n")
    return enumerate([*lines, last] if last else lines, start=1)


def parsed(line: str | bytes, kind: type[Record]) -> Record:
    """The record of a line.

    Raises:
        ValueError: It is none, for the reason given.
    """
    if not line.strip():
        raise ValueError("a blank line")
    record = read_record(line, kind)
    if isinstance(record, Result) and (wrong := unsound(record)):
        raise ValueError(wrong)
    return record


def has_digest(line: bytes) -> bool:
    """Whether the line of a result, which can be read, has a digest."""
    return DIGEST in parse_json(line)


@cache
def _tell(path: Path, faults: tuple[tuple[int, str], ...]) -> None:
    """Say it once, however often the file is read."""
    (number, reason), *others = faults
    more = ", ".join(str(number) for number, _ in others[:SHOWN])
    more += ", …" if len(others) > SHOWN else ""
    logger.warning(
        "%s:%d: passed over, %s%s",
        path,
        number,
        reason,
        f"; so are {len(others)} other lines ({more})" if others else "",
    )


def predictions_of(path: Path) -> Iterator[Prediction]:
    """The prediction of each line.

    Raises:
        ResultError: A line that is none, with file:line: no score could be made of the others.
    """
    for number, line in lines_of(path):
        try:
            yield parsed(line, Prediction)
        except ValueError as error:
            raise ResultError(
                f"{path}:{number}: not a prediction of this gpteval ({error}); run the task again"
            ) from error


def _compact(prediction: Prediction) -> dict[str, Any]:
    row = asdict(prediction) | {"scores": [round(score, 6) for score in prediction.scores]}
    needed = ("id", "label", "prediction")
    return {name: value for name, value in row.items() if value or name in needed}
