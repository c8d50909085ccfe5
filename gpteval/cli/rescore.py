"""`gpteval rescore`: stored predictions scored again."""

from __future__ import annotations

from pathlib import Path

import click

from gpteval.cli import output
from gpteval.cli.options import DIRECTORY


@click.command()
@click.argument("directory", default="results", type=DIRECTORY)
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def command(directory: Path, tasks: str | None, dry_run: bool) -> None:
    """Compute the metrics and intervals of DIRECTORY again, from its predictions.

    Without the model: for a metric that a task has had only since, or one that was mended. Records
    whose numbers change are replaced, all or none.

    \b
    gpteval rescore results --dry-run
    gpteval rescore results --tasks stsb
    """
    from gpteval.api.results import rescore
    from gpteval.results.store import ResultStore
    from gpteval.studies.rescore import differs

    changed = rescore(directory, tasks, dry_run=dry_run)
    for old, new in changed:
        output.show(f"{old.task} {old.split} {old.model} seed {old.seed}: {differs(old, new)}")
    told = "would change" if dry_run else "changed"
    output.show(f"{len(changed)} of {len(ResultStore(directory).read())} results {told}")
