"""minGRU: a family of recurrent language models, and the command that trains one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gpteval import ModelFamily, hookimpl

if TYPE_CHECKING:
    import click

    from gpteval import Loaded, Model

GPTEVAL_API = 1

PRESETS = {"mingru": {"context": 512, "width": 160, "layers": 4, "units": 240}}
"""A shape with as many parameters as gpteval's `mini`: 2.7 million with its tokens."""


def load(reference: str) -> Loaded:
    """The model of a checkpoint directory; torch is imported now, not before."""
    from gpteval_mingru.model import load_mingru

    return load_mingru(reference)


def build(config: Mapping[str, Any]) -> Model:
    """A model with fresh weights."""
    from gpteval_mingru.model import build_mingru

    return build_mingru(config)


@hookimpl
def gpteval_register_models() -> list[ModelFamily]:
    """The family; a directory that `gpteval mingru` wrote is a model of it."""
    return [
        ModelFamily(
            name="mingru",
            description="minGRU: gates that read the input alone, no attention",
            load=load,
            build=build,
            presets=PRESETS,
            layer=lambda name: int(name.split(".")[1]) + 1 if name.startswith("blocks.") else 0,
        )
    ]


@hookimpl
def gpteval_register_commands(cli: click.Group) -> None:
    """`gpteval mingru BOOKS --output DIR` trains one."""
    from gpteval_mingru.command import mingru

    cli.add_command(mingru)
