"""`gpteval submit`: predictions for the server of a benchmark that keeps its test labels."""

from __future__ import annotations

from pathlib import Path

import click

from gpteval.cli import output as stdout
from gpteval.cli.options import UserPath, json_option
from gpteval.config import SEEDS, SUBMITTED
from gpteval.plugins import registry

SUITES = [name for name, suite in registry().suites().items() if suite.submission]


@click.command()
@click.argument("candidate", metavar="RESULTS", default="results")
@click.option("--output", type=UserPath(dir_okay=False), required=True, help="The zip to write.")
@click.option(
    "--suite",
    type=click.Choice(SUITES),
    default=SUBMITTED,
    show_default=True,
    help="Whose server it is for.",
)
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), help="Of several runs, the one to take.")
@json_option
def command(candidate: str, output: Path, suite: str, seed: int | None, as_json: bool) -> None:
    """Write the zip that GLUE's server takes, from predictions on test sets without labels.

    RESULTS is a directory, with words after "@" that choose one entrant (see `gpteval compare`).
    All eleven files are in the zip, AX (GLUE's diagnostic set) by the model of MNLI. Each is held
    to the server's format; what is missing is named, and nothing is written.

    \b
    gpteval run --tasks glue --model mini --predict --data-dir DATA
    gpteval submit results@mini,finetune --output mini.zip
    """
    from gpteval.api.results import submit

    made = submit(candidate, output, suite=suite, seed=seed)
    if as_json:
        stdout.show_json(
            *(
                {
                    "file": sheet.name,
                    "task": sheet.measurement.task,
                    "split": sheet.measurement.split,
                    "rows": sheet.rows,
                    "entrant": sheet.measurement.entrant,
                    "seed": sheet.seed,
                }
                for sheet in made
            )
        )
        return
    for sheet in made:
        place = " ".join(sheet.measurement.where)
        stdout.show(f"{sheet.name}: {sheet.rows:,} rows, {place} by {sheet.measurement.entrant}")
