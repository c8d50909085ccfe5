"""The results directory: `records.jsonl`, one result a line, and a predictions file per split.

Records are only ever appended, under a lock, so that several runs can share one directory. A write
that was killed leaves at most one line without its end: it is set aside, and the rest stays usable.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonlines
from filelock import FileLock

from gpteval.errors import ResultError
from gpteval.files import append, parse_json, write_whole
from gpteval.paths import file_name, open_file, user_path
from gpteval.records import NewerError, Prediction, Record, Result, read_record

logger = logging.getLogger(__name__)


class ResultStore:
    """The results of any number of runs in one directory, which is made when first written to."""

    def __init__(self, directory: Path | str) -> None:
        self.directory = user_path(directory)
        self.records = self.directory / "records.jsonl"

    def append(self, results: Sequence[Result]) -> None:
        """Add results, all or none of them; on disk when this returns.

        Raises:
            ResultError: They could not be written; what was saved before is intact.
        """
        lines = _lines(asdict(result) for result in results)
        names = ", ".join(dict.fromkeys(result.task for result in results))
        with _saving(f"{self.records}: the results of {names} are not saved"), self._locked():
            self._mend()
            append(self.records, lines)

    def read(self) -> list[Result]:
        """Every result in the order written; none where the directory does not exist.

        Raises:
            ResultError: A line that is not a result, or one of a newer gpteval, with file:line.
        """
        if not self.records.exists():
            return []
        with _reading(self.records):
            whole = _ends_with_newline(self.records)
        if not whole:
            with _saving(f"{self.records}: its torn last line can't be set aside"), self._locked():
                self._mend()
        return list(_records(self.records, Result, "restore the line or delete it"))

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
            ResultError: The file could not be written.
        """
        path = f"predictions/{file_name(task)}-{file_name(split)}-{key[:12]}.jsonl"
        with _saving(f"{self.directory / path}: the predictions of {task} {split} are not saved"):
            write_whole(self.directory / path, _lines(map(_compact, predictions)))
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
        return list(_records(path, Prediction, "run the task again"))

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


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    jsonlines.Writer(text, compact=True).write_all(rows)
    return text.getvalue().encode()


def _records(path: Path, kind: type[Record], hint: str) -> Iterator[Record]:
    """The record of each line.

    Raises:
        ResultError: A line that is none, with file:line, the reason, and what to do.
    """
    with _reading(path):
        lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            yield read_record(line, kind)
        except NewerError as error:
            raise ResultError(f"{path}:{number}: a record of {error}: upgrade gpteval") from error
        except ValueError as error:
            what = f"not a {kind.__name__.lower()} of this gpteval ({error})"
            raise ResultError(f"{path}:{number}: {what}; {hint}") from error


def _compact(prediction: Prediction) -> dict[str, Any]:
    row = asdict(prediction) | {"scores": [round(score, 6) for score in prediction.scores]}
    needed = ("id", "label", "prediction")
    return {name: value for name, value in row.items() if value or name in needed}
