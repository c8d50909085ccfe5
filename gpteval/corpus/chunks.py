"""Texts of a corpus in chunks: cutting them, and reading bytes that may be damaged or gone."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from gpteval.errors import DataError
from gpteval.paths import refuse_special

CHUNK = 1 << 16
"""Most characters of a chunk: long texts are read, and encoded on every core, in such chunks."""
NEAR = 4096
"""Characters before the end of a chunk in which a blank between two words is looked for."""

_BLANK = re.compile(r"(?<=\S) (?=\S)")


def cut(blocks: Iterable[str]) -> Iterator[str]:
    """Text in chunks of at most `CHUNK` characters, each but the first beginning with a blank.

    A word longer than a chunk is cut in two. No other word is, so that the chunks have the token
    ids of the whole text: with `openai`'s splitting too, but that ftfy looks for what to mend in
    no more than a chunk.
    """
    held = ""
    for block in blocks:
        held, start = held + block, 0
        while len(held) - start > CHUNK:
            stop = _place(held, start, start + CHUNK)
            yield held[start:stop]
            start = stop
        held = held[start:]
    if held:
        yield held


def _place(text: str, start: int, stop: int) -> int:
    """Where to cut: before a single blank between words, else before any, else at `stop`."""
    near = [blank.start() for blank in _BLANK.finditer(text, stop - NEAR, stop)]
    if near:
        return near[-1]
    blank = max(text.rfind(" ", start + 1, stop), text.rfind("\n", start + 1, stop))
    return blank if blank > start else stop


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, decompressed.

    Raises:
        DataError: It can't be read to its end.
    """
    try:
        with _stream(path) as stream:
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a whole gzip file ({error}): fetch it again") from None
    except OSError as error:
        if path.suffix.lower() == ".zst" and error.errno is None:
            raise DataError(f"{path} is not a whole zstd file ({error}): fetch it again") from None
        raise unreadable(path, error) from None


def _stream(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    refuse_special(path)
    if suffix == ".gz":
        return cast(IO[bytes], gzip.open(path))
    if suffix == ".zst":
        import pyarrow

        return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def unreadable(path: Path, error: OSError) -> DataError:
    """A file that the system won't give, perhaps because it has gone since it was found."""
    reason = error.strerror.partition(" Detail:")[0] if error.strerror else str(error)
    return DataError(f"{path} can't be read ({reason}): put it back, or leave it out")


def identity(path: Path) -> list[str | int]:
    """A file's path, size and time of change.

    Raises:
        DataError: It has gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from None
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def undecodable(path: Path, line: int, error: UnicodeDecodeError) -> DataError:
    """Bytes that are not UTF-8, in a text that begins on `line`."""
    line += error.object.count(b"\n", 0, error.start)
    return DataError.at(
        path, line, f"byte 0x{error.object[error.start]:02x} is not UTF-8: convert the file"
    )


def filled(value: object, field: str, place: str) -> Iterator[str]:
    """A row's text; nothing where it is missing or blank.

    Raises:
        DataError: Something else than text, or half a character.
    """
    if value is None:
        return
    if not isinstance(value, str):
        raise DataError(f"{place}: {field!r} is {value!r:.40}, not text: name another --text-field")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise DataError(f"{place}: {field!r} has half a character, {half!r}: mend it") from None
    if value and not value.isspace():
        yield value
