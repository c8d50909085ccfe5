"""The built-in model families. Listing them imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpteval import Loaded, Model, ModelFamily, hookimpl

MINI = Path(__file__).parent / "mini"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "gpt1": {"context": 512, "width": 768, "layers": 12, "heads": 12},
    "small": {"context": 512, "width": 256, "layers": 10, "heads": 8},
    "mini": {"context": 512, "width": 160, "layers": 4, "heads": 5},
}
"""Shapes for `gpteval pretrain --preset`: the paper's, about 10 M and about 2.65 M parameters."""


@hookimpl
def gpteval_register_models() -> list[ModelFamily]:
    """GPT-1's decoder."""
    return [
        ModelFamily(
            name="gpt",
            description="GPT-1's decoder, pre-trained here",
            load=_load_gpt,
            references={"mini": "bundled, 2.65 M parameters, pre-trained on English novels"},
            build=_build_gpt,
            presets=PRESETS,
        ),
    ]


def _load_gpt(reference: str) -> Loaded:
    from gpteval_models.checkpoints import load_gpt

    return load_gpt(reference, MINI if reference == "mini" else Path(reference))


def _build_gpt(config: Mapping[str, Any]) -> Model:
    from gpteval_models.gpt import build

    return build(config)
