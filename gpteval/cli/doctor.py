"""`gpteval doctor`: can the numbers be trusted?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.table import Table

from gpteval.cli.options import data_dir_option, model_option, options_from, sample_option
from gpteval.config import Compute, task_names
from gpteval.methods.settings import Subject

if TYPE_CHECKING:
    from gpteval.studies.doctor import Change


@click.command()
@click.option(
    "--batch-invariance",
    is_flag=True,
    help="Does a log-probability depend on batch size, packing, or shared prefixes?",
)
@click.option(
    "--tasks", default="all", show_default=True, help="Names and groups, joined by commas."
)
@model_option
@data_dir_option
@sample_option
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="Most rows of a split."
)
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON lines.")
@options_from(Compute, "compute")
def command(*, batch_invariance: bool, tasks: str, as_json: bool, **settings: Any) -> None:
    """Find out whether a model's numbers depend on how they are computed.

    --batch-invariance computes every task's zero-shot log-probabilities several ways: each sequence
    alone, small and large batches, and with shared beginnings computed once. It prints the largest
    change from each sequence alone, in nats, and how many predictions become others. In fp32 a
    change above 1e-4 is more than rounding: exit code 1. In bf16 nothing is judged.

    \b
    gpteval doctor --batch-invariance --sample
    gpteval doctor --batch-invariance --tasks race,copa --model hf:HuggingFaceTB/SmolLM2-135M
    """
    from gpteval.cli.progress import listener
    from gpteval.studies.doctor import LIMIT
    from gpteval.studies.doctor import batch_invariance as examine

    if not batch_invariance:
        raise click.UsageError("give --batch-invariance: it is the only check so far")
    changes = []
    for change in examine(Subject(tasks=task_names(tasks), **settings), listener()):
        changes.append(change)
        if as_json:
            click.echo(json.dumps(asdict(change)))
    if not as_json:
        _print(changes)
    worst = max(changes, key=lambda change: (not change.sound, change.largest))
    if not worst.sound:
        click.echo(
            f"gpteval: {worst.task}: a log-probability changes by {worst.largest:.1e} with "
            f"{worst.arrangement}; in fp32 up to {LIMIT:.0e} is rounding: this model reads its "
            "neighbours in a batch, or its padding",
            err=True,
        )
        raise SystemExit(1)


def _print(changes: Sequence[Change]) -> None:
    """One table on stdout."""
    from gpteval.report.table import stdout_console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("task", "split", "n", "precision", "computed as", "change", "flipped"):
        numeric = heading in ("n", "change", "flipped")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    task = ""
    for change in changes:
        first = change.task != task
        task = change.task
        head = (task, change.split, f"{change.n:,}", change.precision) if first else ("",) * 4
        table.add_row(*head, change.arrangement, f"{change.largest:.1e}", f"{change.flipped:,}")
    stdout_console().print(table, highlight=False)
