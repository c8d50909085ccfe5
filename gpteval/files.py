"""Files: written whole or not at all, appended to whole or not at all, read as what was written.

What gpteval writes for itself (token files, unfinished trainings, checkpoints, caches) carries its
`Checksum`: a file that is damaged is made again or refused, never read as something else.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpteval.errors import ConfigError, ResultError
from gpteval.paths import open_file, refuse_special

SHOWN = 40
"""Characters of a file's name that its temporary one keeps: the last, which tell runs apart."""
RANDOM = "[0-9a-f]" * 16
"""What a temporary name has to itself, as `glob` matches it."""
EARLIER = ".earlier"
"""Ending of a directory that waits until the new one is in its place."""
READ_AT_ONCE = 1 << 24
"""Bytes of a file that are held while its checksum is computed."""
SEAL = "checksum"
"""Name under which a JSON object, or the metadata of a file, holds the checksum of the rest."""


class DamagedError(ValueError):
    """Content that is not what was written."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """How many bytes there are, and their CRC-32; written as "1024-5f3a9c01".

    It finds damage, not forgery, so that a cryptographic digest would buy nothing: CRC-32 is faster
    than SHA-256 on every CPU, several times where SHA-256 has no instructions of its own, and that
    of a file that grows takes the new bytes alone.
    """

    size: int = 0
    crc: int = 0

    @classmethod
    def read(cls, text: str) -> Checksum:
        """A checksum as it was written.

        Raises:
            ValueError: The text is none.
        """
        size, _, crc = text.partition("-")
        return cls(int(size), int(crc, 16))

    @classmethod
    def of(cls, *parts: Any) -> Checksum:
        """The checksum of bytes, or anything that holds some, one after another."""
        total = cls()
        for part in parts:
            total = total.then(part)
        return total

    def then(self, content: Any) -> Checksum:
        """The checksum with further bytes."""
        view = memoryview(content)
        return Checksum(self.size + view.nbytes, zlib.crc32(view, self.crc))

    def __str__(self) -> str:
        return f"{self.size}-{self.crc:08x}"


def file_checksum(path: Path, size: int | None = None) -> Checksum:
    """The checksum of a file, or of its first `size` bytes.

    Raises:
        OSError: The file is not there, or can't be read.
    """
    total, left = Checksum(), path.stat().st_size if size is None else size
    with path.open("rb") as file:
        while content := file.read(min(left, READ_AT_ONCE)):
            total, left = total.then(content), left - len(content)
    return total


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file or a directory to, which is put in place of `path` at the end.

    It lies in a directory beside `path` whose name is random, so that no two processes of any
    number of machines write to one, and a library's own temporary files lie there too. Where the
    block or the renaming fails, what stood at `path` is as it was, and nothing is left beside it; a
    kill leaves that directory to `remove_partial`.

    Raises:
        OSError: It could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        refuse_special(path)  # /dev/null would become a file
    scratch = path.with_name(f".{path.name[-SHOWN:]}.{secrets.token_hex(8)}.partial")
    scratch.mkdir()
    partial = scratch / path.name
    try:
        yield partial
        for file in partial.rglob("*") if partial.is_dir() else (partial,):
            if file.is_file():
                _sync(file)
        _put(partial, path)
    finally:
        remove(scratch)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all; text as UTF-8.

    Raises:
        OSError: It could not be written; a file of that name is as it was.
    """
    with replacing(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def append(path: Path, content: bytes) -> None:
    """Append all of `content` and force it to disk, or leave the file as it was.

    Raises:
        OSError: It could not be appended.
    """
    size = 0
    if path.exists():
        refuse_special(path)
        size = path.stat().st_size
    try:
        with path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        if path.exists():
            os.truncate(path, size)
        raise


def remove(path: Path) -> None:
    """Remove a file or a directory, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Force a file to disk: a rename may be there before what it names."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _put(partial: Path, path: Path) -> None:
    """Rename what is finished into place; an earlier directory leaves only then."""
    earlier = partial.with_name(f"{path.name}{EARLIER}")
    if partial.is_dir() and path.is_dir():
        path.replace(earlier)
    try:
        partial.replace(path)
    except OSError:
        _put_back(earlier)
        raise


def _put_back(earlier: Path) -> None:
    """Rename a directory back to where it was, unless the new one is there."""
    path = earlier.parent.parent / earlier.name.removesuffix(EARLIER)
    if earlier.exists() and not path.exists():
        earlier.replace(path)


def remove_partial(directory: Path, name: str = "") -> None:
    """Remove what killed writers left in a directory, of which none may be at work.

    One that was killed between two renamings left an earlier directory there, which is put back.

    Args:
        directory: Where they wrote.
        name: Of the one file that they wrote; "" for any.
    """
    for scratch in directory.glob(f".{glob.escape(name[-SHOWN:]) or '*'}.{RANDOM}.partial"):
        for earlier in scratch.glob(f"*{EARLIER}"):
            _put_back(earlier)
        remove(scratch)


@contextmanager
def writing(path: object, advice: str = "make room, or name another place") -> Iterator[None]:
    """Turn what the system says of a write into one line.

    Raises:
        ResultError: The block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise ResultError(f"{path} can't be written ({reason}): {advice}") from error


def to_json(value: Any, *, compact: bool = False, indent: int | None = None) -> str:
    """A value as strict JSON, which every reader takes.

    Args:
        value: Made of what JSON has.
        compact: Without blanks.
        indent: Of nested values, each on a line of its own.

    Raises:
        ValueError: A number that is not finite, or text that is not Unicode (a lone surrogate).
    """
    separators = (",", ":") if compact else None
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=separators, indent=indent
    )
    text.encode()
    return text


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with the checksum of its fields.

    Raises:
        OSError: It could not be written; a file of that name is as it was.
    """
    write_whole(path, json.dumps(dict(value) | {SEAL: str(_fields_checksum(value))}, indent=1))


def read_sealed(path: Path) -> dict[str, Any]:
    """A JSON object that `write_sealed` wrote, without its checksum.

    Returns:
        {} where it is not there, can't be read, or is not what was written: it is to be made again.
    """
    try:
        value = read_json(path)
        checksum = value.pop(SEAL)
        whole = checksum == str(_fields_checksum(value))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}
    return dict(value) if whole else {}


def _fields_checksum(value: Mapping[str, Any]) -> Checksum:
    return Checksum.of(json.dumps(dict(value), sort_keys=True, allow_nan=False).encode())


def read_json(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        OSError: The file is not there, or can't be read.
        ValueError: As `parse_json`.
    """
    return parse_json(path.read_bytes())


def parse_json(text: str | bytes) -> Any:
    """A JSON value.

    Raises:
        ValueError: Not JSON (`json.JSONDecodeError`, with the line), not UTF-8, nested too deeply,
            or with a number too long to read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file.

    Raises:
        ConfigError: It can't be read, or is no TOML.
    """
    import tomllib

    try:
        with open_file(path) as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} can't be read: not TOML: {error}") from None


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, the same whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
