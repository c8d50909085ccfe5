"""Linear heads over columns, their strength chosen by cross-validation on training rows alone.

Columns are brought to mean 0 and variance 1 by the rows that are learnt from. Then: logistic
regression (classify); ridge regression (regress); for a choice logistic regression of the
differences between the right answer's columns and every wrong one's, without an intercept: of two
answers that is the softmax over them, of more the softmax pair by pair, and what all answers share
cancels out. SentEval predicts a relatedness as a distribution over the whole scores (Tai et al.
2015, `encode_labels` in its `sick.py`); ridge regression has one weight less to explain.

Shape letters: S rows, n examples, F columns, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from gpteval.task import Kind, Label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STRENGTHS: tuple[float, ...] = tuple(10.0**n for n in range(-4, 2))
"""Inverse strengths C of the penalty that are tried: of logistic regressions, as scikit-learn has
them; of ridge regressions α = 1/C."""
L1_STRENGTHS: tuple[float, ...] = tuple(2.0**n for n in range(-8, 1))
"""Those of the L1 penalty: as Radford et al. 2017 tried them (`train_with_reg_cv`)."""
RIDGE_STRENGTHS: tuple[float, ...] = tuple(10.0**n for n in range(-5, 1))
"""Those of ridge regressions; α from 1 to 100,000."""
FOLDS = 5
LEAST = 1e-12
"""The probability of a class that no row learnt from had."""


class Rows(Protocol):
    """What a head learns from or answers: n examples of any kind of columns."""

    gold: Sequence[Label]

    def take(self, examples: NDArray[np.int64]) -> Self:
        """Some of the examples."""


class Fitted(Protocol):
    """A head that has learnt."""

    @property
    def found(self) -> Mapping[str, Any]:
        """What was chosen and learnt beside the weights, for the record."""

    @property
    def classes(self) -> Sequence[Label]:
        """The classes, in the order of their probabilities; none where it says numbers."""

    def likely(self, rows: Any) -> Array:
        """Probabilities of the classes (n, C), of the answers one after another (S,), or numbers.

        Those of the answers to one question add up to 1.
        """


Path = Callable[[Any, Sequence[float]], Iterator[Fitted]]
"""Learns from rows with one strength after another, the strongest penalty first."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Examples as rows of columns.

    Attributes:
        columns: (S, F).
        sizes: (n,) rows of each example: 1, or one per answer.
        gold: (n,) labels.
    """

    columns: NDArray[np.floating[Any]]
    sizes: NDArray[np.int64]
    gold: Sequence[Label]

    def take(self, examples: NDArray[np.int64]) -> Columns:
        """Some of the examples."""
        rows = rows_of(self.sizes, examples)
        gold = [self.gold[place] for place in examples]
        return Columns(self.columns[rows], self.sizes[examples], gold)


def rows_of(sizes: NDArray[np.int64], examples: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows that some examples have, when each of all examples has so many."""
    starts = np.cumsum(sizes) - sizes
    return np.concatenate([np.arange(starts[e], starts[e] + sizes[e]) for e in examples])


@dataclass(frozen=True, slots=True)
class Scale:
    """What brings columns to mean 0 and variance 1; a constant column to 0."""

    mean: Array
    deviation: Array

    @classmethod
    def of(cls, columns: NDArray[np.floating[Any]]) -> Scale:
        """By these rows."""
        wide = np.asarray(columns, np.float64)
        deviation = wide.std(0)
        return cls(wide.mean(0), np.where(deviation > 0, deviation, 1.0))

    def __call__(self, columns: NDArray[np.floating[Any]]) -> Array:
        """The columns, scaled."""
        return (np.asarray(columns, np.float64) - self.mean) / self.deviation


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted linear head: scikit-learn's over scaled columns."""

    scale: Scale
    model: Any
    strength: float
    kind: Kind

    def likely(self, rows: Columns) -> Array:
        """As `Fitted` has it."""
        columns = self.scale(rows.columns)
        if self.kind == "choose":
            return softmax_within(columns @ self.model.coef_[0], rows.sizes)
        answers = self.model.predict if self.kind == "regress" else self.model.predict_proba
        found: Array = answers(columns)
        return found

    @property
    def found(self) -> Mapping[str, Any]:
        """The strength, and how many columns an L1 penalty has left a weight."""
        found = {"strength": self.strength}
        if getattr(self.model, "l1_ratio", None) == 1:
            found["units"] = int(self.model.coef_.any(axis=0).sum())
        return found

    @property
    def classes(self) -> Sequence[Label]:
        """As `Fitted` has it."""
        return [str(name) for name in getattr(self.model, "classes_", ())]


def linear_path(kind: Kind, penalty: str = "l2") -> Path:
    """Learns a linear head; each strength begins where the last one ended."""

    def path(rows: Columns, strengths: Sequence[float]) -> Iterator[Linear]:
        scale = Scale.of(rows.columns)
        columns, gold, weights = _learnt(kind, scale(rows.columns), rows)
        for strength in strengths:
            model = _model(kind, penalty, strength, len(set(gold)))
            own = {} if weights is None else {"sample_weight": weights}
            yield Linear(scale, model.fit(columns, gold, **own), strength, kind)

    return path


def _learnt(kind: Kind, columns: Array, rows: Columns) -> tuple[Array, list[Any], Array | None]:
    """What scikit-learn is given: columns, labels and weights."""
    if kind != "choose":
        return columns, list(rows.gold), None
    pairs = differences(columns, rows)
    # Each both ways, so that there are two classes, at half its weight.
    gold = [True] * len(pairs) + [False] * len(pairs)
    return np.concatenate([pairs, -pairs]), gold, np.full(len(gold), 0.5)


def differences(columns: Array, rows: Columns) -> Array:
    """The right answer's columns less every wrong one's, (S - n, F)."""
    starts = np.cumsum(rows.sizes) - rows.sizes
    right = starts + np.array([int(label) for label in rows.gold if label is not None])
    wrong = np.setdiff1d(np.arange(len(columns)), right)
    pairs: Array = columns[np.repeat(right, rows.sizes - 1)] - columns[wrong]
    return pairs


def _model(kind: Kind, penalty: str, strength: float, labels: int) -> Any:
    """scikit-learn's model, not fitted; where there is one label only, that label."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression, Ridge

    if kind == "regress":
        return Ridge(alpha=1 / strength)
    if labels == 1:
        return DummyClassifier(strategy="most_frequent")
    if penalty == "l1":
        solver = "liblinear" if labels == 2 else "saga"
        return LogisticRegression(
            C=strength, l1_ratio=1.0, solver=solver, max_iter=1000, random_state=0
        )
    return LogisticRegression(C=strength, max_iter=1000, fit_intercept=kind != "choose")


def softmax_within(scores: Array, sizes: NDArray[np.int64]) -> Array:
    """Softmax over the answers of every example, (S,)."""
    starts = np.cumsum(sizes) - sizes
    highest = np.repeat(np.maximum.reduceat(scores, starts), sizes)
    shares: Array = np.exp(scores - highest)
    shares /= np.repeat(np.add.reduceat(shares, starts), sizes)
    return shares


def loss(kind: Kind, fitted: Fitted, rows: Any) -> float:
    """Mean cross-entropy of the right answers; of numbers the mean squared error."""
    likely = fitted.likely(rows)
    if kind == "regress":
        return float(np.mean((likely - np.array(rows.gold, np.float64)) ** 2))
    if kind == "choose":
        starts = np.cumsum(rows.sizes) - rows.sizes
        right = likely[starts + np.array(rows.gold, np.int64)]
    else:
        place = {name: n for n, name in enumerate(fitted.classes)}
        right = np.array([row[place[g]] if g in place else 0.0
                          for row, g in zip(likely, rows.gold, strict=True)])  # fmt: skip
    return float(-np.log(np.maximum(right, LEAST)).mean())


def cross_validated(
    kind: Kind, path: Path, rows: Any, groups: Sequence[str], strengths: Sequence[float]
) -> tuple[Fitted, tuple[float, ...]]:
    """A head of the strength whose mean loss on held-out training rows is the smallest.

    Args:
        kind: Of the task.
        path: Learns.
        rows: The training rows.
        groups: (n,) examples of one group are held out together.
        strengths: What is tried, the strongest penalty first.

    Returns:
        The head, which has learnt from all rows, and every strength's loss; no losses where there
        is nothing to choose from, or one group only: the one in the middle is taken.
    """
    from sklearn.model_selection import GroupKFold

    known = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    places, folds = np.array([known[group] for group in groups]), min(FOLDS, len(known))
    if folds < 2 or len(strengths) < 2:
        return next(path(rows, [strengths[len(strengths) // 2]])), ()
    losses = np.zeros(len(strengths))
    split = GroupKFold(folds, shuffle=True, random_state=0).split(places, groups=places)
    for learnt, held in split:
        own, asked = rows.take(learnt), rows.take(held)
        for number, fitted in enumerate(path(own, strengths)):
            losses[number] += loss(kind, fitted, asked) * len(held) / len(places)
    best = strengths[int(losses.argmin())]
    return next(path(rows, [best])), tuple(float(each) for each in losses)
