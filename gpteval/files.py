"""Files: written whole or not at all, appended to whole or not at all, JSON read as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpteval.paths import refuse_special

SHOWN = 40
"""Characters of a file's name that its temporary one keeps."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a directory to, which is put in its place at the end.

    Its name is random, so that no two processes of any number of machines write to one. Where the
    block or the renaming fails, what stood at `path` is as it was, and nothing is left beside it.

    Raises:
        OSError: It could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        refuse_special(path)  # /dev/null would become a file
    partial = path.with_name(f".{path.name[:SHOWN]}.{secrets.token_hex(8)}.partial")
    try:
        yield partial
        for file in partial.rglob("*") if partial.is_dir() else (partial,):
            if file.is_file():
                _sync(file)
        _put(partial, path)
    finally:
        remove(partial)


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
    if not (partial.is_dir() and path.is_dir()):
        partial.replace(path)
        return
    earlier = path.with_name(f"{partial.name}.earlier")
    path.replace(earlier)
    partial.replace(path)
    remove(earlier)


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


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, the same whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
