"""`gpteval probe`: what a model knows that is not trained any further."""

from __future__ import annotations

from typing import Any

import click

from gpteval.cli.options import (
    Tasks,
    UserPath,
    conclude,
    data_dir_option,
    force_option,
    json_option,
    limit_option,
    model_option,
    options_from,
    predict_option,
    results_option,
    sample_option,
    show_results,
    skip_missing_option,
    task_file_option,
)
from gpteval.config import Compute


@click.command()
@click.option(
    "--tasks",
    required=True,
    cls=Tasks,
    help="Names and groups, joined by commas: glue,race or all.",
)
@task_file_option
@model_option
@click.option(
    "--state",
    type=click.Choice(["mean", "last", "extract"]),
    default="mean",
    show_default=True,
    help="What is read of a text: the mean over its tokens, the state of its last one, or that of "
    "an untrained token behind the whole example.",
)
@click.option(
    "--layer",
    default="last",
    show_default=True,
    metavar="N|last|all|mix",
    help="States after so many layers (0: before the first), a probe for each, or ELMo's mix.",
)
@click.option(
    "--head",
    type=click.Choice(["linear", "l1", "neuron"]),
    default="linear",
    show_default=True,
    help="Of two labels also with an L1 penalty, or the best single unit alone.",
)
@click.option(
    "--vectors",
    type=UserPath(dir_okay=False),
    help="Word vectors (GloVe, word2vec, fastText's .vec): the mean over a text's words stands "
    "beside its state, as in CoVe.",
)
@data_dir_option
@sample_option
@limit_option
@skip_missing_option
@force_option
@results_option
@predict_option
@json_option
@options_from(Compute, "compute")
def command(*, as_json: bool, **settings: Any) -> None:
    """Fit linear heads on the states of a frozen model.

    Logistic regression (ridge regression where the labels are numbers) on the states of each text;
    of a pair u, v on [u, v, |u-v|, u·v], as InferSent and SentEval have it. The answers of a choice
    are read behind the question, and compared. The strength of the penalty is chosen by
    cross-validation on the training split; nothing else is looked at.

    Every text is read once, for all layers together; the states are kept for the next probe in
    GPTEVAL_CACHE. What is finished is not fitted again, but with --force.

    \b
    gpteval probe --tasks sst2,copa --sample
    gpteval probe --tasks sst2 --data-dir DATA --model mini --state last --layer all
    gpteval probe --tasks stsb --data-dir DATA --model hf:gpt2 --layer mix --vectors glove.txt
    """
    from gpteval.cli.progress import listener
    from gpteval.methods.probe import score_probes

    progress = listener()
    results = score_probes(progress=progress, **settings)
    show_results(results, as_json=as_json)
    conclude(settings, results, new=progress.whole.begun)
