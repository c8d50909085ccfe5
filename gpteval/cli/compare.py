"""`gpteval compare`: do two sides differ, by more than chance?"""

from __future__ import annotations

import click

from gpteval.cli import output
from gpteval.cli.options import json_option
from gpteval.errors import ResultError


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
@click.option("--format", "layout", type=click.Choice(["terminal", "markdown"]), default="terminal")
@json_option
@click.option(
    "--resamples",
    type=click.IntRange(100, 10**6),
    default=10_000,
    show_default=True,
    help="Of every task's examples.",
)
def command(
    first: str, second: str, tasks: str | None, layout: str, as_json: bool, resamples: int
) -> None:
    """Compare A with B, example by example: is B better, by more than chance?

    A and B are results directories; words after "@" choose within one: a model, a way of measuring
    (finetune, zeroshot, baseline), a recipe, a setting (lm_weight=0.0). "@tfidf" is of the
    directory results. What both sides measured of a task is compared by every metric of it, then
    the means of suites.

    \b
    gpteval compare runs/main runs/branch
    gpteval compare @tfidf @mini,finetune
    gpteval compare results@mini,finetune results/layers@pretraining=False --tasks sst2
    """
    from gpteval.api.compare import compare
    from gpteval.report.comparison import ComparisonTable, json_rows, markdown

    comparison = compare(first, second, tasks, resamples=resamples)
    if as_json:
        output.show_json(*json_rows(comparison))
    elif layout == "markdown":
        output.write(markdown(comparison))
    else:
        output.show(ComparisonTable(comparison))
    if not comparison.rows:
        raise ResultError(f"{first} and {second} have nothing in common that could be compared")
