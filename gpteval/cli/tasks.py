"""`gpteval tasks`: list the tasks, or show one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpteval.cli import output
from gpteval.cli.options import data_dir_option, json_option, sample_option
from gpteval.loading import Plugin
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.studies.preview import Previewed
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
@click.argument("task", metavar="NAME")
@json_option
def show_task(task: str, as_json: bool) -> None:
    """Show one task: rows, labels, metrics, provenance, the paper's figures."""
    plugins = registry()
    for own in plugins.select([task]):
        facts = describe(own, plugins.owners()[own.name])
        if as_json:
            output.show_json(facts)
        else:
            _print_facts(facts)


@command.command("check")
@click.argument("task", metavar="NAME")
@data_dir_option
@sample_option
@click.option("--model", help="The model that shall read it; default: the bundled one.")
@json_option
def check_task(
    task: str, data_dir: tuple[Path, ...], sample: bool, model: str | None, as_json: bool
) -> None:
    """Check that all a run needs is there, and show what the model will read.

    NAME is a task, or a task file that ends in .toml. Every row of every split is read; then three
    examples of the headline split are shown as fine-tuning reads them, and as zero-shot asks them.

    \b
    gpteval tasks check rte --data-dir DATA
    gpteval tasks check irony.toml
    """
    from gpteval.api.offers import preview_tasks
    from gpteval.config import SAMPLE_MODEL

    for seen in preview_tasks(task, model or SAMPLE_MODEL, data_dir=data_dir, sample=sample):
        _show_check(seen, as_json)


def _show_check(seen: Previewed, as_json: bool) -> None:
    """Print what was found of a task that can be run."""
    task, reports = seen.task, seen.reports
    lengths, rows = seen.lengths(), list(seen.rows_shown())
    if as_json:
        found: dict[str, Any] = {
            "task": task.name,
            "splits": [asdict(report) for report in reports],
        }
        found |= {"lengths": asdict(lengths), "rows": [asdict(row) for row in rows]}
        output.show_json(found)
        return
    for report in reports:
        labels = ", ".join(f"{label} {count:,}" for label, count in report.labels.items())
        about = report.problem or f"{report.rows:,} rows; {labels or 'labels private'}"
        output.show(f"{report.task} {report.split}: {report.state}, {about}")
    output.show(
        f"{lengths.split}: {lengths.mean:.1f} tokens a sequence, the longest {lengths.longest}; "
        f"{seen.loaded.reference} reads {lengths.context}: {lengths.cut} of {lengths.examples} "
        "examples are cut"
    )
    for row in rows:
        output.show(f"\n{row.split} {row.id}: {row.label}")
        for text in row.sequences:
            output.show(f"  {text}")
        for given, scored in row.candidates:
            output.show(f"  zero-shot: {given!r} then {scored!r}")
    if task.prompt is None:
        output.show("\nzero-shot: no question, for it has no prompt")


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
        f"{rows:,}" if rows else f"({fact['train_task']})" if fact["train_task"] else "–",
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
        "columns": list(source.columns),
        "labels": list(task.labels),
        "metrics": list(task.metrics),
        "groups": list(task.groups),
        "aliases": list(task.aliases),
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
