"""`gpteval baselines`: what can be scored without any language model."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click


@click.command()
@click.option(
    "--tasks", required=True, help="Names and groups, joined by commas: glue,race or all."
)
@click.option(
    "--data-dir", help="Directory of official files; default: $GPTEVAL_DATA, else the hub."
)
@click.option("--sample", is_flag=True, help="Use the small data sets that come with the package.")
@click.option("--limit", type=click.IntRange(1), help="Most rows of every split, for a quick try.")
@click.option("--results", help="Directory of records; default: results (runs with --sample).")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON lines.")
def command(*, as_json: bool, **settings: Any) -> None:
    """Train and score baselines that need no language model.

    tfidf: TF-IDF of words and pairs of words with logistic regression (ridge regression where the
    labels are numbers), on every task. hypothesis-only (NLI) and ending-only (Story Cloze): the
    same, but it never sees the premise or the story. What such a probe gets right beyond chance,
    the data gives away.

    They are trained on the training split and stand in the leaderboard beside zero-shot scores.
    What is finished is not trained again.

    \b
    gpteval baselines --tasks all --sample
    gpteval baselines --tasks nli,rocstories --data-dir DATA
    """
    from gpteval.baselines import score_baselines
    from gpteval.cli.progress import listener

    results = score_baselines(progress=listener(), **settings)
    if as_json:
        for result in results:
            click.echo(json.dumps(asdict(result), ensure_ascii=False))
        return
    from gpteval.report.leaderboard import show

    show(results)
