"""`gpteval leaderboard`: results beside the paper's."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gpteval.cli.options import DIRECTORY, UserPath
from gpteval.errors import ResultError, UnknownNameError
from gpteval.paths import here
from gpteval.plugins import registry

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gpteval.records import Result


class View(NamedTuple):
    """What is shown, in the three forms it can take."""

    table: RenderableType
    markdown: Callable[[str], str]
    rows: Callable[[], list[dict[str, Any]]]


@click.command()
@click.argument("directory", default="results", type=DIRECTORY)
@click.option("--format", "layout", type=click.Choice(["terminal", "markdown"]), default="terminal")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@click.option("--output", type=UserPath(dir_okay=False), help="Write to this file.")
@click.option("--cost", is_flag=True, help="Show what the results took instead of the scores.")
@click.option("--all-splits", is_flag=True, help="Show every scored split, not only the last.")
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
@click.option("--model", help="Only this model's results.")
def command(
    directory: Path,
    layout: str,
    as_json: bool,
    output: Path | None,
    cost: bool,
    all_splits: bool,
    tasks: str | None,
    model: str | None,
) -> None:
    """Show the results in DIRECTORY beside the paper's.

    \b
    gpteval leaderboard                  # results/
    gpteval leaderboard runs             # runs on samples
    gpteval leaderboard runs --cost      # tokens, FLOPs, seconds, memory
    gpteval leaderboard results --format markdown --output results/README.md
    """
    results = _of_model(_of_tasks(_read(directory), tasks), model)
    view = _costs(results) if cost else _scores(results, all_splits)
    if output is None and layout == "terminal" and not as_json:
        from gpteval.report.table import stdout_console

        stdout_console().print(view.table)
        return
    made = _command(directory, tasks, model, {"--cost": cost, "--all-splits": all_splits})
    _write(_text(view, "json" if as_json else layout, made), output)


def _command(
    directory: Path, tasks: str | None, model: str | None, switches: dict[str, bool]
) -> str:
    """What makes the page again, typed where this one was."""
    named = {"--tasks": tasks, "--model": model}
    values = [f"{name}={value}" for name, value in named.items() if value is not None]
    given = [name for name, on in switches.items() if on]
    place = str(here(directory))
    return shlex.join(["gpteval", "leaderboard", place, *values, *given, "--format", "markdown"])


def _read(directory: Path) -> list[Result]:
    from gpteval.results.store import ResultStore

    results = ResultStore(directory).read()
    if not results:
        raise ResultError(
            f"no results in {directory}: make some with `gpteval run --tasks rte --results "
            f"{directory}`, or name another directory (samples: `gpteval leaderboard runs`)"
        )
    return results


def _of_tasks(results: list[Result], names: str | None) -> list[Result]:
    """Those of the tasks and groups named; a task may have results and not be installed."""
    if names is None:
        return results
    present = {result.task for result in results}
    wanted = {name.strip() for name in names.split(",")}
    wanted |= {task.name for task in registry().select(sorted(wanted - present))}
    kept = [result for result in results if result.task in wanted]
    if not kept:
        raise ResultError(f"no results of {names}: there are some of {_listed(present)}")
    return kept


def _of_model(results: list[Result], model: str | None) -> list[Result]:
    known = {result.model for result in results}
    if model is not None and model not in known:
        raise UnknownNameError("model", model, known, f"(results of: {_listed(known)})")
    return [result for result in results if model in (None, result.model)]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _scores(results: list[Result], all_splits: bool) -> View:
    from gpteval.report.leaderboard import Leaderboard, json_rows, markdown
    from gpteval.report.standings import standings

    rows = standings(results, all_splits=all_splits)
    return View(Leaderboard(rows), partial(markdown, rows), partial(json_rows, rows))


def _costs(results: list[Result]) -> View:
    from gpteval.report.costs import CostTable, costs, json_rows, markdown

    rows = costs(results)
    return View(CostTable(rows), partial(markdown, rows), partial(json_rows, rows))


def _text(view: View, layout: str, made: str) -> str:
    from rich.console import Console

    from gpteval.report.table import WIDE

    if layout == "json":
        return json.dumps(view.rows(), indent=2, ensure_ascii=False) + "\n"
    if layout == "markdown":
        return view.markdown(made)
    page = io.StringIO()
    Console(file=page, width=WIDE).print(view.table)
    return page.getvalue()


def _write(text: str, output: Path | None) -> None:
    from gpteval.files import write_whole

    if output is None:
        click.echo(text, nl=False)
        return
    try:
        write_whole(output, text)
    except OSError as error:
        raise ResultError(f"{output} can't be written: {error.strerror or error}") from error
