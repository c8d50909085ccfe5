"""A whole gpteval plug-in: a task with its reader and sample, a metric, suite, recipe, command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from gpteval import Example, FinetuneConfig, Metric, Row, Source, Split, Suite, Task, hookimpl


def example(row: Row) -> Example:
    """A sentence and whether it affirms or denies."""
    return Example.single(row, row["sentence"])


def read(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """A file of our own layout: `label | sentence` on every line."""
    for line, text in enumerate(path.read_text("utf-8").splitlines(), start=1):
        label, _, sentence = text.partition("|")
        yield line, {"label": label.strip(), "sentence": sentence.strip()}


POLARITY = Task(
    name="polarity",
    version=1,
    kind="classify",
    labels=("denies", "affirms"),
    metrics=("agreement", "accuracy"),
    groups=("toy",),
    source=Source(
        hub="",
        reader=read,
        columns=("sentence",),
        splits={
            "train": Split(rows=64, files=("polarity/train.txt",)),
            "dev": Split(rows=16, files=("polarity/dev.txt",)),
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
    """Cohen's kappa: agreement beyond chance; 0 where all are of one label, and it is undefined."""
    from sklearn.metrics import cohen_kappa_score

    if len({*labels, *predictions}) == 1:
        return 0.0
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


@hookimpl
def gpteval_register_suites() -> list[Suite]:
    """Ours beside one of the built-in tasks."""
    return [Suite("pair", {"polarity": ("agreement",), "sst2": ("accuracy",)}, title="Pair")]


@hookimpl
def gpteval_register_recipes() -> dict[str, FinetuneConfig]:
    """One pass at a high rate."""
    return {"hasty": FinetuneConfig(lr=1e-3, epochs=1, batch_size=8)}
