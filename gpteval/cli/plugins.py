"""`gpteval plugins`: what is installed, what it adds, and why one failed."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gpteval.plugins import registry


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(as_json: bool) -> None:
    """List the installed plug-ins: packages with an entry point in the group `gpteval`.

    GPTEVAL_PLUGINS=a,b admits only those packages, GPTEVAL_PLUGINS= only the built-ins.
    """
    plugins = registry().check()
    if as_json:
        click.echo(json.dumps([asdict(p) for p in plugins], indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("plug-in", "version"):
        table.add_column(heading, no_wrap=True)
    table.add_column("state and hooks", overflow="fold")
    for plugin in plugins:
        hooks = ", ".join(h.removeprefix("gpteval_") for h in plugin.hooks)
        state = f"failed: {plugin.error}" if plugin.error else f"loaded: {hooks or 'no hooks'}"
        table.add_row(plugin.name, plugin.version, Text("\n".join([state, *plugin.remarks])))
    Console().print(table, highlight=False)
