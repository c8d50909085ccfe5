"""The hooks a plug-in may implement. Each says when it is called and shows a whole example.

A plug-in is a package with one entry point in the group `gpteval` that names a light module:

    [project.entry-points.gpteval]
    my-task = "gpteval_my_task"

The built-in tasks and models arrive through the same hooks (see `tasks/__init__.py`). A module may
say `GPTEVAL_API = 1`, the API it is written for: where this gpteval has another, its user is told
so before the import fails on a name that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from gpteval.config import FinetuneConfig
    from gpteval.metric import Metric
    from gpteval.model import ModelFamily
    from gpteval.records import Result
    from gpteval.task import Suite, Task

API_VERSION = 1
"""Raised whenever plug-ins may use what an earlier gpteval has not."""

OLDEST_API = 1
"""Raised whenever plug-ins of an earlier API would no longer work."""

hookspec = pluggy.HookspecMarker("gpteval")
hookimpl = pluggy.HookimplMarker("gpteval")


@hookspec
def gpteval_register_tasks() -> Iterable[Task]:  # type: ignore[empty-body]
    """Return the tasks this package adds. Called once, when tasks are first asked for.

    Keep it light: no torch, no datasets.

    Example:
        import gpteval

        POLARITY = gpteval.Table(
            "polarity", "text", labels=("denies", "affirms"), files={"dev": "polarity.csv"}
        )

        @gpteval.hookimpl
        def gpteval_register_tasks():
            return [POLARITY.task()]
    """


@hookspec
def gpteval_register_models() -> Iterable[ModelFamily]:  # type: ignore[empty-body]
    """Return the model families this package adds. Called once, when models are first asked for.

    Example:
        import gpteval

        def load(reference):
            from my_package.rwkv import load_rwkv  # which imports torch: now, not before

            return load_rwkv(reference)

        @gpteval.hookimpl
        def gpteval_register_models():
            return [gpteval.ModelFamily("rwkv", "RWKV", load, prefix="rwkv:")]
    """


@hookspec
def gpteval_register_metrics() -> Mapping[str, Metric] | Iterable[Metric]:  # type: ignore[empty-body]
    """Return metrics; a task names them in `Task.metrics`. Called when one is first looked up.

    Metrics, or by name plain functions of gold labels, predictions and the task's label names.

    Example:
        import gpteval

        def agreement(labels, predictions, task_labels):
            "Share of examples on which both say the same."
            return sum(a == b for a, b in zip(labels, predictions)) / len(labels)

        @gpteval.hookimpl
        def gpteval_register_metrics():
            return {"agreement": agreement}
    """


@hookspec
def gpteval_register_suites() -> Iterable[Suite]:  # type: ignore[empty-body]
    """Return suites: tasks whose scores are averaged into one. Called when a table is made.

    Example:
        import gpteval

        @gpteval.hookimpl
        def gpteval_register_suites():
            members = {"snli": ("accuracy",), "rte": ("accuracy",)}
            return [gpteval.Suite("nli", members, title="NLI")]
    """


@hookspec
def gpteval_register_recipes() -> Mapping[str, FinetuneConfig]:  # type: ignore[empty-body]
    """Return recipes by name, for `--recipe`. Called when one is first looked up.

    Example:
        import gpteval

        @gpteval.hookimpl
        def gpteval_register_recipes():
            return {"long": gpteval.FinetuneConfig(lr=3e-5, epochs=10, warmup=0.1)}
    """


@hookspec
def gpteval_register_commands(cli: click.Group) -> None:
    """Add commands to the `gpteval` command line. Called once, before arguments are parsed.

    `cli` is a group of the package's own, whose commands stand beside the built-in ones; one of a
    built-in's name, or of another package's, is reached as package/name.

    Example:
        import click
        import gpteval

        @gpteval.hookimpl
        def gpteval_register_commands(cli):
            @cli.command()
            def hello():
                "Say hello."
                click.echo("hello")
    """


@hookspec
def gpteval_run_finished(results: Sequence[Result]) -> None:
    """Called at the end of a run with all its results, after they are on disk.

    What it prints goes nowhere: standard output is for results. Write to a file or a server. A
    result of a split whose labels are private (`--predict`) has predictions and no scores.

    Example:
        import gpteval

        @gpteval.hookimpl
        def gpteval_run_finished(results):
            with open("scores.txt", "a") as file:
                for result in results:
                    print(result.task, result.scores, file=file)
    """
