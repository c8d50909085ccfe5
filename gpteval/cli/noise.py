"""`gpteval noise`: how much a score moves with the seed."""

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
    options_from,
    suite_options,
)
from gpteval.config import FinetuneConfig, TrainingCompute


@click.command()
@click.option("--tasks", required=True, help="Names and groups, joined by commas.")
@click.option(
    "--baseline",
    type=UserPath(dir_okay=False),
    help="Baseline file to put it into, for `gpteval check`; `gpteval bless` makes it.",
)
@suite_options
@changes_from(FinetuneConfig, "changes")
@options_from(TrainingCompute, "compute")
def command(*, tasks: str, baseline: Path | None, seed: int, seeds: int, **settings: Any) -> None:
    """Fine-tune with several seeds and say how much every score moves with them.

    With --baseline that is kept for `gpteval check`, which then knows what another seed would do
    where there is one run alone. The runs are ordinary ones: what is finished is not run again.

    \b
    gpteval noise --tasks rte,mrpc --seeds 5 --sample --baseline baseline.json
    """
    from gpteval.api.measure import seed_noise
    from gpteval.cli.progress import listener
    from gpteval.compute.processes import rank

    progress = listener()
    settings |= {"seeds": chosen_seeds(seed, seeds), "baseline": baseline}
    found, results = seed_noise(tasks, progress=progress, **settings)
    if rank():
        return  # the first of several processes has the results
    for place, measured in found.items():
        task, split, metric = place.rsplit("/", 2)
        output.show(f"{task} {split} {metric}: ±{100 * measured.deviation:.1f} over "
                   f"{measured.seeds} seeds")  # fmt: skip
    conclude(settings, results, new=progress.whole.begun)
