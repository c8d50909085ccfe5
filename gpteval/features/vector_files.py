"""Files of word vectors: GloVe's text, word2vec's text and binary, fastText's .vec.

A file is read once, as a stream, plain or as .gz or .zst; the vectors of the words asked for are
kept and all others passed over: memory holds what a task needs, whatever the file's size or its
header says. gensim's loader holds a whole file, makes room for as many vectors as the header says,
and names no line of what it can't read; a test holds this one to it on what both can read.

Text: a word and its D numbers a line, split by blanks; before them, but in GloVe's files, a line
with the number of words and D. A word may have blanks inside (". . ." in GloVe's 840B).
Binary: that first line, then every word, a blank, D numbers of 4 bytes (little-endian), and perhaps
a line feed.

Shape letters: W words kept, D width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gpteval.corpus.chunks import opened, undecodable
from gpteval.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST = 1 << 20
"""Most bytes of a line, or of a word in a binary file."""
WIDEST = 20_000
"""Most numbers of a vector; the widest in use have some thousands."""
BLOCK = 1 << 22
"""Bytes of a binary file that are read at once."""
SAMPLE = 1 << 12
"""Bytes after the first line that tell text from numbers of four bytes."""
CONTROLS = bytes({*range(32)} - set(b"\t\n\v\f\r"))
"""Bytes that stand in no text, and among some numbers of four bytes almost surely."""
AGAIN = "get the file again"


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Vectors of some words.

    Attributes:
        rows: Word → its row.
        matrix: The vectors, (W, D), float32.
    """

    rows: dict[str, int]
    matrix: NDArray[np.float32]

    def row(self, word: str) -> int | None:
        """The row of a word as it is written, else in small letters; None where there is none."""
        found = self.rows.get(word)
        return self.rows.get(word.lower()) if found is None else found


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written.

    Attributes:
        count: Words that its first line promises; None where it has no such line.
        width: Numbers of a vector.
        binary: Whether they are four bytes each, not text.
    """

    count: int | None
    width: int
    binary: bool


def read_vectors(path: Path, wanted: Set[str]) -> WordVectors:
    """The vectors of those words that the file has.

    Args:
        path: The file.
        wanted: Words, as the file may write them.

    Raises:
        DataError: A file that is empty, cut, of another kind or not what its header says; a line
            of another width, with a word that is not UTF-8, or, of a word that is wanted, with what
            is no finite number, or the second of that word. The line is named.
    """
    import numpy as np

    form, rows = _form(path), dict[str, int]()
    vectors: list[NDArray[np.float32]] = []
    places: list[str] = []
    count = 0
    for place, word, numbers in _binary(path, form) if form.binary else _lines(path, form):
        count += 1
        if word not in wanted:
            continue
        if word in rows:
            earlier = places[rows[word]]
            raise DataError(f"{place}: {word!r} has a vector before, at {earlier}: remove one")
        rows[word] = len(rows)
        places.append(place)
        vectors.append(_numbers(numbers, place, form))
    if form.count is not None and count != form.count:
        raise DataError.at(
            path, 1, f"says that there are {form.count:,} words, and there are {count:,}: {AGAIN}"
        )
    empty = np.empty((0, form.width), np.float32)
    return WordVectors(rows, np.stack(vectors) if vectors else empty)


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        DataError: It can't be read.
    """
    with opened(path) as _, path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _form(path: Path) -> Form:
    """How a file is written, by its first line and what follows."""
    with opened(path) as stream:
        first = stream.readline(LONGEST)
        sample = stream.read(SAMPLE)
    if not first.strip():
        raise DataError.at(path, 1, f"no word vectors, an empty line: {AGAIN}")
    fields = first.split()
    binary = any(byte in CONTROLS for byte in sample)
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        count, width = map(int, fields)
        if not 1 <= width <= WIDEST:
            raise DataError.at(path, 1, f"says {width} numbers a word, not 1 to {WIDEST}: {AGAIN}")
        return Form(count, width, binary)
    width = len(fields) - 1
    if binary or not 1 <= width <= WIDEST or not all(map(_numeric, fields[1:])):
        raise DataError.at(
            path,
            1,
            "neither a number of words and a width nor a word and its numbers: name a file of "
            "GloVe or word2vec, or fastText's .vec",
        )
    return Form(None, width, binary=False)


def _lines(path: Path, form: Form) -> Iterator[tuple[str, str, bytes]]:
    """Place, word and numbers of every line of a text file."""
    with opened(path) as stream:
        if form.count is not None:
            stream.readline(LONGEST)
        number = 1 if form.count is None else 2
        while line := stream.readline(LONGEST):
            line = line.rstrip()
            word, numbers = _parted(line, form.width)
            if numbers.count(b" ") != form.width - 1 or not numbers:
                found = max(len(line.split()) - 1, 0)
                raise DataError.at(
                    path, number, f"{found} numbers where {form.width} are due: {AGAIN}"
                )
            try:
                yield f"{path}:{number}", word.decode(), numbers
            except UnicodeDecodeError as error:
                raise undecodable(path, number, error) from None
            number += 1


def _parted(line: bytes, width: int) -> tuple[bytes, bytes]:
    """The word and the numbers of a line, which may be more or fewer than they should."""
    if line.count(b" ") == width:
        word, _, numbers = line.partition(b" ")
        return word, numbers
    parts = line.rsplit(None, width)  # a word with blanks inside
    inside = parts[0].split()[1:] if parts else []
    if len(parts) != width + 1 or (inside and _numeric(inside[-1])):
        return line, b""
    return parts[0], b" ".join(parts[1:])


def _binary(path: Path, form: Form) -> Iterator[tuple[str, str, bytes]]:
    """Place, word and numbers of every vector of a binary file, up to those that it promises."""
    with opened(path) as stream:
        stream.readline(LONGEST)
        for number, (word, numbers) in enumerate(_records(stream, 4 * form.width), 1):
            place = f"{path}: vector {number:,} of {form.count:,}"
            if len(numbers) < 4 * form.width:
                raise DataError(f"{place}: the file ends within it: {AGAIN}")
            try:
                yield place, word.decode(), numbers
            except UnicodeDecodeError as error:
                byte = word[error.start]
                raise DataError(
                    f"{place}: byte 0x{byte:02x} of its word is not UTF-8: convert the file"
                ) from None


def _records(stream: IO[bytes], size: int) -> Iterator[tuple[bytes, bytes]]:
    """Every word, and the `size` bytes after its blank: fewer where the stream ends."""
    held, start = b"", 0
    while True:
        blank = held.find(b" ", start, start + LONGEST)
        if 0 <= blank < len(held) - size:
            yield held[start:blank].lstrip(b"\n"), held[blank + 1 : blank + 1 + size]
            start = blank + 1 + size
            continue
        too_long = blank < 0 and len(held) - start >= LONGEST
        block = b"" if too_long else stream.read(BLOCK)
        if not block:
            if held[start:].strip(b"\n"):
                yield held[start:][:20].lstrip(b"\n"), b""
            return
        held, start = held[start:] + block, 0


def _numbers(content: bytes, place: str, form: Form) -> NDArray[np.float32]:
    """The vector that is written there, (D,).

    Raises:
        DataError: Something that is no number, or not a finite one.
    """
    import numpy as np

    if form.binary:
        vector = np.frombuffer(content, "<f4").astype(np.float32)
    else:
        fields = content.split()
        wrong = [field for field in fields if not _numeric(field)]
        if wrong:
            shown = wrong[0][:20].decode(errors="replace")
            raise DataError(f"{place}: {shown!r} where a number is due: {AGAIN}")
        vector = np.array([float(field) for field in fields], np.float32)
    if not np.isfinite(vector).all():
        (where, *_) = np.flatnonzero(~np.isfinite(vector))
        raise DataError(
            f"{place}: number {where + 1} is {vector[where]}, not finite: remove that word"
        )
    return vector


def _numeric(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
