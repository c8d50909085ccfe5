"""`gpteval history`: what each step from counted words to a fine-tuned model brings."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from gpteval.cli.options import DIRECTORY, json_option, results_option
from gpteval.cli.views import (
    form_of,
    format_option,
    last_written,
    matrix_view,
    output_option,
    put,
    write_view,
)
from gpteval.paths import here


@click.command()
@click.argument("directory", required=False, type=DIRECTORY)
@results_option
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
@click.option(
    "--entrant",
    "entrants",
    metavar="WORDS",
    multiple=True,
    help="A step, by the words of `gpteval compare @WORDS`: one model and how it was used; given "
    "several times, in their order.",
)
@click.option("--all-splits", is_flag=True, help="Show every scored split, not only the last.")
@format_option
@json_option
@output_option
def command(
    *,
    directory: Path | None,
    results: Path | None,
    tasks: str | None,
    entrants: tuple[str, ...],
    all_splits: bool,
    layout: str | None,
    as_json: bool,
    path: Path | None,
) -> None:
    """Show what each step brings: every entrant held to the one before it.

    Entrants stand in the order of --entrant. Without: what learns from the training split and sees
    whole examples, first what reads words, then what reads the states of a frozen model, then what
    is fine-tuned: without pre-training, as in the paper, otherwise. A mark says that a score is
    above or below the last one on that task, paired on the same examples.

    \b
    gpteval history runs
    gpteval history results --entrant tfidf --entrant mini,probe --entrant mini,finetune
    gpteval history results --output history.html
    """
    if directory is not None and results is not None:
        raise click.UsageError("DIRECTORY and --results name the same: give one of them")
    form = form_of(layout, as_json, path)
    from gpteval.api.results import load_results
    from gpteval.report.history import history
    from gpteval.results.store import ResultStore

    source = directory or results or last_written()
    found = load_results(source, tasks, entrants=entrants)
    made = history(found, ResultStore(source), choices=entrants, all_splits=all_splits)
    words = [f"--entrant={own}" for own in entrants] + [f"--tasks={tasks}"] * bool(tasks)
    typed = shlex.join(["gpteval", "history", str(here(source)), *words, "--format", form])
    if form != "html":
        write_view(matrix_view(made, transposed=True), form, typed, path)
        return
    from gpteval.report.page import page

    put(path, page(found, ResultStore(source), made, typed, all_splits=all_splits))
