"""`gpteval neuron`: the one unit of a frozen model that tells a task's labels apart best."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gpteval.cli import output as stdout
from gpteval.cli.options import (
    UserPath,
    conclude,
    data_dir_option,
    force_option,
    json_option,
    limit_option,
    model_option,
    options_from,
    results_option,
    sample_option,
)
from gpteval.config import Compute


@click.command()
@click.option("--task", required=True, help="A task of two labels and one text: sst2.")
@model_option
@click.option(
    "--state",
    type=click.Choice(["mean", "last"]),
    default="mean",
    show_default=True,
    help="What is read of a text: the mean over its tokens, or the state of its last one.",
)
@click.option(
    "--layer",
    default="last",
    show_default=True,
    metavar="N|last",
    help="Units of the states after so many layers, 0: before the first.",
)
@click.option(
    "--text",
    "texts",
    multiple=True,
    help="A text to read token by token; may be given several times.",
)
@click.option(
    "--output",
    type=UserPath(dir_okay=False),
    help="Write a page to this file, .html: scores, a histogram, coloured texts.",
)
@data_dir_option
@sample_option
@limit_option
@force_option
@results_option
@json_option
@options_from(Compute, "compute")
def command(
    *, task: str, texts: tuple[str, ...], output: Path | None, as_json: bool, **settings: Any
) -> None:
    """Find the unit of a frozen model whose threshold tells two labels apart best.

    As Radford et al. (2017) found the sentiment neuron. The unit and its threshold are learnt on
    the training split; beside its score stands that of a head over all units, with an L1 penalty.
    Both are probes, kept with other results. Its values by label are drawn on the page, and texts
    are coloured by it: those given, and those of the scored split where it is lowest and highest.

    \b
    gpteval neuron --task sst2 --sample --text "A gorgeous film."
    gpteval neuron --task sst2 --data-dir DATA --model mini --layer 3 --output neuron.html
    """
    from gpteval.api.measure import draw_neuron
    from gpteval.cli.progress import listener
    from gpteval.report.neuron import NeuronTable

    progress = listener()
    found, results = draw_neuron(task, texts, output, progress, settings)
    if as_json:
        stdout.show_json(asdict(found))
    else:
        stdout.show(NeuronTable(found))
    if output:
        stdout.tell(output)
    conclude(settings, results, new=progress.whole.begun)
