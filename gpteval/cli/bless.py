"""`gpteval bless`: results become what later ones are held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpteval.cli import output as stdout
from gpteval.cli.options import UserPath

if TYPE_CHECKING:
    from gpteval.results.pairing import Measurement


@click.command()
@click.argument("candidate", metavar="RESULTS", default="results")
@click.option(
    "--output",
    type=UserPath(dir_okay=False),
    required=True,
    help="The baseline file, for `gpteval check`; made to be kept in git.",
)
@click.option("--tasks", help="Only these: names and groups, joined by commas.")
def command(candidate: str, output: Path, tasks: str | None) -> None:
    """Write the scores and answers of RESULTS (see `gpteval compare`) to a baseline file.

    Says what changed against the file that is there, and keeps what `gpteval noise` put into it.

    \b
    gpteval bless results --output baseline.json
    gpteval bless runs@mini,finetune --tasks rte,sst2 --output baseline.json
    """
    from gpteval.api.compare import bless
    from gpteval.results.baseline import read_baseline

    earlier = read_baseline(output).measurements if output.exists() else ()
    blessed = bless(candidate, output, tasks)
    for line in _changes(earlier, blessed.measurements):
        stdout.show(line)


def _changes(before: Sequence[Measurement], after: Sequence[Measurement]) -> Iterator[str]:
    """What is new, gone or other than it was; the last line counts."""
    from gpteval.results.pairing import paired

    same = 0
    for old, new in paired(before, after, modes=True):
        if old and new and old.scores == new.scores and old.config == new.config:
            same += 1
        elif old and new:
            yield f"{_named(new)}: {_score(old)} → {_score(new)}"
        elif new:
            yield f"{_named(new)}: new, {_score(new)}"
        elif old:
            yield f"{_named(old)}: no longer there, was {_score(old)}"
    yield f"{len(after)} measurements blessed, {same} as before"


def _named(measurement: Measurement) -> str:
    return f"{measurement.task} {measurement.split} {measurement.entrant}"


def _score(measurement: Measurement) -> str:
    name = measurement.metrics[0]
    scores = [100 * own[name] for own in measurement.scores.values()]
    return f"{name} {sum(scores) / len(scores):.1f} ({len(scores)} seed{'s'[: len(scores) > 1]})"
