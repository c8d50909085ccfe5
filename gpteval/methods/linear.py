"""Baselines that need no language model: TF-IDF with a linear model, and probes for artefacts.

They are trained on a task's training split and scored on the splits that a fine-tuned model is
scored on; each result is a record of its own, with its predictions, so that it can be paired with
any other. What is finished is not fitted again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gpteval.config import Subject, task_names
from gpteval.data.raw import AbsentError, made
from gpteval.files import digest
from gpteval.methods.job import Job, SplitName, data_record, scores_of, software
from gpteval.methods.suite import plan
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.records import Prediction, Result
from gpteval.task import Example, Task

if TYPE_CHECKING:
    from gpteval.data.rows import Origin, SplitRows
    from gpteval.features.tfidf import TextModel
    from gpteval.results.store import ResultStore

ALL = "all"
TFIDF = "tfidf"
RECIPE = "baseline"


def score_baselines(
    tasks: str | Iterable[str] = ALL, *, progress: Progress | None = None, **settings: Any
) -> list[Result]:
    """Fit and score the baselines of every task asked for.

    Args:
        tasks: Names or groups, as a list or joined by commas; "all": every task there is.
        progress: Told where the work stands, and which splits are not there.
        settings: Fields of `Subject`: data_dir, sample, limit, results.

    Returns:
        A result per task, baseline and split, earlier finished ones among them. A task whose
        training split is not there has none, and is named.

    Raises:
        AbsentError: No task has a training split that is there.
        GptevalError: Anything else the user can mend; what is finished is saved.
    """
    return execute(Subject(tasks=task_names(tasks), **settings), progress or Silent())


def execute(config: Subject, progress: Progress) -> list[Result]:
    """Read, fit and score task by task."""
    from gpteval.data.rows import origin
    from gpteval.results.store import ResultStore

    known = registry()
    tasks = list(known.tasks().values()) if ALL in config.tasks else known.select(config.tasks)
    rows_from = origin(config.data_dir, config.sample)
    store = ResultStore(config.results_directory)
    results: list[Result] = []
    absent: list[AbsentError] = []
    for job in plan(tasks, rows_from):
        began = time.perf_counter()
        try:
            rows = read(job, rows_from, config.limit)
        except AbsentError as error:
            absent.append(error)
            continue
        loading = time.perf_counter() - began
        for name in (TFIDF, job.task.probe):
            if name:
                fit = BaselineFit(name, job, rows, config.limit or 0)
                fit.seconds["load"] = loading
                results += fit.finished(store) or fit.execute(store, progress)
    if not results:
        raise absent[0]
    for reason in absent:
        progress.say(f"no baseline: {reason}")
    registry().run_finished(results)
    return results


def read(job: Job, rows_from: Origin, limit: int | None) -> dict[SplitName, SplitRows]:
    """Rows of the training split and of every scored split that is there.

    Raises:
        AbsentError: The training split is not there, or no scored split is.
        DataError: A row that can't be read.
    """
    from gpteval.data.rows import load_split

    found = {(job.task.name, "train"): load_split(job.task, "train", rows_from, limit)}
    absent: list[AbsentError] = []
    for task, split in job.scored:
        try:
            found[task.name, split] = load_split(task, split, rows_from, limit)
        except AbsentError as error:
            absent.append(error)
    if len(found) == 1:
        raise absent[0]
    return found


class BaselineFit:
    """One baseline, fitted on one training split."""

    def __init__(
        self, name: str, job: Job, rows: Mapping[SplitName, SplitRows], limit: int
    ) -> None:
        """`name` is `TFIDF`, or the task's probe; `rows` as `read` gives them with `limit`."""
        self.name, self.job, self.rows, self.limit = name, job, rows, limit
        self.train = rows[job.task.name, "train"]
        self.scored = [(task, split) for task, split in job.scored if (task.name, split) in rows]
        self.seconds: dict[str, float] = {}

    def finished(self, store: ResultStore) -> list[Result]:
        """Earlier results of exactly this fit; empty unless every scored split has one."""
        keys = dict.fromkeys(self.key(task) for task, _ in self.scored)
        found = {(r.task, r.split): r for key in keys for r in store.finished(key)}
        wanted = [(task.name, split) for task, split in self.scored]
        return [found[place] for place in wanted] if all(p in found for p in wanted) else []

    def key(self, task: Task) -> str:
        """Digest of everything the scores of `task` depend on."""
        return digest(
            {
                "mode": "baseline",
                "baseline": self.digest,
                "task": [task.name, task.version],
                "trained on": [self.job.task.name, self.job.task.version],
                "rows": self._rows_digest(task),
            }
        )

    @cached_property
    def digest(self) -> str:
        """Of the method, whatever it is fitted on."""
        from gpteval.features.tfidf import SETTINGS, VERSION

        return digest({"name": self.name, "version": VERSION, **SETTINGS})

    def execute(self, store: ResultStore, progress: Progress) -> list[Result]:
        """Fit, predict every scored split, and put the results on disk."""
        from gpteval.features.tfidf import TextModel

        model = TextModel(self.job.task, last_only=self.name != TFIDF)
        examples = self._examples(self.job.task, "train")
        title = f"{self.job.task.name} · {self.name}"
        with _Timed(self.seconds, "train"):
            progress.begin(f"{title} · fit", len(examples))
            model.fit(examples, progress.advance)
            progress.end()
        predicted: list[tuple[Task, str, list[Prediction]]] = []
        with _Timed(self.seconds, "evaluate"):
            for task, split in self.scored:
                asked = self._examples(task, split)
                progress.begin(f"{title} · {task.name} {split}", len(asked))
                predicted.append((task, split, model.predict(task, asked, progress.advance)))
                progress.end()
        results = []
        for task, split, predictions in predicted:
            path = store.write_predictions(self.key(task), task.name, split, predictions)
            results.append(self._result(model, task, split, predictions, path))
        store.append(results)
        return results

    def _examples(self, task: Task, split: str) -> list[Example]:
        return [made(task, row, task.example) for row in self.rows[task.name, split].rows]

    def _rows_digest(self, task: Task) -> str:
        """Of the rows trained on and of those scored for `task`."""
        used = {(self.job.task.name, "train"), *((t.name, s) for t, s in self.scored if t is task)}
        return digest(
            {"/".join(name): rows.digest for name, rows in self.rows.items() if name in used}
        )

    def _result(
        self, model: TextModel, task: Task, split: str, predictions: Sequence[Prediction], path: str
    ) -> Result:
        from gpteval.features.tfidf import SETTINGS

        labels = [row["label"] for row in self.train.rows]
        return Result(
            key=self.key(task),
            mode="baseline",
            split=split,
            model=self.name,
            model_digest=self.digest,
            parameters=model.parameters,
            recipe=RECIPE,
            config=dict(SETTINGS),
            changed={},
            seed=0,
            data=data_record(
                self.rows[task.name, split], self.train, self._rows_digest(task), self.limit
            ),
            device="cpu",
            precision="fp64",
            seconds={phase: round(spent, 3) for phase, spent in self.seconds.items()},
            cost={},
            predictions=path,
            **scores_of(task, labels, predictions),
            **software(),
        )


class _Timed:
    """Writes down the seconds that a block took."""

    def __init__(self, seconds: dict[str, float], phase: str) -> None:
        self.seconds, self.phase = seconds, phase

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds[self.phase] = time.perf_counter() - self.began
