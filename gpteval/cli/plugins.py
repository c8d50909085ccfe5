"""`gpteval plugins`: what is installed, what it adds, and why one failed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gpteval.cli import output
from gpteval.cli.options import DIRECTORY, json_option
from gpteval.loading import OWN, Plugin
from gpteval.plugins import registry
from gpteval.scaffold import KINDS, new_package

FAILED = 1
"""Exit code of `check` where something is wrong."""


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the plug-ins, show, check or begin one: `gpteval plugins new irony`.

    A plug-in is a package with an entry point in the group `gpteval`, or a file given by --plugin.
    GPTEVAL_PLUGINS=a,b admits only those packages; GPTEVAL_PLUGINS= and --no-plugins only the
    built-ins.
    """
    if context.invoked_subcommand is None:
        show_list(as_json)


@command.command("list")
@json_option
def list_plugins(as_json: bool) -> None:
    """List every plug-in, what it adds, and why it failed if it did."""
    show_list(as_json)


@command.command("show")
@click.argument("name")
@json_option
def show_plugin(name: str, as_json: bool) -> None:
    """Show all that is known of one plug-in: a package, or package:entry point."""
    from gpteval.api.offers import list_plugins

    for plugin in list_plugins(name):
        facts = describe(plugin)
        if as_json:
            output.show_json(facts)
        else:
            _print_facts(facts)


@command.command("new")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default=KINDS[0],
    show_default=True,
    help="What the package offers; the first six are tasks on rows of a CSV file.",
)
@click.option(
    "--directory", type=DIRECTORY, default=".", help="Where the package goes; default: here."
)
def new_plugin(name: str, kind: str, directory: Path) -> None:
    """Write a package gpteval-NAME that can be installed, offline: code, rows, tests, CI.

    \b
    gpteval plugins new irony --kind classify
    cd gpteval-irony && pip install -e ".[dev]" && pytest
    """
    place = new_package(name, kind, directory)
    output.show(f"{place}: pip install -e it, then see its README.md")


@command.command("check")
@click.argument("names", nargs=-1)
@json_option
def check_plugins(names: tuple[str, ...], as_json: bool) -> None:
    """Hold plug-ins to the conformance kit and say what is wrong: exit code 1 where anything is.

    Without a name: all but the built-ins. Tasks are checked on the rows that they bring along, and
    a small model learns some, which takes seconds; models where they have presets.
    """
    from gpteval.api.offers import list_plugins
    from gpteval.testing.plugins import plugin_faults

    plugins = list_plugins(names or None)
    plugins = plugins if names else [p for p in plugins if p.package != OWN]
    failed = False
    for plugin in plugins:
        faults = plugin_faults(plugin)
        failed = failed or bool(faults)
        if as_json:
            output.show_json({**describe(plugin), "faults": faults})
            continue
        output.show(f"{plugin.name} {plugin.version}: {'failed' if faults else 'sound'}")
        for line in (*faults, *plugin.remarks):
            output.show(f"  {line}")
    if failed:
        raise click.exceptions.Exit(FAILED)


def show_list(as_json: bool) -> None:
    """Print every plug-in, a line each."""
    plugins = registry().check()
    if as_json:
        for plugin in plugins:
            output.show_json(describe(plugin))
        return
    from gpteval.report.table import listing

    rows = []
    for plugin in plugins:
        offers = registry().offered(plugin).items()
        adds = "; ".join(f"{kind} {', '.join(names)}" for kind, names in offers if names)
        state = f"failed: {plugin.error}" if plugin.error else "loaded"
        lines = [f"{state}: {adds}" if adds else state, *plugin.remarks]
        rows.append((plugin.name, plugin.version, "\n".join(lines)))
    output.show(listing(("plug-in", "version", "state and what it adds"), rows))


def describe(plugin: Plugin) -> dict[str, Any]:
    """What there is to know of a plug-in, as JSON values."""
    facts = asdict(plugin)
    remarks, error = facts.pop("remarks"), facts.pop("error")
    offers = registry().offered(plugin)
    state = "failed" if error else "loaded"
    return facts | offers | {"state": state, "error": error, "remarks": list(remarks)}


def _print_facts(facts: dict[str, Any]) -> None:
    from gpteval.report.table import listing

    lines = [
        (name, ", ".join(value) if isinstance(value, list | tuple) else str(value))
        for name, value in facts.items()
        if value
    ]
    output.show(listing(("", ""), lines))
