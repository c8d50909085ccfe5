"""`gpteval run`: the main job."""

from __future__ import annotations

from typing import Any

import click

from gpteval.cli.options import (
    DIRECTORY,
    Command,
    Tasks,
    changes_from,
    chosen_seeds,
    conclude,
    json_option,
    launch_option,
    options_from,
    predict_option,
    show_results,
    suite_options,
    task_file_option,
)
from gpteval.cli.run_file import asked, run_file_argument
from gpteval.config import ALL, NOTHING, FinetuneConfig, Sharing


def run_options(command: Command) -> Command:
    """Add what says which fine-tunings are meant, to make them or to plan them."""
    decorators = (
        run_file_argument,
        click.option(
            "--tasks",
            required=True,
            cls=Tasks,
            help="Names, groups and patterns, joined by commas: glue,race, 'mnli*' or all.",
        ),
        task_file_option,
        suite_options,
        click.option(
            "--transfer-layers",
            metavar="LAYERS",
            help="Layers of the pre-trained model to keep beside its embeddings, the rest drawn "
            "afresh: a number, all or none; several (0..4 or 0,2,4) are one run each.",
        ),
        click.option(
            "--no-pretraining", is_flag=True, help="The same shape with fresh weights only."
        ),
        click.option(
            "--no-aux-lm", is_flag=True, help="Without the auxiliary loss: --lm-weight 0."
        ),
        click.option(
            "--save-model",
            type=DIRECTORY,
            help="Keep the fine-tuned model in this directory, for `gpteval predict`; of several "
            "each in one below it.",
        ),
        predict_option,
        json_option,
        changes_from(FinetuneConfig, "changes"),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


@click.command()
@run_options
@options_from(Sharing, "compute")
@launch_option
def command(*, as_json: bool, **options: Any) -> None:
    """Fine-tune one model on every task and score it.

    Every task gets a fresh copy of the model and the same recipe. Scores, predictions and all that
    they depend on are written to the results directory; what is finished is not run again, but with
    --force.
    torchrun shares every batch and every scored split among processes: the losses are those of one
    process, but for rounding and dropout.

    FILE is a whole run in TOML: options by their long names (tasks = ["rte", "cola"], model =
    "mini", lr = 1e-4), of which those typed too are as typed. Records carry it.

    \b
    gpteval run --tasks glue,race --sample
    gpteval run --tasks rte,cola --data-dir DATA --model mini --seeds 3
    gpteval run --task-file irony.toml --model mini   # a task of your own
    gpteval run my-run.toml --seed 1                  # options from a file, but for the seed
    gpteval run --tasks rte --sample --save-model my-rte   # then: gpteval predict my-rte new.csv
    gpteval run --tasks all --model openai-gpt        # rows and weights from the hub
    gpteval run --tasks glue --model mini --predict   # test sets too: see `gpteval submit`
    gpteval run --tasks rte --sample --no-pretraining # what the weights are worth
    gpteval run --tasks rte --sample --transfer-layers 0..4   # and each layer of them
    gpteval run --tasks all --seeds 5 --launch local:8   # eight units at once; ray, slurm too
    On eight GPUs; on two machines of eight, with a directory that both can write; by Slurm:
    torchrun --standalone --nproc-per-node 8 -m gpteval run --tasks all
    torchrun --standalone --nproc-per-node 8 -m gpteval run --shard --tasks all --model hf:LARGE
    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d \\
        --rdzv-endpoint FIRST:29500 -m gpteval run --tasks all --results SHARED
    srun --nodes 2 --ntasks-per-node 1 torchrun --nnodes 2 …  (the same)
    """
    from gpteval.cli.progress import listener
    from gpteval.compute.processes import rank
    from gpteval.methods.run import run

    settings, progress = chosen(**options), listener()
    results = run(progress=progress, engine=settings.pop("launch"), **settings)
    if not rank():
        show_results(results, as_json=as_json)
        conclude(settings, results, new=progress.whole.begun)


def chosen(
    *,
    seed: int,
    seeds: int,
    transfer_layers: str | None,
    no_pretraining: bool,
    no_aux_lm: bool,
    **settings: Any,
) -> dict[str, Any]:
    """What the options say, by the names of `RunConfig`.

    Raises:
        click.UsageError: Two that say the same.
    """
    if no_pretraining and transfer_layers:
        raise click.UsageError("--no-pretraining is --transfer-layers none: give one of them")
    if no_aux_lm and settings["changes"].setdefault("lm_weight", 0.0):
        raise click.UsageError("--no-aux-lm is --lm-weight 0: give one of them")
    settings["transfer_layers"] = NOTHING if no_pretraining else transfer_layers or ALL
    settings["run_file"] = asked(click.get_current_context())
    return settings | {"seeds": chosen_seeds(seed, seeds)}
