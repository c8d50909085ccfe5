"""Tensors on disk: safetensors files whose metadata carries their checksum.

A header that is damaged is refused by safetensors itself; a tensor's bytes are not looked at there,
and a changed one would load as other weights.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gpteval.files import SEAL, Checksum, DamagedError

UNREADABLE = (SafetensorError, OSError, LookupError, ValueError, TypeError, RuntimeError)
"""What reading a file raises that is no safetensors file, or a damaged one."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors that share no memory, with the checksum of all that is written.

    Raises:
        OSError: The file can't be written.
    """
    sealed = dict(metadata) | {SEAL: str(_checksum(tensors, metadata))}
    try:
        save_file(dict(tensors), path, metadata=sealed)
    except SafetensorError as error:
        raise _of_the_system(error) from error
    path.chmod(0o644)  # safetensors writes for the owner alone


def load_tensors(path: Path, *, sealed: bool) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a file.

    Args:
        path: The file.
        sealed: Refuse a file without a checksum, which `save_tensors` can't have written.

    Raises:
        DamagedError: It is not what was written.
        Exception: Others of `UNREADABLE`, for a file that is no safetensors file.
    """
    with safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = dict(file.metadata() or {})
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    checksum = metadata.pop(SEAL, None)
    if checksum is None and sealed:
        raise DamagedError("it has no checksum")
    if checksum is not None and checksum != str(_checksum(tensors, metadata)):
        raise DamagedError("its checksum is another")
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Checksum:
    """Of metadata, names, types, shapes and values, in the order of names."""
    total = Checksum.of(repr(sorted(metadata.items())).encode())
    for name, tensor in sorted(tensors.items()):
        total = total.then(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        total = total.then(values.view(torch.uint8).numpy().data)
    return total


def _of_the_system(error: SafetensorError) -> OSError:
    """What the system said, without safetensors' words around it."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number is None:
        return OSError(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])))
