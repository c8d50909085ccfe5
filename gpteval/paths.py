"""Paths: from what a user typed to a path, what lies in a directory, names that become files.

The one place where `~` is expanded and a directory is searched. Names that begin with a dot are
the system's or an editor's (macOS' `._book.txt`, `.ipynb_checkpoints`): nothing is read from them.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from gpteval.errors import ConfigError

LONGEST = 255
"""Bytes of a name that every file system in use takes."""
LONGEST_PATH = 4095
"""Bytes of a path that Linux takes."""
SHOWN = 80
"""Characters of a path shown in an error about its length."""
NAME = 100
"""Most characters of a name made here: room for what is put before and after it."""

PathLike = str | os.PathLike[str]


def user_path(given: PathLike) -> Path:
    """A path as a user names it, in an option, a variable or from Python: `~` is the home.

    Raises:
        ConfigError: No path at all, a home that nobody has, or a name that no file can have.
    """
    text = os.fspath(given)
    if not text.strip() or "\0" in text:
        raise ConfigError(f"{text!r:.{SHOWN}} is no path: name a file or a directory")
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(f"{text!r:.{SHOWN}}: there is no such home directory") from None
    long = max((len(os.fsencode(name)) for name in path.parts), default=0)
    if long > LONGEST or len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError(
            f"{text[:SHOWN]}… is too long for a path: a name has at most {LONGEST} bytes, the "
            f"whole {LONGEST_PATH}; shorten it"
        )
    return path


def user_paths(given: PathLike | Iterable[PathLike] | None) -> tuple[Path, ...]:
    """One path or several, as `user_path` makes them; an empty text is none."""
    if given is None or isinstance(given, str | os.PathLike):
        given = [given] if given else []
    return tuple(map(user_path, given))


def variable_paths(name: str) -> tuple[Path, ...]:
    """The paths in an environment variable, joined as in PATH (":"; ";" on Windows)."""
    return user_paths(p for p in os.environ.get(name, "").split(os.pathsep) if p)


def user_reference(reference: str) -> str:
    """A model reference whose directory, if it names one, is without `~`: "hf:~/gpt2".

    Raises:
        ConfigError: What it names is too long for a directory, or for a name on the hub.
    """
    prefix, colon, place = reference.rpartition(":")
    path = user_path(place) if place else ""
    return f"{prefix}{colon}{path}" if place.startswith("~") else reference


@dataclass(frozen=True, slots=True)
class Listing:
    """The files below a directory.

    Attributes:
        files: Those to read, sorted.
        passed: Names of what is passed over: its name begins with a dot, it is a device, a FIFO,
            a socket or a broken link, or a directory to leave out.
    """

    files: tuple[Path, ...]
    passed: tuple[str, ...]


def files_below(directory: Path, suffixes: Collection[str], marker: str) -> Listing:
    """Files below a directory, at any depth, whose names end in one of `suffixes` in any case.

    Links to files are followed, links to directories too, unless they lead back.

    Args:
        directory: Where to begin.
        suffixes: In lower case.
        marker: A name: what lies in a directory below with a file of that name is left out.

    Raises:
        OSError: A directory that can't be listed.
    """
    endings, files, passed = tuple(suffixes), [], []
    seen: set[tuple[int, int]] = set()
    _new(directory, seen)
    for place, folders, names in os.walk(directory, followlinks=True, onerror=_raise):
        kept = [name for name in sorted(folders) if not _hidden(name)]
        kept = [name for name in kept if _new(Path(place, name), seen)]
        kept = [name for name in kept if not Path(place, name, marker).exists()]
        passed += sorted(set(folders) - set(kept))
        folders[:] = kept
        for name in names:
            if not name.lower().endswith(endings):
                continue
            path = Path(place, name)
            if _hidden(name) or not path.is_file():
                passed.append(name)
            else:
                files.append(path)
    return Listing(tuple(sorted(files)), tuple(passed))


def matching(directory: Path, pattern: str) -> list[Path]:
    """What matches a pattern of names below a directory, sorted; no name that begins with a dot."""
    paths = (p for p in directory.glob(pattern) if not any(map(_hidden, _below(p, directory))))
    return sorted(paths)


def folders(directory: Path) -> list[Path]:
    """The directories in a directory, sorted; none where there is no such directory."""
    return [p for p in matching(directory, "*") if p.is_dir()] if directory.is_dir() else []


def same(path: Path, other: Path) -> bool:
    """Whether two paths lead to the same place, which need not be there."""
    return path.resolve() == other.resolve()


def here(path: Path) -> Path:
    """A path as it is typed from where the command runs, where it lies below; else as it is."""
    place = Path.cwd()
    return path.relative_to(place) if path.is_relative_to(place) else path


def refuse_special(path: Path) -> None:
    """Refuse what is no file: reading a device may never end, opening a FIFO waits for a writer.

    Raises:
        OSError: It is a device, a FIFO or a socket, by itself or through a link, or not there.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "a device, a FIFO or a socket, not a file", str(path))


def open_file(path: Path) -> IO[bytes]:
    """A file's bytes.

    Raises:
        OSError: It can't be opened, or is none (see `refuse_special`).
    """
    refuse_special(path)
    return path.open("rb")


def file_name(text: str) -> str:
    """A name of a task or a model as a part of a file's name.

    What no file's name should have becomes "_", and a long one is cut; a digest then keeps two
    such names apart.
    """
    name = re.sub(r"[^\w.-]", "_", text, flags=re.ASCII).lstrip(".")[:NAME]
    if name == text:
        return name
    from hashlib import sha256

    return f"{name}-{sha256(text.encode()).hexdigest()[:8]}"


def _hidden(name: str) -> bool:
    return name.startswith(".") and name not in (".", "..")


def _below(path: Path, directory: Path) -> tuple[str, ...]:
    return path.relative_to(directory).parts


def _new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Whether a directory was not met before: a link may lead back to where it lies."""
    status = folder.stat()
    place = status.st_dev, status.st_ino
    if place in seen:
        return False
    seen.add(place)
    return True


def _raise(error: OSError) -> NoReturn:
    raise error
