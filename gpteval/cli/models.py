"""`gpteval models`: what can be named with --model and trained with --preset."""

from __future__ import annotations

import click

from gpteval.cli import output
from gpteval.cli.options import json_option
from gpteval.plugins import registry


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the models that can be named, and the shapes that can be pre-trained."""
    rows = []
    for family in registry().models().values():
        rows += [(name, family.name, what) for name, what in family.references.items()]
        if family.prefix:
            rows.append((f"{family.prefix}NAME", family.name, family.description))
        rows += [
            (f"--preset {name}", family.name, ", ".join(f"{k} {v}" for k, v in shape.items()))
            for name, shape in family.presets.items()
        ]
    rows.append(("DIRECTORY", "any", "a checkpoint that `gpteval pretrain` wrote"))
    names = ("reference", "family", "what")
    if as_json:
        output.show_json(*(dict(zip(names, row, strict=True)) for row in rows))
        return
    from gpteval.report.table import listing

    output.show(listing(names, rows))
