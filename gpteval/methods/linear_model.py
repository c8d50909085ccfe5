"""The linear model of the baselines: scikit-learn's, over the columns of a task's examples.

Logistic regression (classify), or of every answer by itself whether it is the right one (choose),
or ridge regression (regress).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gpteval.records import Prediction
from gpteval.task import Example, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

HEAD: Mapping[str, Any] = {
    "C": 1.0,  # inverse strength of the logistic regression's L2 penalty
    "alpha": 1.0,  # strength of the ridge regression's
    "tol": 1e-5,  # when a fit stops; 1e-4, the default, is early for buckets that are rare
}
"""All there is to set of the linear model; `C` and `alpha` are scikit-learn's defaults."""

Done = Callable[[int], None]
"""Told how many more examples have been read."""


class Features(Protocol):
    """Examples as rows of numbers: of a choice a row is a sequence, else an example."""

    def fit(self, examples: Sequence[Example], done: Done = ...) -> Any:
        """Learn from the training split; its columns, as `columns` gives them."""

    def columns(self, examples: Sequence[Example], done: Done = ...) -> Any:
        """The columns of examples, dense or sparse."""


class LinearModel:
    """A linear model of one task over the columns of its examples."""

    def __init__(self, task: Task, features: Features) -> None:
        """Not fitted yet, nor are its features."""
        self.task, self.features = task, features

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
            return [prediction(e, float(x), ()) for e, x in zip(examples, numbers, strict=True)]
        likely = self.linear.predict_proba(columns)
        if task.kind == "choose":
            return choices(examples, likely[:, -1])
        rows = (shares(task, self.linear.classes_, row) for row in likely)
        return [
            prediction(example, task.labels[_highest(row)], row)
            for example, row in zip(examples, rows, strict=True)
        ]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Weights of the linear model, for the record; 0 of a constant."""
        fitted = getattr(self.linear, "coef_", None)
        return {"parameters": 0 if fitted is None else int(fitted.size)}


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


def shares(task: Task, classes: Sequence[Any], likely: Sequence[float]) -> list[float]:
    """Probabilities of the classes that were met in training as those of a task's labels."""
    found = dict.fromkeys(task.labels, 0.0)
    for label, share in zip(classes, likely, strict=True):
        name = task.label_map.get(label, label)
        if name in found:
            found[name] += float(share)
    return list(found.values())


def choices(examples: Sequence[Example], likely: Array) -> list[Prediction]:
    """The answer likeliest to be right; `likely` has one number per sequence, (S,)."""
    predictions, start = [], 0
    for example in examples:
        own = likely[start : start + len(example.sequences)]
        start += len(own)
        parts = [float(likelihood) for likelihood in own / own.sum()]
        predictions.append(prediction(example, _highest(parts), parts))
    return predictions


def _highest(scores: Sequence[float]) -> int:
    """The first among equals."""
    return max(range(len(scores)), key=scores.__getitem__)


def prediction(example: Example, answer: str | int | float, scores: Sequence[float]) -> Prediction:
    """What was said of an example."""
    rounded = tuple(round(float(score), 6) for score in scores)
    return Prediction(example.id, example.label, answer, rounded, example.part, example.cluster)
