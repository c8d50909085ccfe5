"""What a command shows of results, in the forms that it can take, on stdout or in a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gpteval.cli import output
from gpteval.cli.options import UserPath
from gpteval.config import RESULTS, SAMPLE_RESULTS
from gpteval.errors import ConfigError, ResultError
from gpteval.text import json_lines

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gpteval.report.matrix import Matrix


SUFFIXES = {
    ".md": "markdown",
    ".csv": "csv",
    ".tex": "latex",
    ".html": "html",
    ".jsonl": "json",
    ".txt": "terminal",
}
"""How a file is laid out, by its name."""


LAYOUTS = tuple(form for form in dict.fromkeys(SUFFIXES.values()) if form != "json")
"""What --format takes; JSON has an option of its own."""

format_option = click.option("--format", "layout", type=click.Choice(LAYOUTS))
output_option = click.option(
    "--output",
    "path",
    type=UserPath(dir_okay=False),
    help=f"Write to this file; its suffix says how, unless --format does: {', '.join(SUFFIXES)}.",
)


class View(NamedTuple):
    """What is shown, in the forms it can take."""

    table: RenderableType
    markdown: Callable[[str], str]
    latex: Callable[[], str]
    rows: Callable[[], list[dict[str, Any]]]


def last_written() -> Path:
    """The default directory with the newest records; if both have some, it is named."""
    from gpteval.results.store import last_written as written_at

    asked = [(written_at(Path(name)), Path(name)) for name in (RESULTS, SAMPLE_RESULTS)]
    there = sorted((when, place) for when, place in asked if when is not None)
    if len(there) > 1:
        newest, other = there[-1][1], there[0][1]
        output.tell(f"the newest results, those in {newest} (others: gpteval leaderboard {other})")
    return there[-1][1] if there else Path(RESULTS)


def form_of(layout: str | None, as_json: bool, path: Path | None) -> str:
    """terminal, markdown, csv, latex, html or json, by what was asked for, else by the file's name.

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


def matrix_view(made: Matrix, *, transposed: bool) -> View:
    """Of tasks and entrants."""
    from gpteval.report.matrix_table import MatrixTable, json_rows, latex, markdown

    return View(
        MatrixTable(made, transposed=transposed),
        lambda command: markdown(made, transposed=transposed),
        partial(latex, made, transposed=transposed),
        partial(json_rows, made),
    )


def write_view(view: View, form: str, made: str, path: Path | None) -> None:
    """To a file, or to stdout; `made` is the command that makes it again."""
    if path is None and form == "terminal":
        output.show(view.table)
    elif path is None and form == "json":
        output.show_json(*view.rows())
    else:
        put(path, _text(view, form, made))


def put(path: Path | None, text: str) -> None:
    """A whole page, to a file or to stdout.

    Raises:
        ResultError: The file can't be written.
    """
    from gpteval.files import write_whole

    if path is None:
        output.write(text)
        return
    try:
        write_whole(path, text)
    except OSError as error:
        raise ResultError(f"{path} can't be written: {error.strerror or error}") from error


def _text(view: View, form: str, made: str) -> str:
    from gpteval.report.table import csv_page, page

    if form == "json":
        return json_lines(view.rows())
    if form == "markdown":
        return view.markdown(made)
    if form == "latex":
        return view.latex()
    return csv_page(view.rows()) if form == "csv" else page(view.table)
