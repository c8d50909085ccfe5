"""The results directory: `records.jsonl`, one result a line, and a predictions file per split.

Records are only ever appended, under a lock, so that several runs can share one directory. A write
that was killed leaves at most one line without its end: it is set aside, and the rest stays usable.
Nothing is written that could not be read back, and a line that can't be read costs itself alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from gpteval.errors import ResultError
from gpteval.files import append, parse_json, to_json, write_whole
from gpteval.paths import file_name, open_file, user_path
from gpteval.records import NewerError, Prediction, Record, Result, read_record
from gpteval.results.soundness import unsound

logger = logging.getLogger(__name__)

SHOWN = 5
"""Lines that are named beside the first that could not be read."""


class ResultStore:
    """The results of any number of runs in one directory, which is made when first written to."""

    def __init__(self, directory: Path | str) -> None:
        self.directory = user_path(directory)
        self.records = self.directory / "records.jsonl"

    def append(self, results: Sequence[Result]) -> None:
        """Add results, all or none of them; on disk when this returns.

        Raises:
            ResultError: They could not be written, or not be read again; what was saved before is
                intact.
        """
        lines = _lines(results, Result)
        names = ", ".join(dict.fromkeys(result.task for result in results))
        with _saving(f"{self.records}: the results of {names} are not saved"), self._locked():
            self._mend()
            append(self.records, lines)

    def read(self) -> list[Result]:
        """Every result in the order written; none where the directory does not exist.

        Lines that are no results, or those of a newer gpteval, are passed over and told once.

        Raises:
            ResultError: The file can't be read.
        """
        if not self.records.exists():
            return []
        with _reading(self.records):
            whole = _ends_with_newline(self.records)
        if not whole:
            with suppress(OSError), self._locked():  # where nothing can be written it stays
                self._mend()
        results: list[Result] = []
        faults: dict[int, str] = {}
        for number, line in _lines_of(self.records):
            try:
                results.append(_parsed(line, Result))
            except NewerError as error:
                faults[number] = f"a record of {error}: upgrade gpteval"
            except ValueError as error:
                faults[number] = f"not a result of this gpteval ({error}): restore or delete it"
        if faults:
            _tell(self.records, tuple(faults.items()))
        return results

    def finished(self, key: str) -> list[Result]:
        """The results of the run with this key, one per split; empty where it has not finished."""
        return [result for result in self.read() if result.key == key]

    def write_predictions(
        self, key: str, task: str, split: str, predictions: Iterable[Prediction]
    ) -> str:
        """Write the predictions of one split, whole or not at all.

        Scores are rounded to 6 digits and empty fields left out, which keeps the files small.

        Returns:
            The file's path below the results directory, for `Result.predictions`.

        Raises:
            ResultError: The file could not be written, or not be read again.
        """
        path = f"predictions/{file_name(task)}-{file_name(split)}-{key[:12]}.jsonl"
        with _saving(f"{self.directory / path}: the predictions of {task} {split} are not saved"):
            write_whole(self.directory / path, _lines(predictions, Prediction))
        return path

    def read_predictions(self, result: Result) -> list[Prediction]:
        """The predictions a result was scored on.

        Raises:
            ResultError: The file is missing, or a line is not a prediction.
        """
        path = self.directory / result.predictions
        if not path.is_file():
            raise ResultError(
                f"no predictions of {result.task} {result.split} at {path}: copy them beside "
                f"{self.records.name}, or run the task again"
            )
        return list(_predictions(path))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with FileLock(self.directory / "records.lock"):
            yield

    def _mend(self) -> None:
        """End a last line that only lacks its newline; set aside one that was cut short."""
        if not self.records.exists() or _ends_with_newline(self.records):
            return
        content = self.records.read_bytes()
        torn = content.rpartition(b"\n")[2]
        if _is_json(torn):
            append(self.records, b"\n")
            return
        aside = self.records.with_suffix(".torn.jsonl")
        append(aside, torn + b"\n")
        os.truncate(self.records, len(content) - len(torn))
        logger.warning(
            "%s: the last line was cut short by a killed run; it is kept in %s, and that run's "
            "results are missing",
            self.records,
            aside.name,
        )


@contextmanager
def _saving(failure: str) -> Iterator[None]:
    """Turn what the system says into one line on what was not saved."""
    try:
        yield
    except OSError as error:
        raise ResultError(
            f"{failure} ({error.strerror or error}); what was there before is intact: make room "
            "or name another directory with --results, and run again"
        ) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResultError(
            f"{path} can't be read ({error.strerror or error}): give it back its permissions, or "
            "name another results directory"
        ) from error


def _ends_with_newline(path: Path) -> bool:
    with open_file(path) as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _is_json(line: bytes) -> bool:
    try:
        parse_json(line)
    except ValueError:
        return False
    return True


def _lines(records: Iterable[Record], kind: type[Record]) -> bytes:
    """Records as lines, each held to what reading will ask of it.

    Raises:
        ResultError: The first that could not be read again.
    """
    return "".join(f"{_line(record, kind)}\n" for record in records).encode()


def _line(record: Record, kind: type[Record]) -> str:
    row = _compact(record) if isinstance(record, Prediction) else asdict(record)
    try:
        line = to_json(row, compact=True)
        _parsed(line, kind)
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


def _lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers.

    Raises:
        ResultError: The file can't be read.
    """
    with _reading(path):
        *lines, last = path.read_bytes().split(b"\n")
    return enumerate([*lines, last] if last else lines, start=1)


def _parsed(line: str | bytes, kind: type[Record]) -> Record:
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


def _predictions(path: Path) -> Iterator[Prediction]:
    """The prediction of each line.

    Raises:
        ResultError: A line that is none, with file:line: no score could be made of the others.
    """
    for number, line in _lines_of(path):
        try:
            yield _parsed(line, Prediction)
        except ValueError as error:
            raise ResultError(
                f"{path}:{number}: not a prediction of this gpteval ({error}); run the task again"
            ) from error


def _compact(prediction: Prediction) -> dict[str, Any]:
    row = asdict(prediction) | {"scores": [round(score, 6) for score in prediction.scores]}
    needed = ("id", "label", "prediction")
    return {name: value for name, value in row.items() if value or name in needed}
