"""The hooks a plug-in may implement. Each says when it is called and shows a whole example.

A plug-in is a package with one entry point in the group `gpteval` that names a light module:

    [project.entry-points.gpteval]
    my-task = "gpteval_my_task"

The built-in tasks and models arrive through the same hooks (see `tasks/__init__.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from gpteval.metric import Metric
    from gpteval.model import ModelFamily
    from gpteval.records import Result
    from gpteval.task import Task

API_VERSION = 1
hookspec = pluggy.HookspecMarker("gpteval")
hookimpl = pluggy.HookimplMarker("gpteval")


@hookspec
def gpteval_register_tasks() -> Iterable[Task]:  # type: ignore[empty-body]
    """Return the tasks this package adds. Called once, when tasks are first asked for.

    Keep it light: no torch, no datasets.

        @gpteval.hookimpl
        def gpteval_register_tasks():
            from gpteval_my_task.polarity import POLARITY
            return [POLARITY]
    """


@hookspec
def gpteval_register_models() -> Iterable[ModelFamily]:  # type: ignore[empty-body]
    """Return the model families this package adds. Called once, when models are first asked for.

        @gpteval.hookimpl
        def gpteval_register_models():
            return [ModelFamily(name="rwkv", description="RWKV", load=load, prefix="rwkv:")]

    `load` imports torch itself, when it is called.
    """


@hookspec
def gpteval_register_metrics() -> Mapping[str, Metric]:  # type: ignore[empty-body]
    """Return metrics by name; a task names them in `Task.metrics`. Called when a split is scored.

    Example:
        @gpteval.hookimpl
        def gpteval_register_metrics():
            return {"balanced_accuracy": balanced_accuracy}
    """


@hookspec
def gpteval_register_commands(cli: click.Group) -> None:
    """Add commands to the `gpteval` command line. Called once, before arguments are parsed.

    Example:
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

    Example:
        @gpteval.hookimpl
        def gpteval_run_finished(results):
            for result in results:
                print(result.task, result.scores)
    """
