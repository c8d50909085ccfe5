"""A checkpoint directory: `config.json`, `model.safetensors`, `tokenizer.json`.

It is written whole beside its place and then renamed; weights are read only if every tensor fits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from gpteval.errors import CheckpointError
from gpteval.files import parse_json, replacing, to_json
from gpteval.paths import user_path
from gpteval.weights.tensors import UNREADABLE, load_tensors, save_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gpteval.model import Model, Tokenizer

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
_SHOWN = 3
T = TypeVar("T")


def save_checkpoint(
    directory: Path,
    family: str,
    model: Model,
    tokenizer: Tokenizer,
    details: Mapping[str, Any] | None = None,
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint, in place of an earlier one of the same name if there is one.

    Args:
        directory: Where it goes.
        family: Name of the model family that loads it.
        model: Its `config()` and weights are written.
        tokenizer: Written beside them.
        details: Further JSON values for `config.json`: what it was trained on, with which loss.
        dtype: Of the weights on disk; bf16 halves the file, and they load as fp32 again.

    Raises:
        CheckpointError: Something that is no checkpoint is already there.
    """
    directory = user_path(directory)
    if directory.exists() and not (directory / CONFIG).is_file():
        raise CheckpointError(f"{directory} exists and is no checkpoint: choose another name")
    config = {"family": family, "model": dict(model.config()), **(details or {})}
    text = to_json(config, indent=2) + "\n"
    tensors = {k: v.detach().to("cpu", dtype).contiguous() for k, v in _weights(model).items()}
    with replacing(directory) as partial:
        partial.mkdir()
        (partial / CONFIG).write_text(text, encoding="utf-8")
        save_tensors(partial / WEIGHTS, tensors, {})
        tokenizer.save(partial)


def read_config(directory: Path) -> dict[str, Any]:
    """`config.json` of a directory.

    Raises:
        CheckpointError: The directory or the file is missing, or it is no JSON object.
    """
    directory = user_path(directory)
    path = directory / CONFIG
    if not directory.is_dir():
        raise CheckpointError(f"no such checkpoint directory: {directory}")
    if not path.is_file():
        raise CheckpointError(f"{directory} is no checkpoint: it has no {CONFIG}")
    return read_json(path, dict)


def read_json(path: Path, expected: type[T]) -> T:
    """A JSON value of an expected kind from a file.

    Raises:
        CheckpointError: The file is missing or holds something else; with its line.
    """
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} has no {path.name}") from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path}: not UTF-8 at byte {error.start}") from error
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise CheckpointError(f"{path}:{line}: not JSON: {error}") from error
    if not isinstance(value, expected):
        raise CheckpointError(
            f"{path}:1: expected a {expected.__name__}, not a {type(value).__name__}"
        )
    return value


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; never a pickle.

    Those that `save_checkpoint` wrote are held to their checksum; other programs' have none.

    Raises:
        CheckpointError: The file is missing, cut or damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path.parent} has no {path.name}: only safetensors are read")
    try:
        return load_tensors(path, sealed=False)[0]
    except UNREADABLE as error:
        raise CheckpointError(f"{path} is cut or damaged: {error}: get the file again") from error


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], where: Path | str) -> None:
    """Copy tensors into a model, as fp32, if they are exactly the ones it has.

    Raises:
        CheckpointError: Tensors are missing, extra or misshapen; the first of each are named.
    """
    own = _weights(model)
    missing = [name for name in own if name not in tensors]
    extra = [name for name in tensors if name not in own]
    misshapen = [
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    kinds = {"missing": missing, "extra": extra, "misshapen": misshapen}
    faults = [f"{len(names)} {kind} ({_first(names)})" for kind, names in kinds.items() if names]
    if faults:
        raise CheckpointError(f"{where} does not fit its model: tensors {', '.join(faults)}")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])


def weights_digest(
    model: Model, tokenizer: Tokenizer, config: Mapping[str, Any] | None = None
) -> str:
    """SHA-256 of a model: its configuration, its weights (fp32 values) and its tokenizer.

    Args:
        model: The model.
        tokenizer: Its tokenizer, start token included.
        config: Everything beside weights that decides what it computes; None for `model.config()`.
    """
    shape = model.config() if config is None else config
    text = json.dumps([dict(shape), tokenizer.digest, tokenizer.start], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(_weights(model).items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().data)
    return digest.hexdigest()


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by name, a tied one once."""
    return dict(model.state_dict(keep_vars=True))


def _first(names: list[str]) -> str:
    more = ", …" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
