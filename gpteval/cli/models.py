"""`gpteval models`: what can be named with --model and trained with --preset."""

from __future__ import annotations

import json

import click
from rich import box
from rich.console import Console
from rich.table import Table

from gpteval.plugins import registry


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
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
    if as_json:
        names = ("reference", "family", "what")
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
        return
    table = Table("reference", "family", "what", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table, highlight=False)
