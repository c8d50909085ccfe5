"""`gpteval curve`: zero-shot scores along a pre-training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.table import Table

from gpteval.cli.options import (
    DIRECTORY,
    data_dir_option,
    limit_option,
    options_from,
    sample_option,
)
from gpteval.config import Compute, task_names
from gpteval.errors import ResultError
from gpteval.methods.settings import ZeroshotConfig

if TYPE_CHECKING:
    from gpteval.studies.curve import Point


@click.command()
@click.argument("directory", nargs=-1, required=True, type=DIRECTORY)
@click.option(
    "--tasks", default="all", show_default=True, help="Names and groups, joined by commas."
)
@data_dir_option
@sample_option
@limit_option
@click.option(
    "--output",
    type=DIRECTORY,
    default="curve",
    show_default=True,
    help="Directory to write: points.jsonl, curve.png, and the results store.",
)
@click.option("--picture/--no-picture", default=True, show_default=True, help="Draw curve.png.")
@click.option("--json", "as_json", is_flag=True, help="Print the points as JSON lines.")
@options_from(Compute, "compute")
def command(
    *,
    directory: tuple[Path, ...],
    tasks: str,
    output: Path,
    picture: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Score every checkpoint of a pre-training by likelihood, and draw the curves.

    DIRECTORY is the output of `gpteval pretrain --snapshots N`, or any directory whose
    sub-directories are checkpoints of one run. Several runs are drawn together, one line style
    each. As in figure 2 of GPT-1's paper a score is normalised: 0 is a random guess, 1 the best
    result before GPT-1; on the samples, which are easier, 1 is a perfect score. Tasks without such
    a result are left out. What is finished is not scored again.

    \b
    gpteval pretrain BOOKS --output mine --snapshots 10
    gpteval curve mine --data-dir DATA
    gpteval curve mine lstm --sample --tasks race,copa --output gpt-and-lstm
    """
    from gpteval.cli.progress import listener
    from gpteval.report.curve import figure_class
    from gpteval.report.curve import picture as drawn
    from gpteval.studies.curve import points

    if picture:
        figure_class()  # so that it is missed before anything is scored
    config = ZeroshotConfig(tasks=task_names(tasks), results=output, **settings)
    scored = list(points(directory, config, listener()))
    lines = "".join(json.dumps(asdict(point)) + "\n" for point in scored)
    _write(output / "points.jsonl", lines.encode())
    if picture:
        _write(output / "curve.png", drawn(scored))
    if as_json:
        click.echo(lines, nl=False)
    else:
        _print(scored)


def _write(path: Path, content: bytes) -> None:
    from gpteval.files import write_whole

    try:
        write_whole(path, content)
    except OSError as error:
        raise ResultError(f"{path} can't be written: {error.strerror or error}") from error
    click.echo(f"gpteval: {path}", err=True)


def _print(points: Sequence[Point]) -> None:
    """Normalised scores, a row per checkpoint and a column per task."""
    from gpteval.report.table import stdout_console

    tasks = list(dict.fromkeys(point.task for point in points))
    table = Table("run", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("update", "tokens", *tasks):
        table.add_column(heading, justify="right", no_wrap=True)
    rows: dict[tuple[str, int, int], dict[str, str]] = {}
    for point in points:
        row = rows.setdefault((point.run, point.update, point.tokens), {})
        row[point.task] = f"{point.normalised:.3f}"
    for (run, update, tokens), scores in rows.items():
        table.add_row(run, f"{update:,}", f"{tokens:,}", *(scores[task] for task in tasks))
    stdout_console().print(table, highlight=False)
    stdout_console().print(f"0: a random guess, 1: {points[0].of}", highlight=False)
