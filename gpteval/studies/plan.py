"""What a run will take before it is made: tokens, FLOPs, seconds, memory and disk of every unit.

Tokens and updates are counted on the run's own examples and batches. Seconds are those of a few of
its updates and predictions on this machine (`gpteval.methods.pace`), memory is told from shapes
(`gpteval.train.memory`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from gpteval.errors import ConfigError
from gpteval.methods.outcome import Asked
from gpteval.methods.run import ready, trainable, unit
from gpteval.methods.settings import RunConfig
from gpteval.methods.unit import finished
from gpteval.progress import Progress
from gpteval.records import Prediction

if TYPE_CHECKING:
    from gpteval.compute.cost import Work
    from gpteval.methods.finetune import Finetune
    from gpteval.methods.job import JobData
    from gpteval.task import Task
    from gpteval.train.course import Course

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
BUDGET = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")
SHOWN = 100
"""Predictions whose lines are made to tell the size of all."""
MEAN = 0.123456
"""A number as long as those in them."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fine-tuning of a run; all figures are 0 of one that is finished.

    Attributes:
        task: The training task; those that are scored with its model ride along.
        seed, label: Which one; the label says what is kept of the pre-trained model, "" for all.
        finished: Whether its results are there.
        fits: Whether it is among those that the budget pays for; without one all are.
        updates, tokens, predicted: As in the cost on record of its results.
        evaluated_tokens: The same.
        train_flops, evaluate_flops: The same.
        read_seconds: To read and encode its rows; of the first unit of a task alone.
        train_seconds, evaluate_seconds: Estimated, from a measured pace.
        peak_memory_bytes: Estimated: on a CPU of the whole process, on a GPU of its tensors.
        state_bytes: Disk that its unfinished state takes while it trains.
        model_bytes: Disk that the model takes which it keeps.
        predictions_bytes: Disk that its predictions take.
    """

    task: str
    seed: int
    label: str
    finished: bool
    fits: bool = True
    updates: int = 0
    tokens: int = 0
    predicted: int = 0
    evaluated_tokens: int = 0
    train_flops: int = 0
    evaluate_flops: int = 0
    read_seconds: float = 0.0
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    peak_memory_bytes: int = 0
    state_bytes: int = 0
    model_bytes: int = 0
    predictions_bytes: int = 0

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.read_seconds + self.train_seconds + self.evaluate_seconds


def budget_seconds(text: str) -> float:
    """Seconds of a time as it is typed: 2h, 90m, 1h30m, 45s, 1.5d.

    Raises:
        ConfigError: It is none, or no time at all.
    """
    seconds = 0.0
    if BUDGET.fullmatch(text):
        seconds = sum(float(n) * UNITS[u] for n, u in re.findall(r"([\d.]+)([dhms])", text))
    if seconds <= 0:
        raise ConfigError(f"--budget is a time above 0, as 2h, 90m or 1h30m, not {text!r:.40}")
    return seconds


def plan(
    config: RunConfig, progress: Progress, budget: str | None = None
) -> tuple[list[Planned], dict[str, str]]:
    """Every fine-tuning of a run, in the order of the run, and which of them a budget pays for.

    A budget takes the shortest first: so it pays for the most of them, and what is left is begun by
    the same command another time. Tasks go by the time of their shortest unit, so that the seeds of
    one stay together. What is finished costs nothing; what was begun counts whole.

    Args:
        config: The run.
        progress: Told what is being timed.
        budget: A time, as `budget_seconds` reads it; None: no limit.

    Returns:
        Them, and task of a group that can't be planned → reason.

    Raises:
        GptevalError: As the run itself would, before its first task begins.
    """
    limit = None if budget is None else budget_seconds(budget)
    tasks, without = trainable(config.tasks)
    # torch is imported from here on, when every name is known to be right.
    from gpteval.methods.session import Session
    from gpteval.weights.transfer import transfers

    session = Session(config)
    for name, reason in without.items():
        progress.say(f"{name} is left out: {reason}")
    asked = Asked(config.tasks, progress, skip_missing=config.skip_missing)
    loaded = session.model(config.model_reference)
    variants = list(product(transfers(config.transfer_layers, loaded), config.seeds))
    jobs = ready(tasks, config, session, asked)
    asked.refuse_none(jobs)
    made = partial(unit, config, session, len(jobs) * len(variants) > 1)
    planned: list[Planned] = []
    sizes = [data.work(config.config.epochs) for data in jobs]
    for number in range(1, len(jobs) + 1):
        progress.part(number, sizes)
        data = jobs.pop(0)
        with asked.attempt(*data.job.tasks):
            planned += _job([made(data, transfer, seed) for transfer, seed in variants], progress)
        session.forget(data.rows)
    asked.refuse_none(planned)
    return planned if limit is None else afforded(planned, limit), asked.left_out


def afforded(planned: Sequence[Planned], seconds: float) -> list[Planned]:
    """The same units in their order, with what so many seconds pay for marked."""
    shortest = dict[str, float]()
    for own in planned:
        shortest[own.task] = min(own.seconds, shortest.get(own.task, own.seconds))
    places = sorted(
        range(len(planned)),
        key=lambda n: (shortest[planned[n].task], planned[n].task, planned[n].seconds),
    )
    left, fitting = seconds, set[int]()
    for place in places:
        left -= planned[place].seconds
        if left < 0:
            break
        fitting.add(place)
    return [replace(own, fits=own.finished or n in fitting) for n, own in enumerate(planned)]


def totals(planned: Iterable[Planned]) -> Planned:
    """All of them as one: sums, but of memory and state, of which one is held at a time."""
    units = list(planned)
    single = ("peak_memory_bytes", "state_bytes")
    figures = [f.name for f in fields(Planned) if f.default == 0]
    summed: dict[str, Any] = {
        name: (max if name in single else sum)([getattr(own, name) for own in units] or [0])
        for name in figures
    }
    return replace(Planned("", 0, "", finished=False), **summed)


def _job(units: Sequence[Finetune], progress: Progress) -> list[Planned]:
    """The units of one training task; rows are read for the first of them that is left."""
    from gpteval.results.store import ResultStore

    planned, read = [], False
    for own in units:
        store = ResultStore(own.config.results_directory)
        done = not own.config.force and bool(finished(own, store)) and own.kept
        blank = Planned(own.job.task.name, own.seed, own.transfer.label, done)
        planned.append(blank if done else _planned(own, blank, progress))
        if not done and not read:
            planned[-1] = replace(planned[-1], read_seconds=_reading(own.data))
            read = True
    return planned


def _planned(own: Finetune, blank: Planned, progress: Progress) -> Planned:
    """What one unit will take, beside reading its rows."""
    from gpteval.compute.cost import training_flops
    from gpteval.methods.pace import pace
    from gpteval.methods.run import STATE

    trained, course = own.task_model(), own.course()
    memory = own.memory(own.finetuning(trained))  # before an update makes the process larger
    known = pace(own.seeded(0), progress)
    model, stages, splits = trained.model, course.work(), _predicting(own, course)
    training = {stage: training_flops(model, work) for stage, work in stages.items()}
    predicting = {name: work.flops(model) for name, work in splits.items()}
    weights = sum(p.nbytes for p in model.parameters())
    return replace(
        blank,
        updates=course.total,
        tokens=sum(work.tokens for work in stages.values()),
        predicted=sum(work.predicted for work in stages.values()),
        evaluated_tokens=sum(work.tokens for work in splits.values()),
        train_flops=sum(training.values()),
        evaluate_flops=sum(predicting.values()),
        train_seconds=sum(
            known.training(stage, work.updates, work.flops(model)) for stage, work in stages.items()
        ),
        evaluate_seconds=sum(known.predicting(name, n) for name, n in predicting.items()),
        peak_memory_bytes=memory,
        state_bytes=STATE * weights,
        model_bytes=weights if own.place else 0,
        predictions_bytes=sum(_size(own, task, split) for task, split in own.scored),
    )


def _predicting(own: Finetune, course: Course) -> dict[str, Work]:
    """What all predictions of every split read, by "task/split"."""
    from gpteval.compute.cost import Work

    splits = dict[str, Work]()
    for (task, split), times in own.passes(course).items():
        work = splits.setdefault(f"{task}/{split}", Work())
        for _ in range(times):
            work.add(own.encoded[task, split])
    return splits


def _reading(data: JobData) -> float:
    """Seconds that it took to read and to encode the rows of a job."""
    return sum(rows.seconds for rows in data.rows.values()) + data.seconds["encode"]


def _size(own: Finetune, task: Task, split: str) -> int:
    """About how many bytes the predictions of a split take as lines of JSON."""
    from gpteval.results.lines import to_lines

    examples = own.data.examples[task.name, split]
    lines = []
    for example in examples[:SHOWN]:
        answers = {"classify": len(task.labels), "choose": len(example.sequences)}.get(task.kind, 0)
        answer = example.label if task.labels or task.kind == "choose" else MEAN
        facts = (example.id, example.label, answer or 0, (MEAN,) * answers)
        lines.append(Prediction(*facts, example.part, example.cluster))
    return len(to_lines(lines, Prediction)) * len(examples) // max(1, len(lines))
