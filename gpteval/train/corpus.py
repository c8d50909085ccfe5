"""A corpus of plain text: the documents, those held out, and their token ids as a file.

A file is a document, plain or gzipped UTF-8. The token file is a flat array of ids, read through a
memory map, with a JSON page beside it that says what it holds and of which texts.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gpteval.errors import ConfigError, DataError
from gpteval.model import Tokenizer

SUFFIXES = (".txt", ".txt.gz")
"""What is taken from a directory, at any depth. A file named by itself may have any name."""

READ_AT_ONCE = 1 << 22
"""Bytes of text that are encoded in one call: enough to keep every core busy."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document's place in a token file.

    Attributes:
        name: Its file name.
        start, stop: Its tokens, half open; the first is the tokenizer's `start`, if it has one.
        size: UTF-8 bytes of its text as it was read, before any standardising.
    """

    name: str
    start: int
    stop: int
    size: int


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Encoded documents, one after another.

    Attributes:
        tokens: Token ids, uint16 or uint32, mapped from the file.
        documents: Where each document lies.
        digest: SHA-256 of the tokenizer and the texts.
    """

    tokens: np.memmap
    documents: tuple[Document, ...]
    digest: str


def find_documents(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those below the directories named, in sorted order.

    Raises:
        DataError: A path that doesn't exist, or no text at all.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"corpus {path} doesn't exist: name text files or directories of them")
        inside = (p for p in path.rglob("*") if p.is_file() and p.name.endswith(SUFFIXES))
        found += sorted(inside) if path.is_dir() else [path]
    if not found:
        shown = ", ".join(map(str, paths))
        raise DataError(f"no text in {shown}: expected files ending in {' or '.join(SUFFIXES)}")
    return list(dict.fromkeys(found))


def hold_out(documents: Sequence[Path], count: int, seed: int) -> tuple[list[Path], list[Path]]:
    """Keep `count` documents apart, drawn at random with `seed`.

    Returns:
        The documents to train on and those held out, each in the given order.

    Raises:
        ConfigError: Nothing would be left to train on.
    """
    if count >= len(documents):
        raise ConfigError(
            f"--held-out {count} leaves nothing to train on: the corpus has {len(documents)} "
            "documents (a file is a document)"
        )
    kept = set(random.Random(seed).sample(range(len(documents)), count))
    train = [d for i, d in enumerate(documents) if i not in kept]
    return train, [documents[i] for i in sorted(kept)]


def read_document(path: Path) -> str:
    """The text of one document.

    Raises:
        DataError: An empty file, a broken gzip file, or bytes that are not UTF-8.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a whole gzip file ({error}): fetch it again") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: byte 0x{error.object[error.start]:02x} is not UTF-8: convert the file"
        ) from None
    if not text.strip():
        raise DataError(f"{path} is empty: remove it from the corpus")
    return text


def encode_documents(paths: Sequence[Path], tokenizer: Tokenizer, target: Path) -> TokenFile:
    """Encode documents into the token file `target` (".tokens"), or reuse the one that is there.

    Args:
        paths: The documents.
        tokenizer: Turns text into ids; its `start`, if any, begins every document.
        target: File to write; its page is written beside it with the suffix ".json".
    """
    digest = _digest(paths, tokenizer)
    page = target.with_suffix(".json")
    if not (page.exists() and json.loads(page.read_text("utf-8"))["digest"] == digest):
        page.unlink(missing_ok=True)  # so that it never describes tokens of another text
        kind = "uint16" if tokenizer.vocab_size <= 1 << 16 else "uint32"
        documents = _write_tokens(paths, tokenizer, target, np.dtype(kind))
        content = {"digest": digest, "dtype": kind, "documents": [asdict(d) for d in documents]}
        _replace(page, lambda temporary: temporary.write_text(json.dumps(content), "utf-8"))
    return open_tokens(target)


def open_tokens(target: Path) -> TokenFile:
    """Map a token file that `encode_documents` wrote."""
    content = json.loads(target.with_suffix(".json").read_text("utf-8"))
    documents = tuple(Document(**d) for d in content["documents"])
    tokens = np.memmap(target, np.dtype(content["dtype"]), mode="r")
    return TokenFile(tokens, documents, content["digest"])


def _digest(paths: Sequence[Path], tokenizer: Tokenizer) -> str:
    digest = hashlib.sha256(tokenizer.digest.encode())
    for path in paths:
        digest.update(hashlib.sha256(path.name.encode() + b"\0" + path.read_bytes()).digest())
    return digest.hexdigest()


def _write_tokens(
    paths: Sequence[Path], tokenizer: Tokenizer, target: Path, kind: np.dtype
) -> list[Document]:
    documents: list[Document] = []
    start = [] if tokenizer.start is None else [tokenizer.start]

    def write(temporary: Path) -> None:
        end = 0
        with temporary.open("wb") as file:
            for names, texts in _portions(paths):
                for name, text, ids in zip(names, texts, tokenizer.encode(texts), strict=True):
                    np.asarray(start + ids, kind).tofile(file)
                    begin, end = end, end + len(start) + len(ids)
                    documents.append(Document(name, begin, end, len(text.encode())))

    _replace(target, write)
    return documents


def _portions(paths: Sequence[Path]) -> Iterator[tuple[list[str], list[str]]]:
    """Names and texts of the documents, a few at a time."""
    names: list[str] = []
    texts: list[str] = []
    for path in paths:
        names.append(path.name)
        texts.append(read_document(path))
        if sum(map(len, texts)) >= READ_AT_ONCE:
            yield names, texts
            names, texts = [], []
    if texts:
        yield names, texts


def _replace(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, then give it its own."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
