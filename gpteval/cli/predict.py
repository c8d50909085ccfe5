"""`gpteval predict`: a fine-tuned model that was kept answers rows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gpteval.cli import output as stdout
from gpteval.cli.options import DIRECTORY, UserPath, json_option, options_from
from gpteval.config import Compute
from gpteval.errors import ConfigError
from gpteval.text import json_lines

SUFFIXES = (".csv", ".jsonl")
"""How a file is laid out, by its name."""


@click.command()
@click.argument("directory", type=DIRECTORY)
@click.argument("file", type=UserPath(dir_okay=False))
@click.option(
    "--output",
    type=UserPath(dir_okay=False),
    help=f"Write to this file; its suffix says how: {' or '.join(SUFFIXES)}.",
)
@json_option
@options_from(Compute, "compute")
def command(
    directory: Path, file: Path, output: Path | None, as_json: bool, compute: Compute
) -> None:
    """Have the fine-tuned model in DIRECTORY answer the rows of FILE.

    DIRECTORY is what `gpteval run --save-model` wrote. FILE is CSV, TSV, JSONL or parquet with the
    columns of the task (`gpteval tasks show NAME`). A line of CSV for every row: the label and
    the probability of each, the number, or the place and text of the chosen answer, from 0.

    \b
    gpteval run --tasks rte --sample --save-model my-rte
    gpteval predict my-rte new.csv --output answers.csv
    """
    from gpteval.cli.progress import listener
    from gpteval.files import write_whole, writing
    from gpteval.report.table import csv_page
    from gpteval.train.answering import load_finetuned

    suffix = output.suffix.lower() if output else ""
    if output and suffix not in SUFFIXES:
        raise ConfigError(f"--output {output}: name a file ending in {' or '.join(SUFFIXES)}")
    model = load_finetuned(directory, compute=compute)
    rows = [_shown(asdict(answer)) for answer in model.predict_file(file, progress=listener())]
    text = json_lines(rows) if as_json or suffix == ".jsonl" else csv_page(rows)
    if output is None:
        stdout.write(text)
        return
    with writing(output):
        write_whole(output, text)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Without what this kind of task has not."""
    return {name: value for name, value in row.items() if value not in ("", {})}
