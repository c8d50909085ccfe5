"""Linear baselines that need no language model: TF-IDF, and the same blind to what is given.

For reading tests the sliding window stands beside them (`gpteval.methods.window`).

They are trained on a task's training split and scored on the splits that a fine-tuned model is
scored on: scikit-learn's logistic regression (classify), or of every answer by itself whether it is
the right one (choose), or ridge regression (regress). What is finished is not fitted again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gpteval.data.examples import examples_of
from gpteval.data.raw import AbsentError
from gpteval.errors import ConfigError
from gpteval.features.tfidf import SETTINGS as FEATURES
from gpteval.features.tfidf import TextFeatures
from gpteval.files import digest
from gpteval.methods.identity import content, key
from gpteval.methods.job import Job
from gpteval.methods.outcome import Asked, Results
from gpteval.methods.run import plan, trainable
from gpteval.methods.settings import Subject, settled
from gpteval.methods.unit import Answers, SplitName, complete, data_record, rounded, without_model
from gpteval.methods.window import Window
from gpteval.plugins import ALL, registry
from gpteval.progress import Progress, Silent
from gpteval.records import Mode, Prediction, Result
from gpteval.task import Example, Label, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.data.rows import Origin, SplitRows

    Array = NDArray[np.float64]

TFIDF = "tfidf"
VERSION = 1
"""Raised whenever the numbers change; results depend on it."""

HEAD: Mapping[str, Any] = {
    "C": 1.0,  # inverse strength of the logistic regression's L2 penalty
    "alpha": 1.0,  # strength of the ridge regression's
    "tol": 1e-5,  # when a fit stops; 1e-4, the default, is early for buckets that are rare
}
"""All there is to set of the linear model; `C` and `alpha` are scikit-learn's defaults."""

SETTINGS: Mapping[str, Any] = {**FEATURES, **HEAD}

Done = Callable[[int], None]
"""Told how many more examples have been read."""


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
        settings: Fields of `Subject`: data_dir, sample, limit, results.

    Returns:
        A result per task, baseline and split, earlier finished ones among them. A task whose
        training split is not there has none, and is named.

    Raises:
        AbsentError: No task has a training split that is there.
        GptevalError: Anything else the user can mend; what is finished is saved.
    """
    if strange := sorted({"model", "compute"} & settings.keys()):
        raise ConfigError(f"baselines have no {strange[0]}: leave it out")
    results = execute(settled(Subject, tasks, settings), progress or Silent())
    registry().run_finished(results)
    return results


def execute(config: Subject, progress: Progress) -> Results:
    """Read, fit and score task by task."""
    from gpteval.data.rows import origin
    from gpteval.results.store import ResultStore

    tasks, without = trainable(config.tasks)
    for name, reason in without.items():
        progress.say(f"{name} is left out: {reason}")
    asked = Asked(config.tasks, progress)
    rows_from = origin(config.data_dir, config.sample)
    store = ResultStore(config.results_directory)
    store.prepare()
    results: list[Result] = []
    absent: list[AbsentError] = []
    jobs = plan(tasks, rows_from)
    sizes = [job.task.source.splits["train"].rows for job in jobs]
    for number, job in enumerate(jobs, start=1):
        progress.part(number, sizes)
        try:
            rows = read(job, rows_from, config.limit)
        except AbsentError as error:
            absent.append(error)
            continue
        with asked.attempt(*{task.name: task for task, _ in job.scored}.values()):
            for name in filter(None, (TFIDF, job.task.blind)):
                unit = Linear(name, job, rows, config.limit)
                results += complete(unit, store, progress)
            window = Window(job.task, rows, config.limit)
            if window.applies and window.scored:
                results += complete(window, store, progress)
    if not results and absent:
        raise absent[0]
    asked.refuse_none(results)
    for missing in absent:
        progress.say(f"no baseline: {missing}")
    return Results(results, asked.left_out)


def read(job: Job, rows_from: Origin, limit: int | None) -> dict[SplitName, SplitRows]:
    """Rows of the training split and of every scored split that is there.

    Raises:
        AbsentError: The training split is not there, or no scored split is.
        DataError: A row that can't be read.
    """
    from gpteval.data.rows import load_split

    rows = {(job.task.name, "train"): load_split(job.task, "train", rows_from, limit)}
    absent: list[AbsentError] = []
    for task, split in job.scored:
        try:
            rows[task.name, split] = load_split(task, split, rows_from, limit)
        except AbsentError as error:
            absent.append(error)
    if len(rows) == 1:
        raise absent[0]
    return rows


class Linear:
    """One baseline, fitted on one training split: a unit."""

    mode: Mode = "baseline"
    world = None
    unfinished = None

    def __init__(
        self,
        name: str,
        job: Job,
        rows: Mapping[SplitName, SplitRows],
        limit: int | None,
    ) -> None:
        """`name` is `TFIDF`, or the task's blind one; `rows` as `read` gives them with `limit`."""
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

    @cached_property
    def digest(self) -> str:
        """Of the method, whatever it is fitted on."""
        return digest({"name": self.name, "version": VERSION, **SETTINGS})

    def predict(self, progress: Progress) -> Answers:
        """Fit, and predict every scored split."""
        model = LinearModel(self.job.task, last_only=self.name != TFIDF)
        examples = self._examples(self.job.task, "train")
        title = f"{self.job.task.name} · {self.name}"
        with self._timed("train"):
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
        return without_model(self.name, self.digest, SETTINGS) | {"data": data}

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
        names = [(t.name, split) for t, split in self._used(task)]
        return digest({"/".join(name): self.rows[name].digest for name in names})

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - began


class LinearModel:
    """A linear model of one task over the columns of its texts."""

    def __init__(self, task: Task, *, last_only: bool = False) -> None:
        """Not fitted yet; arguments as `TextFeatures` has them."""
        self.task, self.features = task, TextFeatures(task, last_only=last_only)

    def fit(self, examples: Sequence[Example], done: Done = lambda count: None) -> None:
        """Learn from the training split, all of it with a gold label."""
        self.linear = _linear(self.task, self.features.fit(examples, done), examples)

    def predict(
        self, task: Task, examples: Sequence[Example], done: Done = lambda count: None
    ) -> list[Prediction]:
        """Answer examples of the task, or of one that is scored with its model.

        Scores of a choice are every answer's probability of being right, as shares of their sum.
        """
        columns = self.features.columns(examples, done)
        if task.kind == "regress":
            numbers = self.linear.predict(columns).clip(*task.scale)
            return [_prediction(e, float(x), ()) for e, x in zip(examples, numbers, strict=True)]
        likely = self.linear.predict_proba(columns)
        if task.kind == "choose":
            return _choices(examples, likely[:, -1])
        rows = (self._shares(task, row) for row in likely)
        return [
            _prediction(example, task.labels[_highest(row)], row)
            for example, row in zip(examples, rows, strict=True)
        ]

    def _shares(self, task: Task, likely: Sequence[float]) -> list[float]:
        """Probabilities of the classes that were met in training as those of a task's labels."""
        shares = dict.fromkeys(task.labels, 0.0)
        for label, share in zip(self.linear.classes_, likely, strict=True):
            shares[task.label_map.get(label, label)] += float(share)
        return list(shares.values())

    @property
    def parameters(self) -> int:
        """Weights of the linear model; 0 of a constant."""
        fitted = getattr(self.linear, "coef_", None)
        return 0 if fitted is None else int(fitted.size)


def _linear(task: Task, columns: Any, examples: Sequence[Example]) -> Any:
    """The fitted linear model; where there is one label only, that label."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression, Ridge

    if task.kind == "regress":
        ridge = Ridge(alpha=HEAD["alpha"], tol=HEAD["tol"])
        return ridge.fit(columns, [e.label for e in examples])
    gold: list[Any]
    if task.kind == "choose":
        gold = [place == e.label for e in examples for place in range(len(e.sequences))]
    else:
        gold = [e.label for e in examples]
    if len(set(gold)) == 1:
        return DummyClassifier(strategy="most_frequent").fit(columns, gold)
    return LogisticRegression(C=HEAD["C"], tol=HEAD["tol"], max_iter=1000).fit(columns, gold)


def _choices(examples: Sequence[Example], likely: Array) -> list[Prediction]:
    """The answer likeliest to be right; `likely` has one number per sequence, (S,)."""
    predictions, start = [], 0
    for example in examples:
        own = likely[start : start + len(example.sequences)]
        start += len(own)
        shares = [float(likelihood) for likelihood in own / own.sum()]
        predictions.append(_prediction(example, _highest(shares), shares))
    return predictions


def _highest(scores: Sequence[float]) -> int:
    """The first among equals."""
    return max(range(len(scores)), key=scores.__getitem__)


def _prediction(example: Example, answer: str | int | float, scores: Sequence[float]) -> Prediction:
    shares = tuple(round(float(score), 6) for score in scores)
    return Prediction(example.id, example.label, answer, shares, example.part, example.cluster)
