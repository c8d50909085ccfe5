"""`gpteval run`: the main job."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from gpteval.cli.options import changes_from, options_from
from gpteval.config import RECIPES, Compute, FinetuneConfig


@click.command()
@click.option(
    "--tasks", required=True, help="Names and groups, joined by commas: glue,race or all."
)
@click.option(
    "--model", help="Model reference (see `gpteval models`); mini with --sample, else openai-gpt."
)
@click.option(
    "--data-dir", help="Directory of official files; default: $GPTEVAL_DATA, else the hub."
)
@click.option("--sample", is_flag=True, help="Use the small data sets that come with the package.")
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    help="Named settings; default: paper (sample with --sample).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The first seed.")
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="How many seeds."
)
@click.option("--limit", type=click.IntRange(1), help="Most rows of every split, for a quick try.")
@click.option("--results", help="Directory of records; default: results (runs with --sample).")
@click.option("--save-seconds", default=60.0, show_default=True, help="Time between two saves.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON lines.")
@changes_from(FinetuneConfig, "changes")
@options_from(Compute, "compute")
def command(*, seed: int, seeds: int, as_json: bool, **settings: Any) -> None:
    """Fine-tune one model on every task and score it.

    Every task gets a fresh copy of the model and the same recipe. Scores, predictions and all that
    they depend on are written to the results directory; what is finished is not run again.

    \b
    gpteval run --tasks glue,race --sample
    gpteval run --tasks rte,cola --data-dir DATA --model mini --seeds 3
    gpteval run --tasks all --model openai-gpt        # rows and weights from the hub
    """
    from gpteval.cli.progress import listener
    from gpteval.suite import run

    chosen = tuple(range(seed, seed + seeds))
    results = run(progress=listener(), seeds=chosen, **settings)
    if as_json:
        for result in results:
            click.echo(json.dumps(asdict(result), ensure_ascii=False))
        return
    from gpteval.report.leaderboard import show

    show(results)
