"""`gpteval data verify`: is the data what it should be?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from gpteval.cli import output
from gpteval.cli.options import json_option
from gpteval.config import task_names
from gpteval.errors import DataError
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.data.verify import SplitReport


@click.group()
def command() -> None:
    """Check data sets against their official counts."""


@command.command("verify")
@click.option("--tasks", default="all", show_default=True, help="Names and groups, by commas.")
@click.option("--data-dir", help="Directory of official files; default: $GPTEVAL_DATA, or the hub.")
@click.option("--sample", is_flag=True, help="Check the data sets that come with the package.")
@json_option
def verify_data(tasks: str, data_dir: str | None, sample: bool, as_json: bool) -> None:
    """Count every split's rows and labels; look for duplicates and for overlap with train.

    A split that is absent or cut is reported; a file that can't be read is an error too.

    \b
    gpteval data verify --data-dir DATA
    gpteval data verify --tasks glue,race --sample
    """
    from gpteval.data.rows import origin
    from gpteval.data.verify import verify

    chosen = registry().select(task_names(tasks))
    reports = list(verify(chosen, origin(data_dir, sample)))
    if as_json:
        output.show_json([asdict(report) for report in reports])
    else:
        _print(reports)
    unreadable = [r.problem for r in reports if r.state == "unreadable"]
    if unreadable:
        more = f" (and {len(unreadable) - 1} more)" if len(unreadable) > 1 else ""
        raise DataError(f"{unreadable[0]}{more}")


def _print(reports: list[SplitReport]) -> None:
    """One table on stdout, of one line per split where stdout is not a terminal."""
    from gpteval.report.table import listing

    counts = ("rows", "official", "no gold", "twice", "in train")
    rows, task = [], ""
    for report in reports:
        rows.append((report.task if report.task != task else "", *_cells(report)))
        task = report.task
    headings = ("task", "split", "state", *counts, "labels", "digest")
    output.show(listing(headings, rows, right=counts))


def _cells(report: SplitReport) -> tuple[str, ...]:
    official = f"{report.official:,}"
    if report.state in ("absent", "unreadable"):
        problem = report.problem.partition(";")[0]
        return (report.split, report.state, "", official, "", "", "", problem, "")
    labels = ", ".join(f"{name} {count:,}" for name, count in report.labels.items())
    return (
        report.split,
        report.state,
        f"{report.rows:,}",
        official,
        f"{report.left_out:,}" if report.left_out else "–",
        f"{report.duplicates:,}",
        "–" if report.overlap is None else f"{report.overlap:,}",
        labels or "private",
        report.digest[:12],
    )
