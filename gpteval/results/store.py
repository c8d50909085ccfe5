"""The results directory: `records.jsonl`, one result a line, and a predictions file per split.

Records are only ever appended, under a lock, so that several runs can share one directory. A write
that was killed leaves at most one line without its end: it is set aside, and the rest stays usable.
Nothing is written that could not be read back, and a line that can't be read costs itself alone.
Workers of a launched run write a file for each key instead (`gpteval.results.apart`).
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR

from filelock import FileLock, Timeout

from gpteval.errors import ResultError
from gpteval.files import append, parse_json, remove, remove_partial, write_whole
from gpteval.paths import PathLike, file_name, open_file, user_path
from gpteval.records import Prediction, Result
from gpteval.results.apart import FOLDER, apart
from gpteval.results.lines import known, parsed, predictions_of, reading, to_lines

logger = logging.getLogger(__name__)

RECORDS = "records.jsonl"
"""The file of all results but those of workers."""


class ResultStore:
    """The results of any number of runs in one directory, which is made when first written to."""

    def __init__(self, directory: PathLike) -> None:
        self.directory = user_path(directory)
        self.records = self.directory / RECORDS
        self._known = known(self.records.absolute())
        self._apart = apart((self.directory / FOLDER).absolute())

    @property
    def files(self) -> list[Path]:
        """The files that hold results: `records.jsonl`, and those of workers."""
        with reading(self._apart.folder):
            self._apart.look_again()
        return [path for path in (self.records, *self._apart.files) if path.is_file()]

    def replaced(self, path: Path, result: Result) -> bool:
        """Whether a result in one of the files counts no more: a worker's stands in its place."""
        return path == self.records and self._apart.hides(result)

    def prepare(self, room: int = 0) -> None:
        """Find out, before anything is computed, whether results can be written here.

        Args:
            room: Bytes that the state of an unfinished training takes.

        Raises:
            ResultError: They can't, or there is less room on the disk.
        """
        with saving(f"{self.directory}: nothing can be written here"), self._locked():
            probe = self.directory / "predictions" / ".probe"
            remove_partial(probe.parent, probe.name)
            write_whole(probe, b"")
            remove(probe)
            free = shutil.disk_usage(self.directory).free
        if free < room:
            raise ResultError(
                f"{self.directory} has {free / 1e9:.1f} GB left, and the state of an unfinished "
                f"training takes {room / 1e9:.1f}: make room, or name another --results"
            )

    @contextmanager
    def claimed(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the claim to the unit of this key; a process that dies gives it up.

        The claim is a lock on a file, which goes when the unit is finished. Who waits for a claim
        has to look for results again: the file it then holds may be gone.

        Args:
            key: The unit's.
            waiting: Called once if another process holds the claim.
        """
        path = self.directory / "unfinished" / f"{key[:16]}.lock"
        lock, told = FileLock(path), False
        while not lock.is_locked:
            with saving(f"{path}: nothing can be written here"):
                _make(path.parent)
            try:
                lock.acquire(timeout=-1 if told else 0)
            except Timeout:
                told = True
                waiting()
            except (FileNotFoundError, FileExistsError):
                continue  # who finished meanwhile has removed the directory, and another made it
        with lock:
            yield
            path.unlink(missing_ok=True)
        with suppress(OSError):  # others may have claims or states in it
            path.parent.rmdir()

    def append(self, results: Sequence[Result]) -> None:
        """Add results, all or none of them; on disk when this returns.

        Raises:
            ResultError: They could not be written, or not be read again; what was saved before is
                intact.
        """
        lines = to_lines(results, Result)
        names = ", ".join(dict.fromkeys(result.task for result in results))
        with saving(f"{self.records}: the results of {names} are not saved"), self._locked():
            self._mend()
            append(self.records, lines)

    def put(self, results: Sequence[tuple[Result | None, Result]]) -> None:
        """Add results, and put those that were measured again in the place of the earlier.

        Args:
            results: The earlier one, if there is one, and the new one.

        Raises:
            ResultError: As `append`; the earlier ones stand.
        """
        changed = [(old, new) for old, new in results if old is not None]
        if changed:
            self.rewrite(changed)
        if added := [new for old, new in results if old is None]:
            self.append(added)
        self._clear(old for old, _ in changed)

    def _clear(self, replaced: Iterable[Result]) -> None:
        """Remove the predictions of results that were replaced, where no other has them."""
        earlier = {result.predictions for result in replaced} - {""}
        used = {result.predictions for result in self.read_all()} if earlier else set()
        for path in earlier - used:
            remove(self.directory / path)

    def rewrite(self, changed: Iterable[tuple[Result, Result]]) -> int:
        """Put other results in the place of some, whole or not at all; all others stay as they are.

        Lines of earlier code become what they would be today: with a digest.

        Args:
            changed: A result as it was read, and what takes its place.

        Returns:
            How many of the other lines were of earlier code.

        Raises:
            ResultError: They could not be written, or not be read again.
        """
        changed = list(changed)
        own = [pair for pair in changed if self._apart.holds(pair[0])]
        others = [pair for pair in changed if pair not in own]
        lines = {to_lines([old], Result): to_lines([new], Result) for old, new in others}
        with saving(f"{self._apart.folder}: nothing is changed"):
            self._apart.rewrite(own)
        if not self.records.is_file():
            return 0
        with saving(f"{self.records}: nothing is changed"), self._locked():
            before = self.records.read_bytes().splitlines(keepends=True)
            normal = [_normal(line) for line in before]
            after = [lines.get(line, line) for line in normal]
            if after != before:
                write_whole(self.records, b"".join(after))
        pairs = zip(before, normal, strict=True)
        return sum(old != new and new not in lines for old, new in pairs)

    def read(self) -> list[Result]:
        """Every scored result in the order written; none where the directory does not exist."""
        return [result for result in self.read_all() if not result.private]

    def read_all(self) -> list[Result]:
        """The same, with those of splits whose labels are private.

        Lines that are no results, or those of a newer gpteval, are passed over and told once.

        Raises:
            ResultError: The file can't be read.
        """
        with reading(self._apart.folder):
            self._apart.look_again()
        self._look_again()
        return [r for r in self._known.results if not self._apart.hides(r)] + [*self._apart]

    def finished(self, key: str) -> list[Result]:
        """The results of the run with this key, one per split; empty where it has not finished."""
        with reading(self._apart.folder):
            own = self._apart.of(key)
        self._look_again()
        return [r for r in self._known.by_key.get(key, ()) if not self._apart.hides(r)] + own

    def _look_again(self) -> None:
        """Read what has been appended since."""
        if not self.records.exists():
            self._known.forget()
            return
        with reading(self.records):
            whole = _ends_with_newline(self.records)
        if not whole:
            with suppress(OSError), self._locked():  # where nothing can be written it stays
                self._mend()
        with reading(self.records):
            self._known.extend(self.records)

    def write_predictions(
        self, key: str, task: str, split: str, predictions: Iterable[Prediction]
    ) -> str:
        """Write the predictions of one split, whole or not at all.

        Who has claimed the key is the only one to write them: what a killed run left goes.
        Scores are rounded to 6 digits and empty fields left out, which keeps the files small.
        Those of an earlier result stay until it is replaced: these then lie beside them.

        Returns:
            The file's path below the results directory, for `Result.predictions`.

        Raises:
            ResultError: The file could not be written, or not be read again.
        """
        name = f"predictions/{file_name(task)}-{file_name(split)}-{key[:12]}"
        taken = {result.predictions for result in self.finished(key)}
        path = f"{name}-again.jsonl" if f"{name}.jsonl" in taken else f"{name}.jsonl"
        target = self.directory / path
        with saving(f"{target}: the predictions of {task} {split} are not saved"):
            remove_partial(target.parent, target.name)
            write_whole(target, to_lines(predictions, Prediction))
        return path

    def replace_predictions(self, result: Result, predictions: Iterable[Prediction]) -> None:
        """Write the predictions of a result anew; raises as `write_predictions` does."""
        path = self.directory / result.predictions
        with saving(f"{path}: nothing is changed"):
            write_whole(path, to_lines(predictions, Prediction))

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
        return list(predictions_of(path))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with FileLock(self.directory / "records.lock"):
            remove_partial(self.directory, self.records.name)
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


def last_written(directory: Path) -> float | None:
    """When results were last put in a directory, in seconds of the system's clock; None: never."""
    places = (directory / RECORDS, directory / FOLDER)
    return max((place.stat().st_mtime for place in places if place.exists()), default=None)


def _normal(line: bytes) -> bytes:
    """A line as it would be written today; as it is where it is no result."""
    try:
        return to_lines([parsed(line, Result)], Result)
    except ValueError:
        return line


@contextmanager
def saving(failure: str) -> Iterator[None]:
    """Turn what the system says into one line on what was not saved."""
    try:
        yield
    except OSError as error:
        raise ResultError(
            f"{failure} ({error.strerror or error}); what was there before is intact: make room "
            "or name another directory with --results, and run again"
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


def _make(directory: Path) -> None:
    """Make a directory that others may be removing; `mkdir` takes that for a file in its place."""
    while True:
        try:
            return directory.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            with suppress(FileNotFoundError):  # it went, and may be back by now
                if not S_ISDIR(directory.stat().st_mode):
                    raise
