"""The commands of this package: one for a whole submission, one for BLiMP's table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import gpteval


@click.command()
@click.option("--model", required=True, help="As `gpteval run` has it: hf:DIRECTORY, mini, …")
@click.option("--data-dir", multiple=True, help="Where blimp/, BoolQ/, MultiRC/, WSC/, glue/ are.")
@click.option("--results", default="results", show_default=True, help="Directory of records.")
@click.option("--limit", type=click.IntRange(1), help="Most rows of every split, for a quick try.")
def babylm(model: str, data_dir: tuple[str, ...], results: str, limit: int | None) -> None:
    """Score a submission's text tasks: BLiMP by likelihood, seven tasks by fine-tuning."""
    settings: dict[str, Any] = {"model": model, "results": results, "limit": limit}
    settings["data_dir"] = data_dir or None
    asked = gpteval.score_zeroshot("blimp", untrained=False, **settings)
    click.echo("\n".join(table(asked[0].scores)))
    tasks = ("boolq", "multirc", "wsc", "rte", "mrpc", "mnli_10k", "qqp_10k")
    for result in gpteval.run(tasks, recipe="babylm", **settings):
        metric, score = next(iter(result.scores.items()))
        click.echo(f"{result.task} {result.split}: {metric} {100 * score:.1f}")


@click.command()
@click.argument("results", type=click.Path(exists=True, path_type=Path))
def blimp(results: Path) -> None:
    """Show BLiMP by field, phenomenon and paradigm, of every result in a directory."""
    for line in (results / "records.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        if record["task"].rpartition("/")[2] == "blimp":
            click.echo("\n".join([record["model"], *table(record["scores"])]))


def table(scores: Mapping[str, float]) -> list[str]:
    """A line for the whole and for every slice."""
    return [
        f"{100 * score:5.1f}  {metric.partition('/')[2] or 'all'}"
        for metric, score in scores.items()
        if metric.partition("/")[0] == "accuracy"
    ]
