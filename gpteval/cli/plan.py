"""`gpteval plan`: what a run will take, before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from gpteval.cli import output
from gpteval.cli.options import end, options_from
from gpteval.cli.run import chosen, run_options
from gpteval.config import TrainingCompute

if TYPE_CHECKING:
    from gpteval.studies.plan import Planned

NUMBERS = ("seed", "updates", "tokens", "FLOPs", "time", "memory", "disk")


@click.command()
@run_options
@options_from(TrainingCompute, "compute")
@click.option("--budget", metavar="TIME", help="Say what fits into a time: 2h, 90m, 1h30m.")
def command(*, as_json: bool, budget: str | None, **options: Any) -> None:
    """List what a run will take, without making it: its words, with plan in place of run.

    Every fine-tuning has a line: updates, tokens and FLOPs are counted on the run's own batches;
    time is told from a few real updates and predictions of every task on this device, which take
    some seconds a task (kept for a day), and memory from shapes. Disk is what the predictions take,
    the model if it is kept, and the unfinished state, of which there is one at a time. What is
    finished costs nothing; zero-shot scoring and baselines are not in it.

    --budget marks what fits, the shortest tasks first: so the most is finished, and the same run
    goes on with the rest another time.

    \b
    gpteval plan --tasks all --sample --seeds 5
    gpteval plan --tasks glue --data-dir DATA --model mini --budget 2h
    gpteval plan my-run.toml
    """
    from gpteval.cli.progress import listener
    from gpteval.methods.settings import RunConfig, settled
    from gpteval.studies.plan import plan

    settings = chosen(**options)
    config = settled(RunConfig, settings.pop("tasks"), settings)
    planned, left_out = plan(config, listener(), budget)
    if as_json:
        output.show_json(*map(asdict, planned))
    else:
        _print(planned, budget)
    end(left_out, failed=bool(left_out))


def _print(planned: Sequence[Planned], budget: str | None) -> None:
    """A table of one line per fine-tuning and of what they are together."""
    from gpteval.report.table import listing
    from gpteval.studies.plan import totals

    rows, task = [], ""
    for own in planned:
        rows.append((own.task if own.task != task else "", *_cells(own, budget)))
        task = own.task
    left = totals(planned)
    rows.append(("in all", "", *_cells(left, None)[1:]))
    if budget:
        fitting = [own for own in planned if own.fits]
        said = f"{len(fitting)} of {len(planned)} fit into {budget}"
        rows.append((said, "", *_cells(totals(fitting), None)[1:]))
    state = ("fits",) if budget else ()
    output.show(listing(("task", *NUMBERS, "", *state), rows, right=NUMBERS))


def _cells(own: Planned, budget: str | None) -> tuple[str, ...]:
    from gpteval.report.costs import short
    from gpteval.text import duration

    fits = ("yes" if own.fits else "no",) if budget else ()
    if own.finished:
        return (str(own.seed), *("–" for _ in NUMBERS[1:]), f"{own.label} finished".strip(), *fits)
    disk = own.predictions_bytes + own.model_bytes + own.state_bytes
    return (
        str(own.seed),
        f"{own.updates:,}",
        short(own.tokens + own.evaluated_tokens),
        short(own.train_flops + own.evaluate_flops),
        duration(own.seconds),
        f"{short(own.peak_memory_bytes)}B",
        f"{short(disk)}B",
        own.label,
        *fits,
    )
