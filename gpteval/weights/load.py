"""From what the user asked for ("mini", "hf:gpt2", a directory) to a model, and to a directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpteval.errors import CheckpointError, ConfigError, UnknownNameError, refuse_unknown
from gpteval.naming import refuse
from gpteval.paths import user_path, user_reference
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.model import Loaded, Model, ModelFamily, Tokenizer


def load_model(reference: str) -> Loaded:
    """Load a model by bundled name, by prefix, or from a checkpoint directory.

    Raises:
        UnknownNameError: No family answers, and there is no such directory.
        PluginError: A package that failed seems to be the one that should.
        CheckpointError: What was found can't be used (see `gpteval.weights.probe`).
    """
    reference = user_reference(reference)
    return load_as(_family(reference, registry().models()), reference)


def refuse_sentence_model(loaded: Loaded) -> None:
    """Refuse a model that is no language model: it can be neither fine-tuned nor asked.

    Raises:
        ConfigError: It tells sentences, not tokens.
    """
    if _named(loaded.family).objective == "sentences":
        raise ConfigError(
            f"{loaded.reference} is no language model: it was trained to tell the sentences around "
            f"one ({loaded.family}); `gpteval probe --state last` reads its states"
        )


def load_as(name: str, reference: str) -> Loaded:
    """Load a model of a family.

    Args:
        name: The family's.
        reference: As it takes them, or a directory that `save_model` wrote.

    Raises:
        UnknownNameError: There is no such family.
        CheckpointError: What was found can't be used (see `gpteval.weights.probe`).
    """
    from gpteval.weights.probe import probe

    family = _named(name)
    with registry().guard("gpteval_register_models", name):
        loaded = replace(family.load(reference), family=name)
        probe(loaded)
    return loaded


def save_model(directory: Path, name: str, model: Model, tokenizer: Tokenizer) -> None:
    """Write a model as its family reads it: `load_as` gives it back.

    Args:
        directory: Where it goes; not there yet.
        name: The family's.
        model: Any of its models, also with added tokens.
        tokenizer: The model's.

    Raises:
        UnknownNameError: There is no such family.
    """
    from gpteval.weights.checkpoint import save_checkpoint

    save = _named(name).save
    with registry().guard("gpteval_register_models", name):
        if save is None:
            save_checkpoint(directory, name, model, tokenizer)
        else:
            save(model, tokenizer, directory)


def refuse_unsavable(loaded: Loaded) -> None:
    """Refuse a model that `save_model` can't write.

    Raises:
        ConfigError: Its family neither says how, nor is one that `gpteval pretrain` writes.
    """
    family = _named(loaded.family)
    if family.save is None and family.build is None:
        raise ConfigError(
            f"{loaded.reference} can't be saved: its family {family.name!r} has no `save` "
            "(see help(gpteval.ModelFamily))"
        )


def _named(name: str) -> ModelFamily:
    families = registry().models()
    refuse_unknown("model family", [name], families)
    return families[name]


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
    hint = f"(a directory, or one of {', '.join([*names, *prefixes])})"
    return refuse("model", reference, names, registry().plugins, hint)


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
