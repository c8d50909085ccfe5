"""The main path: one model, fine-tuned and scored on every task asked for.

What is finished (same model, task version, rows, settings, seed) is not run again; a result is on
disk before the next task begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, product
from typing import TYPE_CHECKING, Any

from gpteval.config import task_names
from gpteval.errors import PluginError
from gpteval.methods.job import BACKWARD, Job, JobData, work
from gpteval.methods.settings import RunConfig
from gpteval.methods.unit import complete
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.records import Result
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.data.rows import Origin
    from gpteval.methods.session import Session


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
    results = execute(RunConfig(tasks=task_names(tasks), **settings), progress or Silent())
    if results:
        registry().run_finished(results)
    return results


def execute(config: RunConfig, progress: Progress, session: Session | None = None) -> list[Result]:
    """Find the model, check every row, then complete job by job, seed by seed.

    Args:
        config: What to run.
        progress: Told where the run stands.
        session: What a study's variants share; None for a run by itself.
    """
    tasks, without = trainable(config.tasks)
    # torch is imported from here on, when every name is known to be right.
    from gpteval.methods.finetune import Finetune
    from gpteval.methods.session import Session
    from gpteval.results.store import ResultStore
    from gpteval.weights.transfer import transfers

    alone = session is None
    session = session or Session(config, together=True)
    told = session.told(progress)
    for name, reason in without.items():
        told.say(f"{name} is left out: {reason}")
    with session.world.in_turn():  # what the first one downloads, the others find
        loaded = session.model(config.model_reference)
        begin_with = transfers(config.transfer_layers, loaded)
        jobs = plan(tasks, session.origin)
        for job in jobs:
            job.read(session)
    store = ResultStore(config.results_directory)
    results: list[Result] = []
    each = len(begin_with) * len(config.seeds)
    passes = config.config.epochs * (1 + BACKWARD)
    sizes = [work(job.read(session), passes) for job in jobs for _ in range(each)]
    number, noun = count(1), "task" if each == 1 else "fine-tuning"
    for job in jobs:
        share = config.config.branches == "shared"
        data = JobData(job, job.read(session), loaded, config.limit, share=share)
        data.seconds["load"] = session.loading(data.rows)
        for transfer, seed in product(begin_with, config.seeds):
            told.part(next(number), sizes, noun)
            results += complete(Finetune(data, config, seed, session, transfer), store, told)
        if alone:
            session.forget(data.rows)
    return results


def trainable(names: Sequence[str]) -> tuple[list[Task], dict[str, str]]:
    """The tasks of these names that something can be trained on, and why the others are none.

    Raises:
        UnknownNameError: A name that nobody registered.
        PluginError: One that was named by itself is none, or all are none.
    """
    reasons = {task.name: (task, untrainable(task)) for task in registry().select(names)}
    able = [task for task, reason in reasons.values() if not reason]
    without = {name: reason for name, (_, reason) in reasons.items() if reason}
    named = [name for name in without if name in names] or ([] if able else list(without))
    if named:
        raise PluginError(f"task {named[0]!r}: {without[named[0]]}")
    return able, without


def untrainable(task: Task) -> str:
    """Why nothing can be trained for a task; "" where something can."""
    trained = registry().tasks().get(task.train_task or task.name)
    if trained is None:
        return f"scored with a model of {task.train_task!r}, which no installed package registers"
    if "train" not in trained.source.splits:
        return "no training split; `gpteval zeroshot` may know a heuristic"
    if (task.kind, task.scale) != (trained.kind, trained.scale):
        return f"scored with a model of {trained.name!r}, which is of kind {trained.kind}"
    names = {label: task.label_map.get(label, label) for label in trained.labels}
    strange = next((label for label, name in names.items() if name not in task.labels), None)
    if strange is None:
        return ""
    return (
        f"scored with a model of {trained.name!r}, whose label {strange!r} is none of "
        f"{', '.join(task.labels)}: say in label_map what it is here"
    )


def plan(selected: Sequence[Task], rows_from: Origin) -> list[Job]:
    """One job per training task; a task with a `train_task` rides along with that one's model.

    Args:
        selected: Tasks that are `trainable`.
        rows_from: Says which splits there are.
    """
    from gpteval.data.rows import scored_splits

    riders: dict[str, list[tuple[Task, str]]] = {}
    for task in selected:
        splits = scored_splits(task, rows_from)
        riders.setdefault(task.train_task or task.name, []).extend((task, s) for s in splits)
    known = registry().tasks()
    return [Job(known[name], tuple(scored)) for name, scored in riders.items()]
