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

    Finds lines that were cut short, can't be read, or were edited since they were written, results
    written twice, predictions that are missing or damaged, predictions that don't give the score
    on record, and records whose facts contradict each other. A task that is not installed is not
    scored again; of a record without a digest, as earlier code wrote it, not every edit is seen.
    """
    from gpteval.api.results import verify_results
    from gpteval.results.store import ResultStore
    from gpteval.studies.rescore import undigested

    found = verify_results(directory)
    for line in found:
        stdout.show(line)
    if found:
        stdout.tell(f"{directory}: {len(found)} fault{'s' * (len(found) != 1)}")
        return 1
    store = ResultStore(directory)
    older = undigested(store)
    told = f"; {older} without a digest: `gpteval rescore` gives them one" if older else ""
    stdout.show(f"{len(store.read_all())} results, nothing wrong{told}")
    return 0


@command.command("merge")
@click.argument("directories", nargs=-1, required=True, type=DIRECTORY)
@click.option("--output", required=True, type=DIRECTORY, help="The directory they are added to.")
def merge_command(directories: tuple[Path, ...], output: Path) -> None:
    """Add the results and predictions of DIRECTORIES to one.

    What is there already is not added again. Of predictions with one name and other content, both
    are kept.
    """
    from gpteval.api.results import merge_results

    added, there = merge_results(directories, output)
    stdout.show(f"{added} results added to {output}, {there} were there")
