"""`gpteval rescore`: stored predictions scored again."""

from __future__ import annotations

from pathlib import Path

import click

from gpteval.cli import output
from gpteval.cli.options import DIRECTORY, data_dir_option


@click.command()
@click.argument("directory", default="results", type=DIRECTORY)
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def command(directory: Path, tasks: str | None, data_dir: tuple[Path, ...], dry_run: bool) -> None:
    """Compute the metrics and intervals of DIRECTORY again, from its predictions.

    Without the model: for a metric that a task has had only since, or one that was mended. Records
    whose numbers change are replaced, all or none. Records that were written before there were
    digests get theirs. With --data-dir, predictions that lack the clusters (articles, premises) or
    parts of their examples get them from the rows, which must be those that were scored.

    \b
    gpteval rescore results --dry-run
    gpteval rescore results --tasks stsb
    gpteval rescore results --tasks breaking_nli --data-dir DATA
    """
    from gpteval.api.results import rescored
    from gpteval.results.store import ResultStore
    from gpteval.studies.rescore import differs

    changed, older = rescored(directory, tasks, data_dir, dry_run=dry_run)
    for old, new in changed:
        output.show(f"{old.task} {old.split} {old.model} seed {old.seed}: {differs(old, new)}")
    count = len(ResultStore(directory).read())
    if dry_run:
        output.show(f"{len(changed)} of {count} results would change")
        return
    digests = f", {older} others have a digest now" if older else ""
    output.show(f"{len(changed)} of {count} results changed{digests}")
