"""`gpteval rescore`: stored predictions scored again."""

from __future__ import annotations

from pathlib import Path

import click

from gpteval.cli import output
from gpteval.cli.options import DIRECTORY
from gpteval.config import task_names
from gpteval.plugins import registry


@click.command()
@click.argument("directory", default="results", type=DIRECTORY)
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def command(directory: Path, tasks: str | None, dry_run: bool) -> None:
    """Compute the metrics and intervals of DIRECTORY again, from its predictions.

    Without the model: for a metric that a task has had only since, or one that was mended. Records
    whose numbers change are replaced, all or none. Records that were written before there were
    digests get theirs.

    \b
    gpteval rescore results --dry-run
    gpteval rescore results --tasks stsb
    """
    from gpteval.results.store import ResultStore
    from gpteval.studies.rescore import differs, rescore

    names = None if tasks is None else [t.name for t in registry().select(task_names(tasks))]
    store = ResultStore(directory)
    changed = rescore(store, names)
    for old, new in changed:
        output.show(f"{old.task} {old.split} {old.model} seed {old.seed}: {differs(old, new)}")
    count = len(store.read())
    if dry_run or not count:
        output.show(f"{len(changed)} of {count} results would change")
        return
    older = store.rewrite(changed)
    digests = f", {older} others have a digest now" if older else ""
    output.show(f"{len(changed)} of {count} results changed{digests}")
