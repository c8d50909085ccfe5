"""`gpteval metrics`: what a task can be scored by."""

from __future__ import annotations

import json

import click
from rich import box
from rich.console import Console
from rich.table import Table

from gpteval.loading import OWN
from gpteval.plugins import registry


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each, a line each.")
def command(as_json: bool) -> None:
    """List the metrics that a task can name, what they are and what offers them."""
    rows = []
    for name, metric in registry().metrics().items():
        about = (metric.function.__doc__ or "").strip().partition("\n")[0]
        whose = registry().package_of("gpteval_register_metrics", name) or OWN
        bounds = f"{metric.lower:g} to {metric.upper:g}"
        rows.append((name, metric.title, bounds, about, whose))
    if as_json:
        for row in rows:
            names = ("name", "title", "bounds", "about", "from")
            click.echo(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False))
        return
    table = Table("metric", "title", "bounds", "what it is", "from", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    Console().print(table, highlight=False)
