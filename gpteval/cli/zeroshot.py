"""`gpteval zeroshot`: what the model knows before any fine-tuning."""

from __future__ import annotations

from typing import Any

import click

from gpteval.cli import output
from gpteval.cli.options import (
    Tasks,
    conclude,
    data_dir_option,
    force_option,
    json_option,
    launch_option,
    limit_option,
    model_option,
    options_from,
    results_option,
    sample_option,
    show_results,
    skip_missing_option,
    task_file_option,
)
from gpteval.config import Compute, task_names

SHARED = ("data_dir", "sample", "limit", "skip_missing", "force", "results")
"""Settings that the baselines beside it have too."""


@click.command()
@click.option("--all", "every", is_flag=True, help="Every task: by likelihood where it can be.")
@click.option(
    "--tasks",
    cls=Tasks,
    help="Names and groups, joined by commas: race,copa or winograd.",
)
@task_file_option
@model_option
@data_dir_option
@sample_option
@limit_option
@skip_missing_option
@force_option
@results_option
@launch_option
@json_option
@click.option(
    "--untrained/--no-untrained",
    default=True,
    show_default=True,
    help="Score a model of the same shape with random weights beside it; takes as long again.",
)
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Train `gpteval baselines` of the same tasks too; reads their training splits.",
)
@options_from(Compute, "compute")
def command(
    *, every: bool, tasks: str | None, as_json: bool, baselines: bool, **settings: Any
) -> None:
    """Score one model on every task by likelihood, without fine-tuning it.

    The heuristics are those of GPT-1's paper (§5): of several answers the one with the highest
    mean token log-probability. Other ways to normalise, and baselines, stand beside it. Scores and
    predictions are written to the results directory; what is finished is not scored again,
    but with --force.

    \b
    gpteval zeroshot --all --sample
    gpteval zeroshot --tasks race,copa --data-dir DATA --model mini
    gpteval zeroshot --tasks winograd --model hf:HuggingFaceTB/SmolLM2-135M
    """
    from gpteval.cli.progress import listener
    from gpteval.methods import zeroshot
    from gpteval.methods.baseline import fit_baselines
    from gpteval.methods.settings import BaselineConfig, ZeroshotConfig, settled
    from gpteval.plugins import registry

    if every == bool(tasks):
        raise click.UsageError("give --all, or --tasks NAMES")
    names = task_names(tasks or "all")
    progress, engine = listener(), settings.pop("launch")
    results = zeroshot.execute(settled(ZeroshotConfig, names, settings), progress, engine=engine)
    if baselines:
        shared = {name: settings[name] for name in SHARED}
        # Likelihoods need no training split.
        own = settled(BaselineConfig, names, shared)
        results.join(fit_baselines(own, progress, required=False, engine=engine))
    registry().run_finished(results)  # once, of all that the command made
    show_results(results, as_json=as_json)
    _, without = zeroshot.scorable(names)
    if without and not as_json:
        output.write(f"no heuristic: {', '.join(without)}\n")
    conclude(settings, results, new=progress.whole.begun)
