"""LoRA: matrices that learn beside frozen weights (Hu et al. 2021, arXiv 2106.09685).

A linear layer of weights W computes W·x + B·A·x, with A and B of a low rank. B begins as zeros
and the scale is 1 (alpha is the rank). The head learns as ever; the added tokens stay as drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from gpteval.config import FinetuneConfig
from gpteval.errors import ConfigError, refuse_unknown

NAME = "default"
"""peft's name of the one adapter that there is."""
LINEAR = ("Linear", "Conv1D")
"""Names of the layers that peft puts matrices beside: torch's, and GPT-2's of transformers."""


def add_adapter(model: Any, config: FinetuneConfig) -> None:
    """Put LoRA's matrices beside a language model's linear layers and freeze all else, in place.

    Args:
        model: The language model; A is drawn from torch's random state.
        config: Says rank and targets.

    Raises:
        UnknownNameError: A name that no linear layer has.
        ConfigError: The model has no linear layer.
    """
    from peft import LoraConfig, inject_adapter_in_model

    names = targets(model, config.lora_targets)
    lora = LoraConfig(r=config.lora_rank, lora_alpha=config.lora_rank, target_modules=names)
    # Within another module: what `config` is to peft, our models have a method of that name.
    inject_adapter_in_model(lora, nn.Sequential(model), NAME)


def targets(model: Any, asked: str) -> list[str]:
    """The linear layers of a model that are meant, by their whole names.

    Args:
        model: A language model.
        asked: Ends of their names, by commas; "": all but what makes scores of tokens.

    Raises:
        UnknownNameError: A name that no linear layer has.
        ConfigError: The model has none at all.
    """
    layers = [name for name, module in model.named_modules() if _adaptable(module, model)]
    if not layers:
        raise ConfigError("--adapter lora needs a model with linear layers: leave it out")
    wanted = [name.strip() for name in asked.split(",") if name.strip()]
    refuse_unknown("layer in --lora-targets", wanted, _ends(layers))
    return [f"0.{name}" for name in layers if not wanted or any(_ends_in(name, w) for w in wanted)]


def merge_adapter(model: nn.Module) -> None:
    """Add what LoRA's matrices have learnt to the weights beside them, and take them away."""
    for name, module in list(model.named_modules()):
        if hasattr(module, "get_base_layer") and hasattr(module, "merge"):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())


def _adaptable(module: nn.Module, model: Any) -> bool:
    """Whether it is a linear layer within the model, not the one that makes scores of tokens."""
    weight: Any = getattr(module, "weight", None)
    return type(module).__name__ in LINEAR and model.vocab_size not in weight.shape


def _ends_in(name: str, end: str) -> bool:
    return f".{name}".endswith(f".{end}")


def _ends(layers: Sequence[str]) -> list[str]:
    """Every name that means one of some layers, the short ones first."""
    parts = [name.split(".") for name in layers]
    deepest = max(map(len, parts))
    return list(dict.fromkeys(".".join(p[-n:]) for n in range(1, deepest + 1) for p in parts))
