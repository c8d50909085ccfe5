"""`gpteval check`: a gate on results, for CI."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpteval.cli import output as stdout
from gpteval.cli.options import UserPath
from gpteval.files import append, write_whole, writing
from gpteval.text import json_lines

if TYPE_CHECKING:
    from gpteval.api.compare import Verdicts

FORMATS = ("text", "markdown", "json", "junit", "github")
SUMMARY = "GITHUB_STEP_SUMMARY"
"""Variable that names the file of a job's summary on GitHub."""

FRACTION = click.FloatRange(0, 1)


@click.command()
@click.argument("candidate", metavar="RESULTS", default="results")
@click.option("--baseline", type=UserPath(dir_okay=False), help="File that `gpteval bless` wrote.")
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
@click.option("--absolute", type=FRACTION, help="Drop that is accepted; 0.01, a point, by default.")
@click.option(
    "--relative",
    type=FRACTION,
    help="The same as a fraction of the baseline's score; default 0. A drop has to exceed both.",
)
@click.option("--alpha", type=float, help="Share of checks in error; default 0.05.")
@click.option(
    "--strict/--no-strict", default=None, help="Fail too where nothing can be told (exit code 3)."
)
@click.option("--advisory", help="Tasks that fail nothing, joined by commas.")
@click.option("--allow", help="Differences to accept: version, data, recipe, code.")
@click.option("--format", "layout", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--output", type=UserPath(dir_okay=False), help="Write to this file.")
def command(candidate: str, layout: str, output: Path | None, **options: Any) -> int:
    """Hold RESULTS (a directory; see `gpteval compare`) against a baseline.

    Every task of the baseline gets a verdict. REGRESSED: the drop is larger than the tolerance,
    and not by chance. HELD: no change beyond the tolerance, in 95 of 100 cases. IMPROVED: better by
    more than that. UNDERPOWERED: the examples and seeds can't tell. MISSING; INCOMPARABLE: other
    examples, rows, recipe, task version or code, each named.

    Exit codes: 0 fine; 1 a task regressed; 2 a mistake that can be mended; 3 with --strict, where
    nothing can be told or a task is missing; 4 not comparable.

    Defaults stand in gpteval.toml under [check], or in pyproject.toml under [tool.gpteval.check];
    [tool.gpteval.check.metrics.matthews] has a metric's own tolerance. Only files are read: no
    model, no data set.

    \b
    gpteval bless results --output baseline.json
    gpteval check runs/new --baseline baseline.json
    gpteval check runs/new --baseline baseline.json --format junit --output check.xml
    """
    from gpteval.api.compare import check

    given = {name: value for name, value in options.items() if value is not None}
    verdicts = check(candidate, **given)
    code = verdicts.code
    _show(_text(layout, verdicts), output)
    if layout == "github" and (summary := os.environ.get(SUMMARY)):
        from gpteval.report.verdicts import markdown

        with writing(summary):
            append(Path(summary), markdown(verdicts, code).encode())
    return code


def _text(layout: str, verdicts: Verdicts) -> str:
    from gpteval.report import verdicts as report
    from gpteval.report.table import page

    code, strict = verdicts.code, verdicts.strict
    if layout == "json":
        return json_lines(report.json_values(verdicts))
    if layout == "markdown":
        return report.markdown(verdicts, code)
    if layout == "junit":
        return report.junit(verdicts, strict=strict)
    told = report.github(verdicts, strict=strict) if layout == "github" else ""
    return told + page(report.VerdictTable(verdicts, code), stdout.console_of_stdout().width)


def _show(text: str, output: Path | None) -> None:
    if output is None:
        stdout.write(text)
        return
    with writing(output):
        write_whole(output, text)
