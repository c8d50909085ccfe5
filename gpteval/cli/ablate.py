"""`gpteval ablate`: what pre-training, the auxiliary loss, layers and settings are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gpteval.cli import output
from gpteval.cli.options import (
    UserPath,
    changes_from,
    chosen_seeds,
    conclude,
    json_option,
    options_from,
    suite_options,
)
from gpteval.config import FinetuneConfig, TrainingCompute

TABLE, FIGURE = "ablations", "layers"
"""Groups of the tasks that the paper shows."""


@click.command()
@click.option(
    "--tasks",
    help=f"Names and groups, joined by commas; default: those of the paper, the group {TABLE}, or "
    f"{FIGURE} with --layers.",
)
@suite_options
@click.option("--lstm", help="A pre-trained LSTM, for the table's last row.")
@click.option("--layers", is_flag=True, help="Transfer nothing, the embeddings, 1 … all layers.")
@click.option("--pieces", is_flag=True, help="Take the recipe's settings back, one at a time.")
@click.option(
    "--plot",
    "picture",
    type=UserPath(dir_okay=False),
    help="With --layers: draw the curve here (.png, .svg, .pdf), its points beside it (.jsonl).",
)
@json_option
@changes_from(FinetuneConfig, "changes")
@options_from(TrainingCompute, "compute")
def command(
    *,
    tasks: str | None,
    lstm: str | None,
    layers: bool,
    pieces: bool,
    picture: Path | None,
    as_json: bool,
    seed: int,
    seeds: int,
    **settings: Any,
) -> None:
    """Ask what pre-training, the auxiliary loss, layers and settings are worth.

    Fine-tunes the model as it is, with fresh weights, and without the auxiliary loss, and puts the
    scores beside the paper's table 5; with --lstm a pre-trained LSTM too. With --layers it
    transfers ever more layers, as in figure 2 (left). With --pieces it fine-tunes by the recipe,
    by the paper's, and with each setting in which they differ as the paper's, and compares them on
    the same examples. Each is an ordinary run: what is finished is
    not run again, and `gpteval leaderboard` shows it in rows of its own.

    \b
    gpteval ablate --sample --tasks sst2,rte
    gpteval pretrain BOOKS --output my-lstm --preset lstm-mini
    gpteval ablate --model mini --lstm my-lstm/model --data-dir DATA
    gpteval ablate --layers --tasks sst2 --sample --plot layers.png
    gpteval ablate --pieces --recipe ulmfit --tasks rte --sample --seeds 3
    """
    if picture is not None and not layers:
        raise click.UsageError("--plot draws the curve of --layers: give both")
    if lstm is not None and layers:
        raise click.UsageError("--lstm is a row of the table, which --layers leaves out")
    if pieces and (layers or lstm is not None):
        raise click.UsageError("--pieces is a study of its own: leave out --layers and --lstm")
    settings["seeds"] = chosen_seeds(seed, seeds)
    if pieces:
        _pieces(tasks or TABLE, as_json, settings)
    elif layers:
        _layers(tasks or FIGURE, picture, as_json, settings)
    else:
        _table(tasks or TABLE, lstm, as_json, settings)


def _table(tasks: str, lstm: str | None, as_json: bool, settings: dict[str, Any]) -> None:
    from gpteval.cli.progress import listener
    from gpteval.compute.processes import rank
    from gpteval.methods.outcome import Results
    from gpteval.report.ablations import AblationTable
    from gpteval.studies.ablate import ablate

    progress = listener()
    rows = ablate(tasks, lstm=lstm, progress=progress, **settings)
    if rank():
        return  # the first of several processes has the results
    table = AblationTable(rows)
    if as_json:
        output.show_json(*table.json_rows())
    else:
        output.show(table)
    conclude(settings, Results.joined(rows.values()), new=progress.whole.begun)


def _pieces(tasks: str, as_json: bool, settings: dict[str, Any]) -> None:
    from gpteval.cli.progress import listener
    from gpteval.compute.processes import rank
    from gpteval.methods.outcome import Results
    from gpteval.report.pieces import PiecesTable, json_rows
    from gpteval.studies.ablate import ablate_pieces

    progress = listener()
    rows, pieces = ablate_pieces(tasks, progress=progress, **settings)
    if rank():
        return
    if as_json:
        output.show_json(*json_rows(pieces))
    else:
        output.show(PiecesTable(pieces))
    conclude(settings, Results.joined(rows.values()), new=progress.whole.begun)


def _layers(tasks: str, picture: Path | None, as_json: bool, settings: dict[str, Any]) -> None:
    from gpteval.cli.progress import listener
    from gpteval.compute.processes import rank
    from gpteval.report.layers import LayersTable, check_plot, json_rows, plot, points
    from gpteval.studies.ablate import ablate_layers

    if picture is not None:
        check_plot(picture)
    progress = listener()
    results, layers = ablate_layers(tasks, progress=progress, **settings)
    if rank():
        return
    line = points(results, layers)
    if picture is not None:
        plot(line, picture, f"{results[0].model}, recipe {results[0].recipe}")
    if as_json:
        output.show_json(*json_rows(line))
    else:
        output.show(LayersTable(line))
    conclude(settings, results, new=progress.whole.begun)
