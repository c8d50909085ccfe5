"""The main path: one model, fine-tuned and scored on every task asked for.

What is finished (same model, task version, rows, settings, seed) is not run again; a result is on
disk before the next task begins.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from gpteval.config import RunConfig, task_names
from gpteval.errors import PluginError
from gpteval.methods.finetune import Fitting
from gpteval.methods.job import Job, JobData
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.records import Result
from gpteval.task import Task
from gpteval.weights.transfer import transfers

if TYPE_CHECKING:
    from gpteval.data.rows import Origin


def run(
    tasks: str | Iterable[str], *, progress: Progress | None = None, **settings: Any
) -> list[Result]:
    """Fine-tune and score one model on every task asked for.

    Args:
        tasks: Names or groups, as a list or joined by commas ("glue,race").
        progress: Told where the run stands.
        settings: Fields of `RunConfig`: model, data_dir, sample, recipe, changes, seeds, limit,
            results, compute, transfer_layers.

    Returns:
        A result per task, split, number of layers transferred and seed, earlier finished ones
        among them. Of several processes that `torchrun` started, the first returns them, the
        others none.

    Raises:
        GptevalError: Anything the user can mend, before the first task begins where possible.
    """
    return execute(RunConfig(tasks=task_names(tasks), **settings), progress or Silent())


def execute(config: RunConfig, progress: Progress) -> list[Result]:
    """Find the model, check every row, then train and score job by job, seed by seed."""
    tasks = registry().select(config.tasks)
    # torch is imported from here on, when every name is known to be right.
    from gpteval.compute.device import resolve
    from gpteval.compute.distributed import join
    from gpteval.data.rows import origin
    from gpteval.results.store import ResultStore
    from gpteval.weights.load import load_model

    world, machine = join(resolve(config.compute))
    told = progress if world.first else Silent()
    with world.in_turn():  # what the first one downloads, the others find
        began = time.perf_counter()
        loaded = load_model(config.model_reference)
        begin_with = transfers(config.transfer_layers, loaded)
        loading = time.perf_counter() - began
        rows_from = origin(config.data_dir, config.sample)
        jobs = plan(tasks, rows_from)
        for job in jobs:
            job.read(rows_from, config.limit)
    store = ResultStore(config.results_directory)
    results: list[Result] = []
    for job in jobs:
        began = time.perf_counter()
        rows = job.read(rows_from, config.limit)
        reading = time.perf_counter() - began
        share = config.config.branches == "shared"
        data = JobData(job, rows, loaded, config.limit, loading + reading, share=share)
        for transfer, seed in product(begin_with, config.seeds):
            fitting = Fitting(data, config, seed, machine, transfer, world)
            results += fitting.results(store, told)
    if world.first:
        registry().run_finished(results)
    return results


def plan(selected: Sequence[Task], rows_from: Origin) -> list[Job]:
    """One job per training task; a task with a `train_task` rides along with that one's model.

    Raises:
        PluginError: A task is scored with the model of a task that nobody registered.
    """
    from gpteval.data.rows import scored_splits

    known = registry().tasks()
    riders: dict[str, list[tuple[Task, str]]] = {}
    for task in selected:
        name = task.train_task or task.name
        if name not in known:
            raise PluginError(
                f"task {task.name!r} is scored with a model fine-tuned on {name!r}, "
                "which no installed package registers"
            )
        riders.setdefault(name, []).extend((task, s) for s in scored_splits(task, rows_from))
    return [Job(known[name], tuple(scored)) for name, scored in riders.items()]
