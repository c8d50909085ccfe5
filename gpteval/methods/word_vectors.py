"""Files of word vectors that an option names: found out before any work, read task by task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gpteval.errors import ConfigError, DataError
from gpteval.features.bags import wanted_words
from gpteval.features.vector_files import WordVectors, file_digest, read_vectors
from gpteval.progress import Progress
from gpteval.task import Example, Task

PACKED = (".gz", ".zst")
VECTORS = "--vectors"


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A file of word vectors.

    Attributes:
        path: Where it is.
        content: SHA-256 of it, which results depend on.
    """

    path: Path
    content: str

    @classmethod
    def of(cls, path: Path) -> VectorFile:
        """The file of a path.

        Raises:
            ConfigError: It can't be read.
        """
        with named(VECTORS):
            return cls(path, file_digest(path))

    @property
    def name(self) -> str:
        """What it is called in results."""
        packed = self.path.suffix.lower() in PACKED
        return Path(self.path.stem if packed else self.path.name).stem

    def of_task(self, task: Task, examples: Iterable[Example], progress: Progress) -> WordVectors:
        """The vectors of the words of a task.

        Args:
            task: For messages.
            examples: All that are learnt from or scored.
            progress: Told how many of their words have a vector.

        Raises:
            ConfigError: It is no such file, or has no word of the task.
        """
        wanted = wanted_words(task, examples)
        with named(VECTORS):
            vectors = _read(self.path, self.content, wanted)
        if not vectors.rows:
            raise ConfigError(
                f"{VECTORS} {self.path} has none of the {len(wanted):,} words of {task.name}: name "
                "vectors of its language"
            )
        there = sum(vectors.row(word) is not None for word in wanted)
        progress.say(
            f"{task.name}: {there:,} of {len(wanted):,} spellings have a vector in {self.path.name}"
        )
        return vectors


@contextmanager
def named(option: str) -> Iterator[None]:
    """Whatever is wrong with what an option names is the option's fault, not a task's.

    Raises:
        ConfigError: The block raised a DataError.
    """
    try:
        yield
    except DataError as error:
        raise ConfigError(f"{option} {error}") from None


@lru_cache(maxsize=1)  # all that reads a file for one task asks for the same words
def _read(path: Path, content: str, wanted: frozenset[str]) -> WordVectors:
    return read_vectors(path, wanted)
