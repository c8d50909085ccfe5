"""Results apart from `records.jsonl`: a file for each key, which only who computes the key writes.

Workers on several machines share no file so, and no file lock has to work: a file is put in place
whole, and a key that two computed has one file all the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

from gpteval.files import remove_partial, write_whole
from gpteval.records import Result
from gpteval.results.lines import Known, to_lines

FOLDER = "records"
"""Directory of the files, below the results directory."""

SETTLED = 2.0
"""Seconds after which the time of a directory's last change tells of another one."""


class Apart:
    """The results of one directory that have a file for their key.

    Attributes:
        folder: Where the files lie.
        by_key: Results by key, as they were when last looked at.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is read before `look_again`."""
        self.folder = folder
        self.by_key: dict[str, list[Result]] = {}
        self._files: dict[str, tuple[int, int, int]] = {}
        self._changed = -1

    @property
    def files(self) -> list[Path]:
        """The files that were there when last looked at."""
        return [self.folder / name for name in sorted(self._files)]

    def look_again(self) -> None:
        """Read the files that are new or were replaced; forget those that are gone.

        Raises:
            OSError: One can't be read.
        """
        changed = self._last_change()
        if changed == self._changed:
            return
        present = dict(self._present())
        for name in self._files.keys() - present.keys():
            self.by_key.pop(Path(name).stem, None)
        for name, state in present.items():
            if self._files.get(name) != state:
                self.by_key[Path(name).stem] = self._results(name)
        self._files = present
        # What is written within the clock's last tick would not be seen.
        self._changed = changed if time.time() - changed / 1e9 > SETTLED else -1

    def of(self, key: str) -> list[Result]:
        """The results of one key, as they are now; of the others' files none is looked at.

        Raises:
            OSError: They can't be read.
        """
        name = f"{key}.jsonl"
        try:
            state = _state((self.folder / name).stat())
        except FileNotFoundError:
            self._files.pop(name, None)
            self.by_key.pop(key, None)
            return []
        if self._files.get(name) != state:
            self.by_key[key], self._files[name] = self._results(name), state
        return list(self.by_key[key])

    def __iter__(self) -> Iterator[Result]:
        """Every result, in the order written."""
        return iter(sorted(chain(*self.by_key.values()), key=lambda r: (r.time, r.key)))

    def holds(self, result: Result) -> bool:
        """Whether this very result is one of them."""
        return result in self.by_key.get(result.key, ())

    def hides(self, result: Result) -> bool:
        """Whether one of the same key and split stands in its place."""
        own = self.by_key.get(result.key, ())
        return any((r.task, r.split) == (result.task, result.split) for r in own)

    def write(self, results: Iterable[Result]) -> None:
        """Put all results of their keys in place, one key after another.

        Raises:
            OSError: One could not be written; the earlier of its key stand.
        """
        by_key: dict[str, list[Result]] = {}
        for result in results:
            by_key.setdefault(result.key, []).append(result)
        for key, own in by_key.items():
            path = self.folder / f"{key}.jsonl"
            remove_partial(path.parent, path.name)
            write_whole(path, to_lines(own, Result))

    def rewrite(self, changed: Sequence[tuple[Result, Result]]) -> None:
        """Put results in the place of some that `holds` knows; raises as `write`."""
        for key in dict.fromkeys(old.key for old, _ in changed):
            own = self.by_key[key]
            self.write([next((new for old, new in changed if old == r), r) for r in own])

    def _last_change(self) -> int:
        """When a file was last put in the directory or taken away, in ns; 0 where it is not."""
        try:
            return self.folder.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _present(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Name of every file, and what tells whether it was replaced."""
        if not self.folder.is_dir():
            return
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl") and not entry.name.startswith("."):
                    yield entry.name, _state(entry.stat())

    def _results(self, name: str) -> list[Result]:
        """The results in a file that are of its key."""
        content = Known()
        try:
            content.extend(self.folder / name)
        except FileNotFoundError:  # replaced or removed meanwhile
            return []
        return content.by_key.get(Path(name).stem, [])


def _state(found: os.stat_result) -> tuple[int, int, int]:
    """What tells whether a file was replaced."""
    return found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(8)
def apart(folder: Path) -> Apart:
    """What was read of a directory, by whichever store of this process; `folder` is absolute."""
    return Apart(folder)
