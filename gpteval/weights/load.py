"""From what the user asked for ("mini", "hf:gpt2", a directory) to a model ready to use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpteval.errors import CheckpointError, UnknownNameError
from gpteval.paths import user_path, user_reference
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.model import Loaded, ModelFamily


def load_model(reference: str) -> Loaded:
    """Load a model by bundled name, by prefix, or from a checkpoint directory.

    Raises:
        UnknownNameError: No family answers, and there is no such directory.
        CheckpointError: What was found can't be used (see `gpteval.weights.probe`).
    """
    from gpteval.weights.probe import probe

    families, reference = registry().models(), user_reference(reference)
    name = _family(reference, families)
    with registry().guard("gpteval_register_models", name):
        loaded = families[name].load(reference)
        loaded = replace(loaded, family=name)
        probe(loaded)
    return loaded


def _family(reference: str, families: dict[str, ModelFamily]) -> str:
    """Name of the family that answers a reference."""
    for name, family in families.items():
        if reference in family.references:
            return name
        if family.prefix and reference.startswith(family.prefix):
            return name
    directory = user_path(reference)
    if directory.is_dir():
        return _of_directory(directory, families)
    names = [name for family in families.values() for name in family.references]
    prefixes = [f"{f.prefix}…" for f in families.values() if f.prefix]
    raise UnknownNameError(
        "model", reference, names, f"(a directory, or one of {', '.join([*names, *prefixes])})"
    )


def _of_directory(directory: Path, families: dict[str, ModelFamily]) -> str:
    """Name of the family that a checkpoint names, or the first that recognises another format."""
    from gpteval.weights.checkpoint import CONFIG, read_config

    name = read_config(directory).get("family") if (directory / CONFIG).is_file() else None
    if isinstance(name, str) and name in families:
        return name
    if name is not None:
        raise UnknownNameError("model family", str(name), families, f"in {directory}/{CONFIG}")
    for known, family in families.items():
        if family.recognises is not None and family.recognises(directory):
            return known
    raise CheckpointError(f"{directory} holds no model: no {CONFIG} and no format known here")
