"""`gpteval doctor`: can the numbers be trusted?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from gpteval.cli import output
from gpteval.cli.options import (
    data_dir_option,
    end,
    json_option,
    model_option,
    options_from,
    sample_option,
)
from gpteval.config import EXAMINED_ROWS, Compute

if TYPE_CHECKING:
    from gpteval.studies.doctor import Change


@click.command()
@click.option(
    "--batch-invariance",
    is_flag=True,
    expose_value=False,
    help="The check that is made anyway, so far the only one: does a log-probability depend on "
    "batch size, packing, or shared prefixes?",
)
@click.option(
    "--tasks", default="all", show_default=True, help="Names and groups, joined by commas."
)
@model_option
@data_dir_option
@sample_option
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=EXAMINED_ROWS,
    show_default=True,
    help="Most rows of a split.",
)
@json_option
@options_from(Compute, "compute")
def command(*, tasks: str, as_json: bool, **settings: Any) -> None:
    """Find out whether a model's numbers depend on how they are computed.

    Every task's zero-shot log-probabilities are computed several ways: each sequence alone, in
    small and large batches, and with shared beginnings computed once. Printed are the largest
    change from each sequence alone, in nats, and how many predictions become others. In fp32 a
    change above 1e-4 is more than rounding: exit code 1. In bf16 nothing is judged.

    \b
    gpteval doctor --sample
    gpteval doctor --tasks race,copa --model hf:HuggingFaceTB/SmolLM2-135M
    """
    from gpteval.cli.progress import listener
    from gpteval.config import task_names
    from gpteval.methods.settings import Subject
    from gpteval.studies.doctor import LIMIT, examined

    progress = listener()
    ready, left_out = examined(Subject(tasks=task_names(tasks), **settings), progress)
    changes = []
    for change in (change for one in ready for change in one.changes(progress)):
        changes.append(change)
        if as_json:
            output.show_json(asdict(change))
    if not as_json:
        _print(changes)
    worst = max(changes, key=lambda change: (not change.sound, change.largest))
    wrong = (
        f"{worst.task}: a log-probability changes by {worst.largest:.1e} with "
        f"{worst.arrangement}; in fp32 up to {LIMIT:.0e} is rounding: this model reads its "
        "neighbours in a batch, or its padding"
    )
    end(left_out, "" if worst.sound else wrong, failed=bool(left_out) or not worst.sound)


def _print(changes: Sequence[Change]) -> None:
    """One table on stdout."""
    from gpteval.report.table import listing

    rows, task = [], ""
    for change in changes:
        first = change.task != task
        task = change.task
        head = (task, change.split, f"{change.n:,}", change.precision) if first else ("",) * 4
        rows.append((*head, change.arrangement, f"{change.largest:.1e}", f"{change.flipped:,}"))
    headings = ("task", "split", "n", "precision", "computed as", "change", "flipped")
    output.show(listing(headings, rows, right=("n", "change", "flipped")))
