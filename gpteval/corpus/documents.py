"""A corpus: its documents, and those held out of training."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from gpteval.corpus.chunks import unreadable
from gpteval.corpus.sources import HUB, Source, source
from gpteval.errors import ConfigError, DataError
from gpteval.paths import PathLike, files_below, refuse_special, user_path
from gpteval.progress import Progress, Silent

FORMS = (".txt", ".jsonl")
SUFFIXES = (*(form + packed for form in FORMS for packed in ("", ".gz", ".zst")), ".parquet")
"""What is taken from a directory, at any depth, in any case. A file named by itself may have any
name."""
LOCK = "pretrain.lock"
"""Lies in every directory that a pre-training writes to: nothing there is a document."""
SHOWN = 3
"""Names shown of what is passed over."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents of some sources; their texts are read each time they are asked for.

    Attributes:
        sources: Where they come from.
        counts: How many documents each source has.
        held: Some of the documents, as source and place in it from 0.
        only_held: Whether the corpus is these alone, or all the others.
    """

    sources: tuple[Source, ...]
    counts: tuple[int, ...]
    held: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    only_held: bool = False

    def __len__(self) -> int:
        """How many documents it has, those without text among them."""
        return len(self.held) if self.only_held else sum(self.counts) - len(self.held)

    def __iter__(self) -> Iterator[str]:
        """The texts in chunks, as a tokenizer is trained on them."""
        for _, _, chunks in self.documents():
            yield from chunks

    def documents(self) -> Iterator[tuple[int, int, Iterator[str]]]:
        """Each document's source, row and text in chunks.

        Raises:
            DataError: What can't be read.
        """
        for index in self._used():
            for place, (row, chunks) in enumerate(self.sources[index].documents()):
                if ((index, place) in self.held) == self.only_held:
                    yield index, row, chunks

    def named(self, index: int, row: int) -> str:
        """A document's name, of its source and row."""
        name = self.sources[index].name
        return f"{name}:{row}" if row else name

    @property
    def identity(self) -> list[Any]:
        """Changes when the documents do, as far as can be seen without reading them; JSON."""
        used = self._used()
        held = sorted([index, place] for index, place in self.held if index in used)
        return [self.only_held, held, [self.sources[index].identity for index in used]]

    def _used(self) -> list[int]:
        """The sources that have a document of the corpus."""
        held = [0] * len(self.sources)
        for index, _ in self.held:
            held[index] += 1
        pairs = enumerate(zip(held, self.counts, strict=True))
        return [i for i, (of_it, count) in pairs if (of_it if self.only_held else count - of_it)]


def find_documents(
    paths: Sequence[PathLike],
    text_field: str = "text",
    progress: Progress | None = None,
) -> Corpus:
    """The documents of files, of the files below directories in sorted order, of hub data sets.

    Args:
        paths: Files, directories, "hub:owner/name" or "hub:owner/name:configuration".
        text_field: Field of JSONL lines, column of rows.
        progress: Told while documents are counted, and what is passed over.

    Raises:
        DataError: A path that doesn't exist, no document at all, or one that can't be counted.
    """
    progress = progress or Silent()
    files = [file for path in paths for file in _files(user_path(path), progress)]
    sources = [source(file, text_field) for file in dict.fromkeys(files)]
    progress.begin("count documents", len(sources))
    counts: list[int] = []
    for reader in sources:
        counts.append(reader.count())
        progress.advance(1)
    progress.end()
    if not sum(counts):
        shown = ", ".join(map(str, paths))
        raise DataError(f"no text in {shown}: expected files ending in {', '.join(SUFFIXES)}")
    return Corpus(tuple(sources), tuple(counts))


def _files(path: Path, progress: Progress) -> Sequence[Path]:
    """The file or hub data set of that name, or the files below the directory."""
    if str(path).startswith(HUB):
        return [path]
    if not path.exists():
        raise DataError(f"corpus {path} doesn't exist: name files, directories or {HUB}owner/name")
    try:
        refuse_special(path)
        if not path.is_dir():
            return [path]
        listing = files_below(path, SUFFIXES, LOCK)
    except OSError as error:
        raise unreadable(path, error) from None
    if listing.passed:
        more = ", …" if len(listing.passed) > SHOWN else ""
        progress.say(
            f"{path}: {len(listing.passed)} passed over, hidden, no file, or made by pretrain: "
            f"{', '.join(listing.passed[:SHOWN])}{more}"
        )
    return listing.files


def hold_out(corpus: Corpus, count: int, seed: int) -> tuple[Corpus, Corpus]:
    """Keep `count` documents apart, drawn at random with `seed`.

    Returns:
        The documents to train on and those held out, each in the given order.

    Raises:
        ConfigError: Nothing would be left to train on.
    """
    if count >= len(corpus):
        raise ConfigError(
            f"--held-out {count} leaves nothing to train on: the corpus has {len(corpus)} "
            "documents (a text file is one, a JSONL line, a row)"
        )
    stops = list(accumulate(corpus.counts))
    drawn = random.Random(seed).sample(range(stops[-1]), count)
    owners = [bisect_right(stops, number) for number in drawn]
    held = frozenset(
        (o, n - stops[o] + corpus.counts[o]) for o, n in zip(owners, drawn, strict=True)
    )
    train = Corpus(corpus.sources, corpus.counts, held)
    return train, Corpus(corpus.sources, corpus.counts, held, only_held=True)
