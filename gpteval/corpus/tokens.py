"""Token ids of a corpus as a file.

The token file is a flat array of ids that is read through a memory map. Beside it lie a table of
the documents (".documents") and a manifest (".json") that says what the two hold and of which
texts, with their checksums. They grow as the corpus is read: a build that was killed, or met a
damaged document, resumes from its last manifest. Files that are damaged themselves are made again.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from filelock import FileLock

from gpteval.corpus.documents import Corpus
from gpteval.errors import DataError, ResultError
from gpteval.files import Checksum, append, file_checksum, read_sealed, write_sealed
from gpteval.model import Tokenizer
from gpteval.progress import Progress, Silent

READ_AT_ONCE = 1 << 22
"""Characters that are encoded in one call: enough to keep every core busy."""

RECORD = np.dtype([("source", "<u4"), ("row", "<u8"), ("start", "<u8"), ("size", "<u8")])
"""A line of the table of documents."""

FILES = ("tokens", "documents")
"""Endings of the files that a manifest describes."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document's place in a token file.

    Attributes:
        name: Its file name, or file name (hub reference) and row: "wiki.jsonl:17".
        start, stop: Its tokens, half open; the first is the tokenizer's `start`, if it has one.
        size: UTF-8 bytes of its text as it was read, before any standardising.
    """

    name: str
    start: int
    stop: int
    size: int


@dataclass(frozen=True, slots=True)
class Documents(Sequence[Document]):
    """The documents of a token file; on disk until asked for.

    Attributes:
        records: One per document, (N,) of `RECORD`.
        sources: Names of what they were read from.
        tokens: Length of the token file.
    """

    records: np.memmap
    sources: tuple[str, ...]
    tokens: int

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Document, ...]: ...
    def __getitem__(self, index: int | slice) -> Document | tuple[Document, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        place, row, start, size = self.records[index].item()
        last = index in (-1, len(self) - 1)
        stop = self.tokens if last else int(self.records["start"][index + 1])
        return Document(f"{self.sources[place]}{f':{row}' if row else ''}", start, stop, size)

    @property
    def size(self) -> int:
        """UTF-8 bytes of all texts."""
        return int(self.records["size"].sum())


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Encoded documents, one after another.

    Attributes:
        tokens: Token ids, uint16 or uint32, mapped from the file.
        documents: Where each document lies.
        digest: SHA-256 of the tokenizer, the documents' names and texts.
    """

    tokens: np.memmap
    documents: Documents
    digest: str


def encode_documents(
    corpus: Corpus, tokenizer: Tokenizer, target: Path, progress: Progress | None = None
) -> TokenFile:
    """Encode documents into the token file `target` (".tokens"), or reuse what is there.

    The file of the same tokenizer and untouched sources is reused unread. Else the texts are read
    and compared, by their digest, with what a killed or earlier build has written, and encoded from
    there on. Several processes may ask for the same file: one of them writes it.

    Args:
        corpus: The documents.
        tokenizer: Turns text into ids; its `start`, if any, begins every document.
        target: File to write, with its table and its manifest beside it.
        progress: Told how many documents are done.

    Raises:
        DataError: A document that can't be read; those before it are kept.
        ResultError: The file can't be written; what is written is kept.
    """
    inputs = {"tokenizer": tokenizer.digest, "corpus": corpus.identity}
    with _kept(target), FileLock(target.with_suffix(".lock")):
        manifest = _manifest(target)
        if not manifest and target.with_suffix(".json").exists():
            (progress or Silent()).say(f"{target} is not as it was written: it is encoded again")
        if manifest.get("inputs") != inputs:
            going_on = _Build(tokenizer, target, manifest)
            if not going_on.fill(corpus, inputs, progress or Silent()):
                _Build(tokenizer, target, {}).fill(corpus, inputs, progress or Silent())
    return open_tokens(target)


def open_tokens(target: Path) -> TokenFile:
    """Map a token file that `encode_documents` wrote."""
    manifest = read_sealed(target.with_suffix(".json"))
    table, lengths = target.with_suffix(".documents"), (manifest["tokens"], manifest["documents"])
    tokens = np.memmap(target, np.dtype(manifest["dtype"]), mode="r", shape=lengths[:1])
    records = np.memmap(table, RECORD, mode="r", shape=lengths[1:])
    return TokenFile(
        tokens, Documents(records, tuple(manifest["sources"]), len(tokens)), manifest["digest"]
    )


class _Build:
    """A token file being written.

    Attributes:
        manifest: What is on disk and will be kept: how many documents and tokens, the digest of the
            tokenizer and all texts up to there, and the checksum of each file.
        digest: The same of what is read so far.
        size: UTF-8 bytes of the document being read.
    """

    def __init__(self, tokenizer: Tokenizer, target: Path, manifest: Mapping[str, Any]) -> None:
        """Go on from a manifest, or begin afresh with {}."""
        self.tokenizer, self.target = tokenizer, target
        self.dtype = np.dtype("uint16" if tokenizer.vocab_size <= 1 << 16 else "uint32")
        empty: dict[str, Any] = {"documents": 0, "tokens": 0, "dtype": self.dtype.name}
        empty["checksums"] = dict.fromkeys(FILES, str(Checksum()))
        self.manifest = empty | dict(manifest)
        checksums = self.manifest["checksums"]
        self._checksums = {name: Checksum.read(checksums[name]) for name in FILES}
        self.digest = hashlib.sha256(tokenizer.digest.encode())
        self.size = 0
        self._chunks: list[tuple[str, bool]] = []  # to encode, and whether a document begins there
        self._waiting = 0  # their characters
        self._unsaved = 0  # characters since the last manifest
        self._ended: list[
            tuple[int, int, int]
        ] = []  # source, row, size: documents not in the table
        self._starts: deque[int] = deque()  # where these, and the document being read, begin

    def fill(self, corpus: Corpus, inputs: Mapping[str, Any], progress: Progress) -> bool:
        """Read all documents and encode those not on disk; False if these are not the corpus's."""
        progress.begin("encode", len(corpus))
        documents = corpus.documents()
        same = self._found_again(corpus, documents, progress)
        if same:
            self._cut()
            for index, row, chunks in documents:
                self._read(index, row, self._digested(corpus.named(index, row), chunks))
                progress.advance(1, f"{self.manifest['tokens']:,} tokens")
            self._save()
            if not self.manifest["documents"]:
                raise DataError(f"no text in {', '.join(s.name for s in corpus.sources)}")
            names = [source.name for source in corpus.sources]
            self._turn(sources=names, inputs=inputs)
        progress.end()
        return same

    def _found_again(
        self,
        corpus: Corpus,
        documents: Iterator[tuple[int, int, Iterator[str]]],
        progress: Progress,
    ) -> bool:
        """Read the documents that are on disk; whether they are the same."""
        kept = 0
        while kept < self.manifest["documents"]:
            index, row, chunks = next(documents, (0, 0, None))
            if chunks is None:
                return False
            for _ in self._digested(corpus.named(index, row), chunks):
                pass  # only the digest is wanted
            kept += self.size > 0
            progress.advance(1, "encoded before")
        return not kept or bool(self.digest.hexdigest() == self.manifest["digest"])

    def _digested(self, name: str, chunks: Iterator[str]) -> Iterator[str]:
        """A document's chunks, each once it is part of the digest and the size."""
        self.size = 0
        for chunk in chunks:
            content = chunk.encode()
            self.digest.update(content if self.size else f"{name}\0".encode() + content)
            self.size += len(content)
            yield chunk
        if self.size:
            self.digest.update(self.size.to_bytes(8, "little"))

    def _read(self, index: int, row: int, chunks: Iterator[str]) -> None:
        """Take a document in, encoding and saving whenever enough has come together."""
        begins = True
        for chunk in chunks:
            self._chunks.append((chunk, begins))
            self._waiting, self._unsaved = self._waiting + len(chunk), self._unsaved + len(chunk)
            begins = False
            if self._waiting >= READ_AT_ONCE:
                self._encode()
        if self.size:
            self._ended.append((index, row, self.size))
        if self._unsaved >= READ_AT_ONCE:
            self._save()

    def _encode(self) -> None:
        """Write the tokens of the chunks that wait."""
        start = [] if self.tokenizer.start is None else [self.tokenizer.start]
        end = self.target.stat().st_size // self.dtype.itemsize
        encoded = self.tokenizer.encode([text for text, _ in self._chunks])
        content: list[bytes] = []
        for (_, begins), ids in zip(self._chunks, encoded, strict=True):
            if begins:
                self._starts.append(end)
            whole = np.asarray(start + ids if begins else ids, self.dtype)
            content.append(whole.tobytes())
            end += len(whole)
        self._append("tokens", b"".join(content))
        self._chunks, self._waiting = [], 0

    def _save(self) -> None:
        """Between two documents: write what waits, then the manifest that counts it in."""
        self._encode()
        rows = [(i, row, self._starts.popleft(), size) for i, row, size in self._ended]
        self._append("documents", np.array(rows, RECORD).tobytes())
        tokens = self.target.stat().st_size // self.dtype.itemsize
        documents = self.manifest["documents"] + len(rows)
        self._ended, self._unsaved = [], 0
        checksums = {name: str(checksum) for name, checksum in self._checksums.items()}
        digest = self.digest.hexdigest()
        self._turn(digest=digest, documents=documents, tokens=tokens, checksums=checksums)

    def _append(self, name: str, content: bytes) -> None:
        append(self.target.with_suffix(f".{name}"), content)
        self._checksums[name] = self._checksums[name].then(content)

    def _turn(self, **facts: Any) -> None:
        """Write the manifest with some facts changed, under a temporary name first."""
        self.manifest |= facts
        write_sealed(self.target.with_suffix(".json"), self.manifest)

    def _cut(self) -> None:
        """Drop what was written after the manifest, which from here on is of an unfinished file."""
        kept = ("digest", "documents", "tokens", "dtype", "checksums")
        self.manifest = {name: self.manifest.get(name, "") for name in kept}
        self._turn()
        for name, checksum in self._checksums.items():
            path = self.target.with_suffix(f".{name}")
            path.touch()
            os.truncate(path, checksum.size)


def _manifest(target: Path) -> dict[str, Any]:
    """The manifest of a token file; {} where there is none, or the files are not what it says."""
    manifest = read_sealed(target.with_suffix(".json"))
    try:
        for name, text in manifest.get("checksums", {}).items():
            checksum = Checksum.read(text)
            if file_checksum(target.with_suffix(f".{name}"), checksum.size) != checksum:
                return {}
    except OSError:
        return {}
    return manifest


@contextmanager
def _kept(target: Path) -> Iterator[None]:
    """Add to an error what is not lost by it."""
    try:
        yield
    except (OSError, DataError) as error:
        documents = _manifest(target).get("documents", 0)
        kept = f"; {documents:,} documents are encoded, the same command resumes there"
        kept = kept if documents else ""
        if isinstance(error, DataError):
            raise DataError(f"{error}{kept}") from None
        raise ResultError(
            f"{target} can't be written ({error.strerror or error}): make room, or name another "
            f"--output{kept}"
        ) from error
