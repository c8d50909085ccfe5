"""What is fitted on a task's training split in one go: baselines, and probes of a frozen model.

It is scored on the splits that a fine-tuned model is scored on. What is finished is not fitted
again.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from gpteval.data.examples import examples_of
from gpteval.data.raw import AbsentError
from gpteval.methods.identity import content, key
from gpteval.methods.job import Job
from gpteval.methods.linear_model import Done
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
from gpteval.methods.run import plan, trainable
from gpteval.methods.settings import Trained
from gpteval.methods.unit import (
    Answers,
    SplitName,
    Unit,
    complete,
    data_record,
    rounded,
    rows_digest,
    without_model,
)
from gpteval.progress import Progress
from gpteval.records import Mode, Prediction, Result
from gpteval.task import Example, Label, Task

if TYPE_CHECKING:
    from gpteval.data.rows import Origin, SplitRows
    from gpteval.results.store import ResultStore

Units = Callable[["Job", "Mapping[SplitName, SplitRows]", int | None], Sequence[Unit]]
"""What is fitted on the rows of a job, read with a limit."""


def execute(
    config: Trained,
    progress: Progress,
    units: Units,
    *,
    lacks: str,
    required: bool = True,
    engine: Engine | None = None,
) -> Results:
    """Read, fit and score task by task; what was named by itself is read before the first fit.

    Args:
        config: What to score.
        progress: Told where the work stands.
        units: What is fitted on the rows of a job.
        lacks: What is said of a task that has none, before the reason.
        required: Whether it is a fault that a task can have none: not beside other scores.
        engine: Who computes them, told `config` alone; None: this process.
    """
    from gpteval.data.rows import origin
    from gpteval.results.store import ResultStore

    tasks, without = trainable(config.tasks, required=required)
    for name, reason in without.items():
        progress.say(f"{name} {lacks}: {reason}")
    names = config.tasks if required else ()
    asked = Asked(names, progress, skip_missing=config.skip_missing, lacks=lacks)
    rows_from = origin(config.data_dir, config.sample)
    store = ResultStore(config.results_directory)
    store.prepare()
    jobs = plan(tasks, rows_from, lambda task, split: config.predict)
    sizes = [job.task.source.splits["train"].rows for job in jobs]
    read = partial(read_job, rows_from=rows_from, limit=config.limit, asked=asked)
    ready = {n: read(job) for n, job in enumerate(jobs) if asked.by_itself(*job.tasks)}
    results: list[Result] = []
    if engine is not None:
        refuse_unsendable(config, tasks)
        sent = _sent(jobs, config, required, store)
        results, jobs = carried(sent, engine, store, asked, again=config.force), []
    for number, job in enumerate(jobs):
        progress.part(number + 1, sizes)
        rows = ready.pop(number) if number in ready else read(job)
        fitted = units(job, rows, config.limit) if rows else ()
        results += completed(job, fitted, config, store, asked)
    if not required:
        return Results(results)
    asked.refuse_none(results)
    return asked.results(results)


def completed(
    job: Job, fitted: Sequence[Unit], config: Trained, store: ResultStore, asked: Asked
) -> list[Result]:
    """The results of what is fitted on the rows of a job, unless they can't be used."""
    results: list[Result] = []
    there = {(task.name, split) for unit in fitted for task, split in unit.scored}
    for task, split in job.scored if config.predict and fitted else ():
        if (task.name, split) not in there:
            asked.progress.say(f"{task.name} {split} is not there, and is not predicted")
    with asked.attempt(*job.tasks):
        for unit in fitted:
            results += complete(unit, store, asked.progress, again=config.force)
    return results


def _sent(jobs: Sequence[Job], config: Trained, required: bool, store: ResultStore) -> list[Sent]:
    """All that is fitted on a job as one order: its rows are read once."""
    orders, shapes = list[Sent](), list[tuple[Shape, float]]()
    origin = "sample" if config.sample else "files"
    for job in jobs:
        name = job.task.name
        scored = [(task.name, split) for task, split in job.scored]
        details = {"task": name, "scored": scored, "required": required}
        orders.append(Sent(Order(name, Linear.mode, sent_config(config), details), None))
        shape = Shape(Linear.mode, name, "cpu", 0, origin, config.limit or 0, 0)
        shapes.append((shape, job.task.source.splits["train"].rows))
    return sized(orders, shapes, store)


def read_job(
    job: Job, rows_from: Origin, limit: int | None, asked: Asked
) -> dict[SplitName, SplitRows]:
    """Rows of the training split and of every scored split that is there.

    Nothing where the one or all of the others can't be used.

    Raises:
        DataError: They are of a task that was named by itself.
    """
    from gpteval.data.rows import load_split

    rows: dict[SplitName, SplitRows] = {}
    with asked.attempt(*job.tasks):
        train = load_split(job.task, "train", rows_from, limit)
        for task in job.tasks:
            with asked.attempt(task):
                splits = [split for own, split in job.scored if own is task]
                rows |= _there(task, splits, rows_from, limit)
        if rows:
            return {(job.task.name, "train"): train, **rows}
    return {}


def _there(
    task: Task, splits: Sequence[str], rows_from: Origin, limit: int | None
) -> dict[SplitName, SplitRows]:
    """Rows of those of a task's splits that are there.

    Raises:
        AbsentError: None is.
        DataError: A row that can't be read.
    """
    from gpteval.data.rows import load_split

    rows: dict[SplitName, SplitRows] = {}
    absent: list[AbsentError] = []
    for split in splits:
        try:
            rows[task.name, split] = load_split(task, split, rows_from, limit)
        except AbsentError as error:
            absent.append(error)
    if not rows:
        raise absent[0]
    return rows


class Learner(Protocol):
    """What is fitted on the examples of one split and then answers others."""

    def fit(self, examples: Sequence[Example], done: Done) -> None:
        """Learn; `done` is told how many more examples have been read."""

    def predict(self, task: Task, examples: Sequence[Example], done: Done) -> list[Prediction]:
        """Answer examples of the task, or of one that is scored with its model."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Fields of the results that are known when it is fitted."""


class Linear(ABC):
    """One learner, fitted on one training split: a unit.

    Attributes:
        settings: All there is to set of it, for the record.
    """

    mode: Mode = "baseline"
    settings: Mapping[str, Any] = {}
    world = None
    unfinished = None
    kept = True

    def __init__(
        self,
        name: str,
        job: Job,
        rows: Mapping[SplitName, SplitRows],
        limit: int | None,
    ) -> None:
        """`rows` as `read` gives them with `limit`."""
        self.name, self.job, self.rows, self.limit = name, job, rows, limit
        self.train = rows[job.task.name, "train"]
        self.scored = [(task, split) for task, split in job.scored if (task.name, split) in rows]
        self.seconds = {"load": sum(split.seconds for split in rows.values())}
        self._made: dict[SplitName, list[Example]] = {}
        self._contents: dict[SplitName, str] = {}

    @property
    def train_labels(self) -> Sequence[Label]:
        """Gold labels of the training split."""
        return [row["label"] for row in self.train.rows]

    def key(self, task: Task) -> str:
        """Digest of everything the scores of `task` depend on."""
        contents = {f"{t.name}/{split}": self._content(t, split) for t, split in self._used(task)}
        return key(self.mode, task, self.job.task, contents, {"baseline": self.digest})

    @property
    @abstractmethod
    def digest(self) -> str:
        """Of the method, whatever it is fitted on."""

    @abstractmethod
    def model(self, progress: Progress) -> Learner:
        """What is fitted."""

    def predict(self, progress: Progress) -> Answers:
        """Fit, and predict every scored split."""
        examples = self._examples(self.job.task, "train")
        title = f"{self.job.task.name} · {self.name}"
        with self._timed("train"):
            model = self.model(progress)
            progress.begin(f"{title} · fit", len(examples))
            model.fit(examples, progress.advance)
            progress.end()
        predictions = {}
        with self._timed("evaluate"):
            for task, split in self.scored:
                asked = self._examples(task, split)
                progress.begin(f"{title} · {task.name} {split}", len(asked))
                predictions[task.name, split] = model.predict(task, asked, progress.advance)
                progress.end()
        return Answers(predictions, {**model.facts, "seconds": rounded(self.seconds)})

    def scores(self, task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
        """The task's metrics."""
        from gpteval.score.metrics import score

        return score(task, predictions)

    def facts(self, task: Task, split: str) -> Mapping[str, Any]:
        """Settings and data."""
        scored = self.rows[task.name, split]
        data = data_record(scored, self.train, self._rows_digest(task), self.limit)
        return without_model(self.name, self.digest, self.settings) | {"data": data}

    def _examples(self, task: Task, split: str) -> Sequence[Example]:
        if (task.name, split) not in self._made:
            self._made[task.name, split] = examples_of(task, self.rows[task.name, split])
        return self._made[task.name, split]

    def _content(self, task: Task, split: str) -> str:
        if (task.name, split) not in self._contents:
            self._contents[task.name, split] = content(self._examples(task, split))
        return self._contents[task.name, split]

    def _used(self, task: Task) -> list[tuple[Task, str]]:
        """The split trained on and those scored for `task`."""
        return [(self.job.task, "train"), *(pair for pair in self.scored if pair[0] is task)]

    def _rows_digest(self, task: Task) -> str:
        return rows_digest(
            {f"{t.name}/{split}": self.rows[t.name, split] for t, split in self._used(task)}
        )

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - began
