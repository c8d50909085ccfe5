"""`gpteval noise`: how much a score moves with the seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gpteval.cli import output
from gpteval.cli.options import (
    UserPath,
    changes_from,
    chosen_seeds,
    conclude,
    options_from,
    suite_options,
)
from gpteval.config import Compute, FinetuneConfig, task_names
from gpteval.errors import ConfigError


@click.command()
@click.option("--tasks", required=True, help="Names and groups, joined by commas.")
@click.option(
    "--baseline",
    type=UserPath(dir_okay=False),
    help="Baseline file to put it into, for `gpteval check`; `gpteval bless` makes it.",
)
@suite_options
@changes_from(FinetuneConfig, "changes")
@options_from(Compute, "compute")
def command(*, tasks: str, baseline: Path | None, seed: int, seeds: int, **settings: Any) -> None:
    """Fine-tune with several seeds and say how much every score moves with them.

    With --baseline that is kept for `gpteval check`, which then knows what another seed would do
    where there is one run alone. The runs are ordinary ones: what is finished is not run again.

    \b
    gpteval noise --tasks rte,mrpc --seeds 5 --sample --baseline baseline.json
    """
    from gpteval.cli.progress import listener
    from gpteval.compute.processes import rank
    from gpteval.methods.run import run
    from gpteval.methods.settings import RunConfig
    from gpteval.results.baseline import read_baseline, write_baseline
    from gpteval.results.pairing import measurements
    from gpteval.results.store import ResultStore
    from gpteval.studies.noise import noise

    config = RunConfig(tasks=task_names(tasks), **settings)
    if seeds < 2:
        raise ConfigError(f"--seeds {seeds}: noise is between runs, give at least 2, better 5")
    before = read_baseline(baseline) if baseline else None
    progress = listener()
    results = run(tasks, seeds=chosen_seeds(seed, seeds), progress=progress, **settings)
    if rank():
        return  # the first of several processes has the results
    found = noise(measurements(ResultStore(config.results_directory), results))
    for place, measured in found.items():
        task, split, metric = place.rsplit("/", 2)
        output.show(f"{task} {split} {metric}: ±{100 * measured.deviation:.1f} over "
                   f"{measured.seeds} seeds")  # fmt: skip
    if baseline and before:
        write_baseline(baseline, replace(before, noise={**before.noise, **found}))
    conclude(settings, results, new=progress.whole.begun)
