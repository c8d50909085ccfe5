"""`gpteval data verify`: is the data what it should be?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpteval.cli import output
from gpteval.cli.options import data_dir_option, json_option
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
@data_dir_option
@click.option("--sample", is_flag=True, help="Check the data sets that come with the package.")
@json_option
def verify_data(tasks: str, data_dir: tuple[Path, ...], sample: bool, as_json: bool) -> None:
    """Count every split's rows and labels; look for duplicates and for overlap with train.

    Every row is read as a run reads it. A split that is absent or cut is reported. An error, exit
    code 2, is a file that can't be read, nothing to read at all, and a task that is named, by
    itself and not by a group, without a split that a run of it needs.

    \b
    gpteval data verify --data-dir DATA
    gpteval data verify --tasks glue,race --sample
    """
    from gpteval.api.offers import verify_data
    from gpteval.data.rows import origin
    from gpteval.data.verify import lacking

    reports = []
    for report in verify_data(tasks, data_dir=data_dir, sample=sample):
        reports.append(report)
        if as_json:
            output.show_json(asdict(report))
    if not as_json:
        _print(reports)
    problems = [report.problem for report in reports if report.state == "unreadable"]
    known, rows_from = registry().tasks(), origin(data_dir, sample)
    alone = registry().named(task_names(tasks))
    splits = [lacking(known[name], rows_from, reports) for name in known if name in alone]
    problems += [report.problem for report in splits if report is not None]
    if not problems and all(report.state == "absent" for report in reports):
        problems = [reports[0].problem]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DataError(f"{problems[0]}{more}")


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
