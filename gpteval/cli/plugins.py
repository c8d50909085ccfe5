"""`gpteval plugins`: what is installed, what it adds, and why one failed."""

from __future__ import annotations

from dataclasses import asdict

import click

from gpteval.cli import output
from gpteval.cli.options import json_option
from gpteval.plugins import registry


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the installed plug-ins: packages with an entry point in the group `gpteval`.

    GPTEVAL_PLUGINS=a,b admits only those packages, GPTEVAL_PLUGINS= only the built-ins.
    """
    plugins = registry().check()
    if as_json:
        output.show_json(*map(asdict, plugins))
        return
    from gpteval.report.table import listing

    rows = []
    for plugin in plugins:
        hooks = ", ".join(h.removeprefix("gpteval_") for h in plugin.hooks)
        state = f"failed: {plugin.error}" if plugin.error else f"loaded: {hooks or 'no hooks'}"
        rows.append((plugin.name, plugin.version, "\n".join([state, *plugin.remarks])))
    output.show(listing(("plug-in", "version", "state and hooks"), rows))
