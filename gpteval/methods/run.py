"""The main path: one model, fine-tuned and scored on every task asked for.

What is finished (same model, task version, rows, settings, seed) is not run again; a result is on
disk before the next task begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count, product
from typing import TYPE_CHECKING, Any

from gpteval.data.raw import AbsentError
from gpteval.errors import DataError, PluginError
from gpteval.methods.job import Job, JobData
from gpteval.methods.order import (
    Engine,
    Order,
    Sent,
    Shape,
    carried,
    refuse_unsendable,
    sent_config,
    sized,
)
from gpteval.methods.outcome import Asked, Results
from gpteval.methods.settings import RunConfig, settled
from gpteval.methods.unit import complete
from gpteval.paths import file_name, user_path
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.records import Result
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.data.rows import Origin
    from gpteval.methods.finetune import Finetune
    from gpteval.methods.session import Session
    from gpteval.model import Loaded
    from gpteval.results.store import ResultStore
    from gpteval.weights.transfer import Transfer

STATE = 4
"""Times its weights that the state of an unfinished training takes: best weights, two moments."""


def run(
    tasks: str | Task | Iterable[str | Task],
    *,
    progress: Progress | None = None,
    engine: Engine | None = None,
    **settings: Any,
) -> Results:
    """Fine-tune and score one model on every task asked for.

    Args:
        tasks: Names or groups, as a list or joined by commas ("glue,race").
        progress: Told where the run stands.
        engine: Computes the units elsewhere, several at once; None: one after another, here.
        settings: Fields of `RunConfig`: model, data_dir, sample, recipe, changes, seeds, limit,
            force, results, compute, transfer_layers, predict.

    Returns:
        A result per task, split, number of layers transferred and seed, earlier finished ones
        among them. Of several processes that `torchrun` started, the first returns them, the
        others none. `left_out` names the tasks of a group whose data can't be used.

    Raises:
        GptevalError: Anything the user can mend, before the first task begins where possible.
    """
    results = execute(settled(RunConfig, tasks, settings), progress or Silent(), engine=engine)
    if results:
        registry().run_finished(results)
    return results


def execute(
    config: RunConfig,
    progress: Progress,
    session: Session | None = None,
    engine: Engine | None = None,
) -> Results:
    """Find the model, check every row, then complete job by job, seed by seed.

    Args:
        config: What to run.
        progress: Told where the run stands.
        session: What a study's variants share; None for a run by itself.
        engine: Who computes the units; None: this process.
    """
    tasks, without = trainable(config.tasks)
    if engine is not None:
        refuse_unsendable(config, tasks)
    # torch is imported from here on, when every name is known to be right.
    from gpteval.methods.session import Session
    from gpteval.results.store import ResultStore
    from gpteval.weights.load import refuse_unsavable
    from gpteval.weights.transfer import transfers

    alone = session is None
    session = session or Session(config, together=engine is None)
    told = session.told(progress)
    for name, reason in without.items():
        told.say(f"{name} is left out: {reason}")
    store = ResultStore(config.results_directory)
    asked = Asked(config.tasks, told, skip_missing=config.skip_missing)
    with session.world.in_turn():  # what the first one downloads, the others find
        loaded = session.model(config.model_reference)
        variants = list(product(transfers(config.transfer_layers, loaded), config.seeds))
        if config.save_model is not None:
            refuse_unsavable(loaded)
        store.prepare(STATE * sum(p.nbytes for p in loaded.model.parameters()))
        jobs = ready(tasks, config, session, asked)
        trained = {task.train_task or task.name for task in tasks}
        several = len(trained) * len(variants) > 1
        made = partial(unit, config, session, several)
        for data, (transfer, seed) in product(jobs, variants):
            made(data, transfer, seed).check()
    asked.refuse_none(jobs)
    if engine is not None:
        sent = _sent([made(data, *own) for data, own in product(jobs, variants)], several, store)
        return asked.results(carried(sent, engine, store, asked, again=config.force))
    results: list[Result] = []
    sizes = [data.work(config.config.epochs) for data in jobs for _ in variants]
    number, noun = count(1), "task" if len(variants) == 1 else "fine-tuning"
    while jobs:
        data = jobs.pop(0)
        for transfer, seed in variants:
            told.part(next(number), sizes, noun)
            with asked.attempt(*data.job.tasks):
                results += complete(made(data, transfer, seed), store, told, again=config.force)
        if alone:
            session.forget(data.rows)
    asked.refuse_none(results)
    return asked.results(results)


def ready(
    tasks: Sequence[Task], config: RunConfig, session: Session, asked: Asked
) -> list[JobData]:
    """The jobs of a run, every row of them read and found fit for the model.

    Args:
        tasks: Those of the tasks asked for that are `trainable`.
        config: What to run.
        session: Has the model, and reads the rows.
        asked: Takes note of the tasks that have to be left out.

    Raises:
        DataError: Rows of a task that was named by itself can't be used.
    """
    loaded = session.model(config.model_reference)
    predicts = partial(_predicts, config, session, asked.progress)
    planned = plan(tasks, session.origin, predicts)
    return [data for job in planned if (data := _usable(job, config, session, loaded, asked))]


def _sent(units: Sequence[Finetune], several: bool, store: ResultStore) -> list[Sent]:
    """The units of a run as orders; of `several` each keeps its model apart."""
    orders, shapes = list[Sent](), list[tuple[Shape, float]]()
    for own in units:
        job, config = own.job, own.config
        details = {
            "task": job.task.name,
            "scored": [(task.name, split) for task, split in job.scored],
            "layers": own.transfer.layers,
            "seed": own.seed,
            "several": several,
        }
        order = Order(own.title, own.mode, sent_config(config), details)
        orders.append(Sent(order, own))
        facts, epochs = own.facts(*job.scored[-1]), config.config.epochs
        origin, limit = facts["data"].origin, facts["data"].limit
        where, name = facts["device"], job.scored[-1][0].name
        shape = Shape(own.mode, name, where, facts["parameters"], origin, limit, epochs)
        shapes.append((shape, own.data.work(epochs)))
    return sized(orders, shapes, store)


def unit(
    config: RunConfig,
    session: Session,
    several: bool,
    data: JobData,
    transfer: Transfer,
    seed: int,
) -> Finetune:
    """One fine-tuning of a run; of `several` each keeps its model in a directory of its own."""
    from gpteval.methods.finetune import Finetune

    place = None if config.save_model is None else user_path(config.save_model)
    if place is not None and several:
        words = [file_name(data.job.task.name), *transfer.label.split()]
        words += [f"seed{seed}"] if len(config.seeds) > 1 else []
        place /= "-".join(words)
    return Finetune(data, config, seed, session, transfer, place)


def _predicts(config: RunConfig, session: Session, told: Progress, task: Task, split: str) -> bool:
    """Whether a split whose labels are private is asked for, and there: if not, it is told."""
    if not config.predict:
        return False
    try:
        session.rows(task, split)
    except AbsentError as error:
        told.say(f"{task.name} {split} is not predicted: {error}")
        return False
    return True


def _usable(
    job: Job, config: RunConfig, session: Session, loaded: Loaded, asked: Asked
) -> JobData | None:
    """A job's data, every row of it encoded once, without the tasks that had to be left out."""
    with suppress(DataError):
        data = data_of(job, config, session, loaded)
        data.check()
        return data
    # Something can't be used: which task's?
    usable: list[JobData] = []
    for task in job.tasks:
        own = Job(job.task, tuple(pair for pair in job.scored if pair[0] is task))
        with asked.attempt(task):
            data = data_of(own, config, session, loaded)
            data.check()
            usable.append(data)
    scored = tuple(pair for data in usable for pair in data.job.scored)
    return data_of(Job(job.task, scored), config, session, loaded) if scored else None


def data_of(job: Job, config: RunConfig, session: Session, loaded: Loaded) -> JobData:
    """The data of a job, read now."""
    share = config.config.branches == "shared"
    data = JobData(job, job.read(session), loaded, config.limit, share=share)
    data.seconds["load"] = session.loading(data.rows.values())
    return data


def trainable(names: Sequence[str], *, required: bool = True) -> tuple[list[Task], dict[str, str]]:
    """The tasks of these names that something can be trained on, and why the others are none.

    Args:
        names: Of tasks and groups.
        required: Whether a task that was named by itself has to be one, and one of all of them.

    Raises:
        UnknownNameError: A name that nobody registered.
        PluginError: What is required is not there.
    """
    reasons = {task.name: (task, untrainable(task)) for task in registry().select(names)}
    able = [task for task, reason in reasons.values() if not reason]
    without = {name: reason for name, (_, reason) in reasons.items() if reason}
    alone = registry().named(names)
    named = [name for name in without if name in alone] or ([] if able else list(without))
    if named and required:
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


def plan(
    selected: Sequence[Task],
    rows_from: Origin,
    predicts: Callable[[Task, str], bool] = lambda task, split: False,
) -> list[Job]:
    """One job per training task; a task with a `train_task` rides along with that one's model.

    Args:
        selected: Tasks that are `trainable`.
        rows_from: Says which splits there are.
        predicts: Whether to predict a split whose labels are private.
    """
    from gpteval.data.rows import private_splits, scored_splits

    riders: dict[str, list[tuple[Task, str]]] = {}
    for task in selected:
        predicted = (s for s in private_splits(task, rows_from) if predicts(task, s))
        splits = (*predicted, *scored_splits(task, rows_from))
        riders.setdefault(task.train_task or task.name, []).extend((task, s) for s in splits)
    known = registry().tasks()
    return [Job(known[name], tuple(scored)) for name, scored in riders.items()]
