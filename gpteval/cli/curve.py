"""`gpteval curve`: zero-shot scores along a pre-training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpteval.cli import output
from gpteval.cli.options import (
    DIRECTORY,
    data_dir_option,
    end,
    json_option,
    limit_option,
    options_from,
    sample_option,
)
from gpteval.config import CURVE_RESULTS, TrainingCompute
from gpteval.errors import ResultError
from gpteval.text import json_lines

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
    "--results",
    type=DIRECTORY,
    default=CURVE_RESULTS,
    show_default=True,
    help="Directory of records, and of points.jsonl and curve.png.",
)
@click.option("--picture/--no-picture", default=True, show_default=True, help="Draw curve.png.")
@json_option
@options_from(TrainingCompute, "compute")
def command(
    *,
    directory: tuple[Path, ...],
    tasks: str,
    results: Path,
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
    gpteval curve mine lstm --sample --tasks race,copa --results gpt-and-lstm
    """
    from gpteval.cli.progress import listener
    from gpteval.config import task_names
    from gpteval.methods.settings import ZeroshotConfig
    from gpteval.report.curve import figure_class
    from gpteval.report.curve import picture as drawn
    from gpteval.studies.curve import points

    if picture:
        figure_class()  # so that it is missed before anything is scored
    config = ZeroshotConfig(tasks=task_names(tasks), results=results, **settings)
    scored, left_out = points(directory, config, listener())
    _write(results / "points.jsonl", json_lines(map(asdict, scored)).encode())
    if picture:
        _write(results / "curve.png", drawn(scored))
    if as_json:
        output.show_json(*map(asdict, scored))
    else:
        _print(scored)
    end(left_out, failed=bool(left_out))


def _write(path: Path, content: bytes) -> None:
    from gpteval.files import write_whole

    try:
        write_whole(path, content)
    except OSError as error:
        raise ResultError(f"{path} can't be written: {error.strerror or error}") from error
    output.tell(path)


def _print(points: Sequence[Point]) -> None:
    """Normalised scores, a row per checkpoint and a column per task."""
    from gpteval.report.curve import CurveTable

    output.show(CurveTable(points))
