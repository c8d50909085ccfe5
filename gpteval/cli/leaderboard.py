"""`gpteval leaderboard`: results beside the paper's."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gpteval.cli import output
from gpteval.cli.options import DIRECTORY, UserPath, json_option, results_option
from gpteval.config import RESULTS, SAMPLE_RESULTS
from gpteval.errors import ConfigError, ResultError
from gpteval.paths import here
from gpteval.text import json_lines

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gpteval.records import Result


SUFFIXES = {".md": "markdown", ".csv": "csv", ".jsonl": "json", ".txt": "terminal"}
"""How a file is laid out, by its name."""


class View(NamedTuple):
    """What is shown, in the forms it can take."""

    table: RenderableType
    markdown: Callable[[str], str]
    rows: Callable[[], list[dict[str, Any]]]


@click.command()
@click.argument("directory", required=False, type=DIRECTORY)
@results_option
@click.option("--format", "layout", type=click.Choice(["terminal", "markdown", "csv"]))
@json_option
@click.option(
    "--output",
    "path",
    type=UserPath(dir_okay=False),
    help=f"Write to this file; its suffix says how, unless --format does: {', '.join(SUFFIXES)}.",
)
@click.option("--cost", is_flag=True, help="Show what the results took instead of the scores.")
@click.option("--all-splits", is_flag=True, help="Show every scored split, not only the last.")
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
@click.option("--model", help="Only this model's results.")
def command(
    *,
    directory: Path | None,
    results: Path | None,
    layout: str | None,
    as_json: bool,
    path: Path | None,
    cost: bool,
    all_splits: bool,
    **only: str | None,
) -> None:
    """Show the results in DIRECTORY, or --results, beside the paper's.

    Without either: those of results or runs, where the last were written.

    \b
    gpteval leaderboard                  # results/, or runs/ after a run on samples
    gpteval leaderboard runs --cost      # tokens, FLOPs, seconds, memory
    gpteval leaderboard results --output results/README.md
    """
    if directory is not None and results is not None:
        raise click.UsageError("DIRECTORY and --results name the same: give one of them")
    from gpteval.api.results import load_results

    source = directory or results or _last_written()
    form = _form(layout, as_json, path)
    chosen = load_results(source, **only)
    view = _costs(chosen) if cost else _scores(chosen, all_splits)
    if path is None and form == "terminal":
        output.show(view.table)
        return
    made = _command(source, only, {"--cost": cost, "--all-splits": all_splits})
    _write(view, form, made, path)


def _last_written() -> Path:
    """The default directory with the newest records; if both have some, it is named."""
    records = [Path(name) / "records.jsonl" for name in (RESULTS, SAMPLE_RESULTS)]
    there = sorted((p for p in records if p.is_file()), key=lambda p: p.stat().st_mtime)
    if len(there) > 1:
        newest, other = there[-1].parent, there[0].parent
        output.tell(f"the newest results, those in {newest} (others: gpteval leaderboard {other})")
    return there[-1].parent if there else Path(RESULTS)


def _form(layout: str | None, as_json: bool, path: Path | None) -> str:
    """terminal, markdown, csv or json, by what was asked for, else by the file's name.

    Raises:
        ConfigError: The file's name says nothing.
    """
    if as_json or layout or path is None:
        return "json" if as_json else layout or "terminal"
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"--output {path}: name a file ending in {', '.join(SUFFIXES)}, or give --format"
        )
    return SUFFIXES[path.suffix.lower()]


def _command(directory: Path, only: Mapping[str, str | None], switches: Mapping[str, bool]) -> str:
    """What makes the page again, typed where this one was."""
    values = [f"--{name}={value}" for name, value in only.items() if value is not None]
    given = [name for name, on in switches.items() if on]
    place = str(here(directory))
    return shlex.join(["gpteval", "leaderboard", place, *values, *given, "--format", "markdown"])


def _scores(results: list[Result], all_splits: bool) -> View:
    from gpteval.report.leaderboard import Leaderboard, json_rows, markdown
    from gpteval.report.standings import standings

    rows = standings(results, all_splits=all_splits)
    return View(Leaderboard(rows), partial(markdown, rows), partial(json_rows, rows))


def _costs(results: list[Result]) -> View:
    from gpteval.report.costs import CostTable, costs, json_rows, markdown

    rows = costs(results)
    return View(CostTable(rows), partial(markdown, rows), partial(json_rows, rows))


def _write(view: View, form: str, made: str, path: Path | None) -> None:
    """To a file, or to stdout."""
    from gpteval.files import write_whole

    if path is None and form == "json":
        output.show_json(*view.rows())
    elif path is None:
        output.write(_text(view, form, made))
    else:
        try:
            write_whole(path, _text(view, form, made))
        except OSError as error:
            raise ResultError(f"{path} can't be written: {error.strerror or error}") from error


def _text(view: View, form: str, made: str) -> str:
    from gpteval.report.table import csv_page, page

    if form == "json":
        return json_lines(view.rows())
    if form == "markdown":
        return view.markdown(made)
    return csv_page(view.rows()) if form == "csv" else page(view.table)
