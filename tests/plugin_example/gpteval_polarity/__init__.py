"""A whole gpteval plug-in: one task with its bundled sample, one metric, one command."""

from __future__ import annotations

import click

from gpteval import Example, Metric, Row, Source, Split, Task, hookimpl


def example(row: Row) -> Example:
    """A sentence and whether it affirms or denies."""
    return Example.single(row, row["sentence"])


POLARITY = Task(
    name="polarity",
    version=1,
    kind="classify",
    labels=("denies", "affirms"),
    metrics=("agreement", "accuracy"),
    groups=("toy",),
    source=Source(
        hub="",
        reader="jsonl",
        columns=("sentence",),
        splits={
            "train": Split(rows=64, files=("polarity/train.jsonl",)),
            "dev": Split(rows=16, files=("polarity/dev.jsonl",)),
        },
        sample="gpteval_polarity:sample",
    ),
    example=example,
    title="Does a sentence affirm or deny?",
)


@hookimpl
def gpteval_register_tasks() -> list[Task]:
    """The one task."""
    return [POLARITY]


def agreement(labels: list[str], predictions: list[str], names: tuple[str, ...]) -> float:
    """Cohen's kappa: agreement beyond chance."""
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(labels, predictions, labels=names))


@hookimpl
def gpteval_register_metrics() -> dict[str, Metric]:
    """The metric that `POLARITY` names first."""
    return {"agreement": Metric("agreement", agreement, "Cohen's kappa", lower=-1.0)}


@hookimpl
def gpteval_register_commands(cli: click.Group) -> None:
    """A command of our own."""

    @cli.command()
    def polarity() -> None:
        """Say what this plug-in is for."""
        click.echo("affirms or denies")
