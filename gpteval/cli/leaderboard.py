"""`gpteval leaderboard`: results beside the paper's."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpteval.cli.options import DIRECTORY, json_option, results_option
from gpteval.cli.views import (
    View,
    form_of,
    format_option,
    last_written,
    matrix_view,
    output_option,
    put,
    write_view,
)
from gpteval.paths import here
from gpteval.results.store import ResultStore

if TYPE_CHECKING:
    from gpteval.records import Result


@click.command()
@click.argument("directory", required=False, type=DIRECTORY)
@results_option
@format_option
@json_option
@output_option
@click.option("--matrix", is_flag=True, help="Show tasks and entrants: who is best at what.")
@click.option("--transpose", is_flag=True, help="Have the matrix's entrants down, tasks across.")
@click.option(
    "--reference",
    metavar="WORDS",
    help="Mark in the matrix who is above or below this entrant, by more than chance.",
)
@click.option("--cost", is_flag=True, help="Show what the results took instead of the scores.")
@click.option("--all-splits", is_flag=True, help="Show every scored split, not only the last.")
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
@click.option("--model", help="Only this model's results.")
@click.option(
    "--entrant",
    "entrants",
    metavar="WORDS",
    multiple=True,
    help="Only a model and how it was used, by the words of `gpteval compare @WORDS`; may be given "
    "several times, in the order of the matrix.",
)
@click.option(
    "--data-dir",
    type=DIRECTORY,
    multiple=True,
    help="Directory of official files, for the texts of an HTML page's examples; may be given "
    "several times. Default: no texts but those of the bundled samples.",
)
def command(
    *,
    directory: Path | None,
    results: Path | None,
    layout: str | None,
    as_json: bool,
    path: Path | None,
    reference: str | None,
    data_dir: tuple[Path, ...],
    **asked: Any,
) -> None:
    """Show the results in DIRECTORY, or --results, beside the paper's.

    Without either: those of results or runs, where the last were written. A Markdown page begins
    with the matrix of tasks and entrants. An HTML page is one file with everything: matrix, plots,
    sortable tables, curves, costs, examples (their texts where --data-dir names the data set).

    \b
    gpteval leaderboard                  # results/, or runs/ after a run on samples
    gpteval leaderboard runs --cost      # tokens, FLOPs, seconds, memory
    gpteval leaderboard results --matrix --reference tfidf
    gpteval leaderboard results --matrix --entrant tfidf --entrant mini,finetune
    gpteval leaderboard results --reference tfidf --output results/README.md
    gpteval leaderboard results --reference tfidf --output page.html
    """
    form = form_of(layout, as_json, path)
    switches = {f"--{name.replace('_', '-')}": asked.pop(name) for name in SWITCHES}
    _check(directory, results, form, reference, switches)
    if data_dir and form != "html":
        raise click.UsageError("--data-dir is for the examples of an HTML page: leave it out")
    from gpteval.api.results import load_results

    source = directory or results or last_written()
    found = load_results(source, **asked)
    only = {"tasks": asked["tasks"], "model": asked["model"], "reference": reference}
    made = _command(source, only, asked["entrants"], switches, form)
    if form == "html":
        text = _page(
            found,
            ResultStore(source),
            made,
            asked["entrants"],
            reference,
            switches["--all-splits"],
            data_dir,
        )
        put(path, text)
        return
    if switches["--cost"]:
        view = _costs(found)
    else:
        view = _scores(found, ResultStore(source), form, asked["entrants"], reference, switches)
    write_view(view, form, made, path)


PAGES = ("markdown", "html")
"""What begins with the matrix."""
SWITCHES = ("matrix", "transpose", "cost", "all_splits")
"""Options that are on or off."""


def _check(
    directory: Path | None,
    results: Path | None,
    form: str,
    reference: str | None,
    switches: Mapping[str, bool],
) -> None:
    """Refuse what contradicts itself, or would do nothing."""
    if directory is not None and results is not None:
        raise click.UsageError("DIRECTORY and --results name the same: give one of them")
    if switches["--cost"] and (switches["--matrix"] or reference is not None):
        raise click.UsageError("--cost has no matrix: leave out --matrix and --reference")
    if form == "html" and any(switches[name] for name in ("--matrix", "--transpose", "--cost")):
        raise click.UsageError(
            "an HTML page has everything: leave out --matrix, --transpose, --cost"
        )
    if switches["--transpose"] and not switches["--matrix"]:
        raise click.UsageError("--transpose is of the matrix: give --matrix too")
    if reference is not None and not switches["--matrix"] and form not in PAGES:
        raise click.UsageError("--reference marks the matrix: give --matrix too")


def _command(
    directory: Path,
    only: Mapping[str, str | None],
    entrants: Sequence[str],
    switches: Mapping[str, bool],
    form: str,
) -> str:
    """What makes the page again, typed where this one was."""
    values = [f"--{name}={value}" for name, value in only.items() if value is not None]
    values += [f"--entrant={words}" for words in entrants]
    given = [name for name, on in switches.items() if on]
    place = str(here(directory))
    return shlex.join(["gpteval", "leaderboard", place, *values, *given, "--format", form])


def _scores(
    results: list[Result],
    store: ResultStore,
    form: str,
    entrants: Sequence[str],
    reference: str | None,
    switches: Mapping[str, bool],
) -> View:
    from gpteval.report.leaderboard import Leaderboard, json_rows, latex, markdown
    from gpteval.report.matrix import matrix
    from gpteval.report.standings import standings

    whole = switches["--all-splits"]
    made = None
    if switches["--matrix"] or form == "markdown":
        made = matrix(results, store, choices=entrants, reference=reference, all_splits=whole)
        if switches["--matrix"]:
            return matrix_view(made, transposed=switches["--transpose"])
    rows = standings(results, all_splits=whole)
    return View(
        Leaderboard(rows),
        partial(markdown, rows, matrix=made),
        partial(latex, rows),
        partial(json_rows, rows),
    )


def _page(
    results: list[Result],
    store: ResultStore,
    made: str,
    entrants: Sequence[str],
    reference: str | None,
    all_splits: bool,
    data_dir: Sequence[Path],
) -> str:
    from gpteval.report.matrix import matrix
    from gpteval.report.page import page

    table = matrix(results, store, choices=entrants, reference=reference, all_splits=all_splits)
    return page(results, store, table, made, all_splits=all_splits, data_dir=data_dir)


def _costs(results: list[Result]) -> View:
    from gpteval.report.costs import CostTable, costs, json_rows, latex, markdown

    rows = costs(results)
    return View(
        CostTable(rows), partial(markdown, rows), partial(latex, rows), partial(json_rows, rows)
    )
