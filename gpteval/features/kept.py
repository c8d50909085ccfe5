"""Features kept on disk: the next probe of the same model and texts need not read them again.

A file holds one array (U, D) of one layer, and behind it the checksum of what is before; its name
is the digest of all that it depends on. One that is damaged counts as absent. The files lie where
the token ids of whole splits do (`gpteval.encode.cache`), and are removed after as long, and those
used longest ago where all together take more than they may. They are mapped into memory, not read
whole.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gpteval.compute.memory import refuse_beyond
from gpteval.encode import cache
from gpteval.errors import ConfigError
from gpteval.files import append, file_checksum, remove, replacing
from gpteval.paths import matching

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

Layer = TypeVar("Layer", bound=Hashable)

SUFFIX = ".npy"
TRAILER = 32
"""Bytes of the checksum."""
MOST = 32 << 30
"""Bytes that the files of a directory may take together, and no more than a quarter of what would
be free without them."""
HELD = 1 << 30
"""Bytes of layers that are held in memory together where no file can be written."""


def kept(
    names: Mapping[Layer, str],
    shape: tuple[int, int],
    compute: Callable[[Mapping[Layer, Array]], None],
) -> dict[Layer, Array]:
    """Arrays from their files; those that are not there are computed together, and kept.

    Where no file can be written, or there is no room for them, they are held in memory, and that is
    told once.

    Args:
        names: Layer → digest of everything that its array depends on.
        shape: Of every array.
        compute: Fills the arrays of some layers.
    """
    try:
        directory = _directory()
        paths = {layer: directory / f"{name}{SUFFIX}" for layer, name in names.items()}
        missing = [layer for layer, path in paths.items() if _open(path, shape) is None]
        if missing:
            cache.remove_unused(directory)
            _make_room(directory, len(missing) * size(shape), set(paths.values()))
            _write({layer: paths[layer] for layer in missing}, shape, compute)
    except (OSError, ConfigError) as error:
        cache.tell(str(error))
        return in_memory(names, shape, compute)
    opened = {layer: _open(path, shape) for layer, path in paths.items()}
    found = {layer: array for layer, array in opened.items() if array is not None}
    gone = {layer: name for layer, name in names.items() if layer not in found}
    return found | (in_memory(gone, shape, compute) if gone else {})


def in_memory(
    names: Collection[Layer],
    shape: tuple[int, int],
    compute: Callable[[Mapping[Layer, Array]], None],
) -> dict[Layer, Array]:
    """The same without files.

    Raises:
        TrainingError: They would take more memory than there is.
    """
    refuse_beyond(len(names) * size(shape), f"{len(names)} states of {shape[0]:,} texts")
    arrays = {layer: np.empty(shape, np.float32) for layer in names}
    compute(arrays)
    return arrays


def fitting(
    needed: Sequence[Layer], further: Iterable[Layer], shape: tuple[int, int]
) -> list[Layer]:
    """The layers that are needed, and as many further ones as there is room for beside them.

    Args:
        needed: Layers that are asked for now.
        further: Those asked for later, in that order.
        shape: Of the array of each.
    """
    try:
        room = _room(_directory())
    except (OSError, ConfigError):
        room = HELD
    count = max(len(needed), room // max(1, size(shape)))
    return list(dict.fromkeys([*needed, *further]))[:count]


def size(shape: tuple[int, int]) -> int:
    """Bytes of the numbers of an array."""
    return 4 * shape[0] * shape[1]


def _directory() -> Path:
    """Where the files lie.

    Raises:
        OSError: It can't be made.
        ConfigError: What names it is no path.
    """
    directory = cache.cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _files(directory: Path) -> dict[Path, os.stat_result]:
    """The files that are there, those used longest ago first."""
    found: dict[Path, os.stat_result] = {}
    for path in matching(directory, f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # another process removes them too
            found[path] = path.stat()
    return dict(sorted(found.items(), key=lambda item: item[1].st_mtime))


def _room(directory: Path) -> int:
    """Bytes that all files may take together."""
    taken = sum(state.st_size for state in _files(directory).values())
    return min(MOST, (shutil.disk_usage(directory).free + taken) // 4)


def _make_room(directory: Path, more: int, needed: Set[Path]) -> None:
    """Remove files, those used longest ago first, until there is room for so many bytes more.

    Raises:
        OSError: There is not.
    """
    room, files = _room(directory), _files(directory)
    taken = sum(state.st_size for state in files.values())
    for path, state in files.items():
        if taken + more <= room:
            break
        if path not in needed:
            remove(path)
            taken -= state.st_size
    if taken + more > room:
        raise OSError(errno.ENOSPC, f"{more / 1e9:.1f} GB more, and there may be {room / 1e9:.1f}")


def _open(path: Path, shape: tuple[int, int]) -> Array | None:
    """The array of a file; None where it is not there, or not whole."""
    try:
        size = path.stat().st_size - TRAILER
        with path.open("rb") as file:
            file.seek(size)
            if file.read() != _trailer(path, size):
                return None
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        os.utime(path)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == np.float32 else None


def _write(
    paths: Mapping[Layer, Path],
    shape: tuple[int, int],
    compute: Callable[[Mapping[Layer, Array]], None],
) -> None:
    """Put the files in place when all are complete."""
    with ExitStack() as stack:
        partial = {n: stack.enter_context(replacing(path)) for n, path in paths.items()}
        arrays = {
            layer: np.lib.format.open_memmap(path, "w+", np.float32, shape)
            for layer, path in partial.items()
        }
        compute(arrays)
        for array in arrays.values():
            array.flush()
        for path in partial.values():
            append(path, _trailer(path, path.stat().st_size))


def _trailer(path: Path, size: int) -> bytes:
    """What stands behind the first `size` bytes of a file."""
    return str(file_checksum(path, size)).encode().rjust(TRAILER)
