"""Features kept on disk: the next probe of the same model and texts need not read them again.

A file holds one array (U, D) of one layer, and behind it the checksum of what is before; its name
is the digest of all that it depends on. One that is damaged counts as absent. The files lie where
the token ids of whole splits do (`gpteval.encode.cache`), and are removed after as long. They are
mapped into memory, not read whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gpteval.encode import cache
from gpteval.errors import ConfigError
from gpteval.files import append, file_checksum, replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

Layer = TypeVar("Layer", bound=Hashable)

SUFFIX = ".npy"
TRAILER = 32
"""Bytes of the checksum."""


def kept(
    names: Mapping[Layer, str],
    shape: tuple[int, int],
    compute: Callable[[Mapping[Layer, Array]], None],
) -> dict[Layer, Array]:
    """Arrays from their files; those that are not there are computed together, and kept.

    Where no file can be written they are held in memory, and that is told once.

    Args:
        names: Layer → digest of everything that its array depends on.
        shape: Of every array.
        compute: Fills the arrays of some layers.
    """
    try:
        directory = cache.cache_directory()
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, ConfigError) as error:
        cache.tell(str(error))
        return _in_memory(names, shape, compute)
    paths = {layer: directory / f"{name}{SUFFIX}" for layer, name in names.items()}
    missing = [layer for layer, path in paths.items() if _open(path, shape) is None]
    try:
        if missing:
            cache.remove_unused(directory)
            _write({layer: paths[layer] for layer in missing}, shape, compute)
    except OSError as error:
        cache.tell(str(error))
        return _in_memory(names, shape, compute)
    opened = {layer: _open(path, shape) for layer, path in paths.items()}
    found = {layer: array for layer, array in opened.items() if array is not None}
    gone = {layer: name for layer, name in names.items() if layer not in found}
    return found | (_in_memory(gone, shape, compute) if gone else {})


def _in_memory(
    names: Sequence[Layer] | Mapping[Layer, str],
    shape: tuple[int, int],
    compute: Callable[[Mapping[Layer, Array]], None],
) -> dict[Layer, Array]:
    arrays = {layer: np.empty(shape, np.float32) for layer in names}
    compute(arrays)
    return arrays


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
