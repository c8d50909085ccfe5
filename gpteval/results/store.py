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
from gpteval.files import parse_json
from gpteval.records import SCHEMA, DataRecord, Prediction, Result, misfit

logger = logging.getLogger(__name__)


class ResultStore:
    """The results of any number of runs in one directory, which is made when first written to."""

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
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
            _append(self.records, lines)

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
        return [_result(row, place) for row, place in _rows(self.records)]

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
        path = f"predictions/{task}-{split}-{key[:12]}.jsonl"
        with _saving(f"{self.directory / path}: the predictions of {task} {split} are not saved"):
            replace_file(self.directory / path, _lines(map(_compact, predictions)))
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
        return [_prediction(row, place) for row, place in _rows(path)]

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
            _append(self.records, b"\n")
            return
        aside = self.records.with_suffix(".torn.jsonl")
        _append(aside, torn + b"\n")
        os.truncate(self.records, len(content) - len(torn))
        logger.warning(
            "%s: the last line was cut short by a killed run; it is kept in %s, and that run's "
            "results are missing",
            self.records,
            aside.name,
        )


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name in its directory, then rename: never half a file.

    Raises:
        OSError: It could not be written; a file of that name is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


def _append(path: Path, content: bytes) -> None:
    """Append all of `content` and force it to disk, or leave the file as it was."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        if path.exists():
            os.truncate(path, size)
        raise


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
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


def _rows(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Each line's object with its file:line."""
    with _reading(path):
        lines = path.read_bytes().splitlines()
    try:
        for number, row in enumerate(
            jsonlines.Reader(lines, loads=parse_json).iter(type=dict), start=1
        ):
            yield row, f"{path}:{number}"
    except jsonlines.InvalidLineError as error:
        reason = str(error).splitlines()[0]
        raise ResultError(
            f"{path}:{error.lineno}: not a record: {reason}; restore the line or delete it"
        ) from error


def _result(row: dict[str, Any], place: str) -> Result:
    try:
        if row["schema"] > SCHEMA:
            raise ResultError(
                f"{place}: record of schema {row['schema']}, and this gpteval reads up to "
                f"{SCHEMA}: upgrade gpteval"
            )
        nested = {
            "data": DataRecord(**row["data"]),
            "interval": tuple(row["interval"]),
            "history": tuple(row["history"]),
        }
        result = Result(**{**row, **nested})
    except (KeyError, TypeError) as error:
        raise ResultError(
            f"{place}: not a result of this gpteval ({error}); restore the line or delete it"
        ) from error
    wrong = misfit(result) or misfit(result.data) or ("scores" if not result.scores else "")
    if wrong:
        shown = repr(row.get(wrong, row["data"].get(wrong)))[:40]
        raise ResultError(f"{place}: {wrong} can't be {shown}; restore the line or delete it")
    return result


def _compact(prediction: Prediction) -> dict[str, Any]:
    row = asdict(prediction) | {"scores": [round(score, 6) for score in prediction.scores]}
    needed = ("id", "label", "prediction")
    return {name: value for name, value in row.items() if value or name in needed}


def _prediction(row: dict[str, Any], place: str) -> Prediction:
    try:
        variants = {name: tuple(scores) for name, scores in row.get("variants", {}).items()}
        nested = {"scores": tuple(row.get("scores", ())), "variants": variants}
        prediction = Prediction(**{**row, **nested})
    except (AttributeError, TypeError) as error:
        raise ResultError(f"{place}: not a prediction ({error}); run the task again") from error
    if wrong := misfit(prediction):
        shown = repr(row[wrong])[:40]
        raise ResultError(f"{place}: {wrong} can't be {shown}; run the task again")
    return prediction
