"""`gpteval results`: a results directory verified, several joined."""

from __future__ import annotations

from pathlib import Path

import click

from gpteval.cli import output as stdout
from gpteval.cli.options import DIRECTORY


@click.group()
def command() -> None:
    """Verify a results directory, or join several."""


@command.command("verify")
@click.argument("directory", default="results", type=DIRECTORY)
def verify(directory: Path) -> int:
    """Hold the records in DIRECTORY to its predictions; exit code 1 where anything is wrong.

    Finds lines that were cut short or can't be read, results written twice, predictions that are
    missing or damaged, predictions that don't give the score on record, and records whose facts
    contradict each other. A task that is not installed is not scored again.
    """
    from gpteval.results.store import ResultStore
    from gpteval.studies.rescore import faults

    store = ResultStore(directory)
    found = list(faults(store))
    for line in found:
        stdout.show(line)
    if found:
        stdout.tell(f"{directory}: {len(found)} faults")
        return 1
    stdout.show(f"{len(store.read_all())} results, nothing wrong")
    return 0


@command.command("merge")
@click.argument("directories", nargs=-1, required=True, type=DIRECTORY)
@click.option("--output", required=True, type=DIRECTORY, help="The directory they are added to.")
def merge_command(directories: tuple[Path, ...], output: Path) -> None:
    """Add the results and predictions of DIRECTORIES to one.

    What is there already is not added again. Of predictions with one name and other content, both
    are kept.
    """
    from gpteval.errors import ResultError
    from gpteval.results.merging import merge
    from gpteval.results.store import ResultStore

    sources = [ResultStore(directory) for directory in directories]
    for source in sources:
        if not source.records.is_file():
            raise ResultError(f"no results in {source.directory}: name a directory of records")
    added, there = merge(sources, ResultStore(output))
    stdout.show(f"{added} results added to {output}, {there} were there")
