"""Linear baselines that need no language model: TF-IDF, word vectors (`gpteval.methods.baseline`).

For reading tests the sliding window stands beside them (`gpteval.methods.window`).

They are trained on a task's training split and scored on the splits that a fine-tuned model is
scored on. What is finished is not fitted again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from gpteval.data.examples import examples_of
from gpteval.data.raw import AbsentError
from gpteval.errors import ConfigError
from gpteval.methods.baseline import Baseline, with_vectors, with_wordnet, without_vectors
from gpteval.methods.identity import content, key
from gpteval.methods.job import Job
from gpteval.methods.linear_model import LinearModel
from gpteval.methods.outcome import Asked, Results
from gpteval.methods.run import plan, trainable
from gpteval.methods.settings import BaselineConfig, settled
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
from gpteval.methods.window import Window
from gpteval.naming import ALL
from gpteval.paths import user_path
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.records import Mode, Prediction, Result
from gpteval.task import Example, Label, Task

if TYPE_CHECKING:
    from gpteval.data.rows import Origin, SplitRows

LACKS = "has no baseline"


def score_baselines(
    tasks: str | Task | Iterable[str | Task] = ALL,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> Results:
    """Fit and score the baselines of every task asked for.

    Args:
        tasks: Names or groups, as a list or joined by commas; "all": every task there is.
        progress: Told where the work stands, and which splits are not there.
        settings: Fields of `BaselineConfig`: data_dir, sample, limit, force, results, predict,
            vectors, wordnet.

    Returns:
        A result per task, baseline and split, earlier finished ones among them; `left_out` names
        the tasks of a group that have none.

    Raises:
        GptevalError: Anything the user can mend; what is finished is saved.
    """
    if strange := sorted({"model", "compute"} & settings.keys()):
        raise ConfigError(f"baselines have no {strange[0]}: leave it out")
    results = execute(settled(BaselineConfig, tasks, settings), progress or Silent())
    registry().run_finished(results)
    return results


def execute(config: BaselineConfig, progress: Progress, *, required: bool = True) -> Results:
    """Read, fit and score task by task; what was named by itself is read before the first fit.

    Args:
        config: What to score.
        progress: Told where the work stands.
        required: Whether it is a fault that a task can have no baseline: not beside other scores.
    """
    from gpteval.data.rows import origin
    from gpteval.results.store import ResultStore

    tasks, without = trainable(config.tasks, required=required)
    for name, reason in without.items():
        progress.say(f"{name} {LACKS}: {reason}")
    names = config.tasks if required else ()
    asked = Asked(names, progress, skip_missing=config.skip_missing, lacks=LACKS)
    rows_from = origin(config.data_dir, config.sample)
    further = with_vectors(config.vector_files)
    if config.wordnet is not None:
        further.append(with_wordnet(user_path(config.wordnet)))
    store = ResultStore(config.results_directory)
    store.prepare()
    jobs = plan(tasks, rows_from, lambda task, split: config.predict)
    sizes = [job.task.source.splits["train"].rows for job in jobs]
    completed = partial(complete, store=store, progress=progress, again=config.force)
    read = partial(_read, rows_from=rows_from, limit=config.limit, asked=asked)
    ready = {n: read(job) for n, job in enumerate(jobs) if asked.by_itself(*job.tasks)}
    results: list[Result] = []
    for number, job in enumerate(jobs):
        progress.part(number + 1, sizes)
        rows = ready.pop(number) if number in ready else read(job)
        for task, split in job.scored if config.predict and rows else ():
            if (task.name, split) not in rows:
                progress.say(f"{task.name} {split} is not there, and is not predicted")
        with asked.attempt(*job.tasks):
            own = (*without_vectors(job.task), *further)
            results += _completed(job, rows, own, config, completed)
    if not required:
        return Results(results)
    asked.refuse_none(results)
    return asked.results(results)


def _completed(
    job: Job,
    rows: Mapping[SplitName, SplitRows],
    baselines: Iterable[Baseline],
    config: BaselineConfig,
    complete: Callable[[Unit], list[Result]],
) -> list[Result]:
    """The results of all baselines of a job; none without rows."""
    if not rows:
        return []
    linear = [Linear(baseline, job, rows, config.limit) for baseline in baselines]
    units: list[Unit] = [unit for unit in linear if unit.applies]
    window = Window(job.task, rows, config.limit)
    if window.applies and window.scored:
        units.append(window)
    return [result for unit in units for result in complete(unit)]


def _read(
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


class Linear:
    """One baseline, fitted on one training split: a unit."""

    mode: Mode = "baseline"
    world = None
    unfinished = None
    kept = True

    def __init__(
        self,
        baseline: Baseline,
        job: Job,
        rows: Mapping[SplitName, SplitRows],
        limit: int | None,
    ) -> None:
        """`rows` as `read` gives them with `limit`."""
        self.baseline, self.job, self.rows, self.limit = baseline, job, rows, limit
        self.train = rows[job.task.name, "train"]
        self.scored = [(task, split) for task, split in job.scored if (task.name, split) in rows]
        self.seconds = {"load": sum(split.seconds for split in rows.values())}
        self._made: dict[SplitName, list[Example]] = {}
        self._contents: dict[SplitName, str] = {}

    @property
    def applies(self) -> bool:
        """Whether the task has what the baseline reads."""
        if not self.baseline.paired:
            return True
        examples = self._examples(self.job.task, "train")
        return any(e.context or len(texts) > 1 for e in examples for texts in e.sequences)

    @property
    def train_labels(self) -> Sequence[Label]:
        """Gold labels of the training split."""
        return [row["label"] for row in self.train.rows]

    def key(self, task: Task) -> str:
        """Digest of everything the scores of `task` depend on."""
        contents = {f"{t.name}/{split}": self._content(t, split) for t, split in self._used(task)}
        return key(self.mode, task, self.job.task, contents, {"baseline": self.baseline.digest})

    def predict(self, progress: Progress) -> Answers:
        """Fit, and predict every scored split."""
        examples = self._examples(self.job.task, "train")
        title = f"{self.job.task.name} · {self.baseline.name}"
        with self._timed("train"):
            read = [
                example for task, split in self.scored for example in self._examples(task, split)
            ]
            features = self.baseline.features(self.job.task, [*examples, *read], progress)
            model = LinearModel(self.job.task, features)
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
        facts = {"parameters": model.parameters, "seconds": rounded(self.seconds)}
        return Answers(predictions, facts)

    def scores(self, task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
        """The task's metrics."""
        from gpteval.score.metrics import score

        return score(task, predictions)

    def facts(self, task: Task, split: str) -> Mapping[str, Any]:
        """Settings and data."""
        scored = self.rows[task.name, split]
        data = data_record(scored, self.train, self._rows_digest(task), self.limit)
        own = self.baseline
        return without_model(own.name, own.digest, own.settings) | {"data": data}

    def _examples(self, task: Task, split: str) -> list[Example]:
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
