"""`gpteval tasks`: list the tasks, or show one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gpteval.cli import output
from gpteval.cli.options import json_option
from gpteval.loading import Plugin
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.task import Task


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the tasks and their groups, or show one: `gpteval tasks show rte`."""
    if context.invoked_subcommand is None:
        show_list(as_json)


@command.command("list")
@json_option
def list_tasks(as_json: bool) -> None:
    """List the tasks and their groups."""
    show_list(as_json)


@command.command("show")
@click.argument("name")
@json_option
def show_task(name: str, as_json: bool) -> None:
    """Show one task: rows, labels, metrics, provenance, the paper's figures."""
    plugins = registry()
    for task in plugins.select([name]):
        facts = describe(task, plugins.owners()[task.name])
        if as_json:
            output.show_json(facts)
        else:
            _print_facts(facts)


def show_list(as_json: bool) -> None:
    """Print every task, a line each."""
    plugins = registry()
    owners = plugins.owners()
    facts = [describe(task, owners[name]) for name, task in plugins.tasks().items()]
    if as_json:
        output.show_json(*facts)
        return
    from gpteval.report.table import listing

    headings = ("task", "kind", "metrics", "train rows", "groups", "from")
    output.show(listing(headings, map(_cells, facts), right=("train rows",)))


def _cells(fact: dict[str, Any]) -> tuple[str, ...]:
    rows = fact["splits"].get("train", {}).get("rows")
    return (
        fact["name"],
        fact["kind"],
        ", ".join(fact["metrics"]),
        f"{rows:,}" if rows else f"({fact['train_task']})",
        ", ".join(fact["groups"]),
        fact["package"],
    )


def describe(task: Task, owner: Plugin) -> dict[str, Any]:
    """What there is to know of a task, as JSON values."""
    source = task.source
    return {
        "name": task.name,
        "title": task.title,
        "version": task.version,
        "kind": task.kind,
        "labels": list(task.labels),
        "metrics": list(task.metrics),
        "groups": list(task.groups),
        "train_task": task.train_task,
        "zero_shot": "" if task.prompt is None else task.rule,
        "splits": {
            name: {"rows": split.rows, "labelled": split.labelled, "files": list(split.files)}
            for name, split in source.splits.items()
        },
        "hub": f"{source.hub} {source.config} @ {source.revision}" if source.hub else "",
        "ask": source.ask,
        "paper": [
            f"{p.metric} {p.score} on {p.split} [{p.source}]{' ' + p.data if p.data else ''}"
            for p in task.paper
        ],
        "licence": task.licence,
        "citation": task.citation,
        "package": f"{owner.package} {owner.version}",
    }


def _print_facts(facts: dict[str, Any]) -> None:
    from gpteval.report.table import listing

    lines = []
    for name, value in facts.items():
        if name == "splits":
            for word, split in value.items():
                labels = "" if split["labelled"] else ", labels private"
                rows = f"{split['rows']:,} rows{labels}: {', '.join(split['files'])}"
                lines.append((f"split {word}", rows))
        elif value:
            shown = value if not isinstance(value, list) else "\n".join(value)
            lines.append((name, str(shown)))
    output.show(listing(("", ""), lines))
