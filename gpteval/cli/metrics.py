"""`gpteval metrics`: what a task can be scored by."""

from __future__ import annotations

import click

from gpteval.cli import output
from gpteval.cli.options import json_option
from gpteval.loading import OWN
from gpteval.plugins import registry


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the metrics that a task can name, what they are and what offers them."""
    rows = []
    for name, metric in registry().metrics().items():
        about = (metric.function.__doc__ or "").strip().partition("\n")[0]
        whose = registry().package_of("gpteval_register_metrics", name) or OWN
        rows.append((name, metric.title, f"{metric.lower:g} to {metric.upper:g}", about, whose))
    names = ("name", "title", "bounds", "about", "from")
    if as_json:
        output.show_json(*(dict(zip(names, row, strict=True)) for row in rows))
        return
    from gpteval.report.table import listing

    output.show(listing(("metric", "title", "bounds", "what it is", "from"), rows))
