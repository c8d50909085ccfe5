"""The built-in metrics, registered through the same hook as a stranger's.

scikit-learn and scipy are imported when a split is scored, so that a metric's title costs nothing.

Shape letters: n examples, B resamples, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from gpteval import Metric, Prediction, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Values = Sequence[Any]


def accuracy(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Fraction of predictions that are the gold label."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, predictions))


def f1(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """F1 of the task's second label, its positive class; 0 where that does not occur."""
    from sklearn.metrics import f1_score

    positive = [task_labels[1]]
    return float(f1_score(labels, predictions, labels=positive, average="macro", zero_division=0))


def macro_f1(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Mean F1 of the labels that occur, gold or predicted; a label never got right counts 0."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, average="macro", zero_division=0))


def matthews(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Matthews' correlation, of two or more classes; 0 where labels or predictions are constant."""
    from sklearn.metrics import matthews_corrcoef

    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(matthews_corrcoef(labels, predictions))


def pearson(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Pearson's correlation; 0 where labels or predictions are constant."""
    from scipy.stats import pearsonr

    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(pearsonr(labels, predictions).statistic)


def spearman(labels: Values, predictions: Values, task_labels: tuple[str, ...]) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one side is constant."""
    from scipy.stats import spearmanr

    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(spearmanr(labels, predictions).statistic)


def _constant(values: Values) -> bool:
    return len(set(values)) == 1


def _accuracies(confusion: Array) -> Array:
    """(B, K, K), gold by predicted → (B,)."""
    share: Array = confusion.trace(axis1=1, axis2=2) / confusion.sum((1, 2))
    return share


def _f1s(confusion: Array) -> Array:
    """F1 of every class, (B, K, K) → (B, K); 0 for a class that does not occur."""
    import numpy as np

    hits = confusion.diagonal(axis1=1, axis2=2)
    scores: Array = 2 * hits / np.maximum(confusion.sum(1) + confusion.sum(2), 1)
    return scores


def _macro_f1s(confusion: Array) -> Array:
    """Mean over the classes that occur in each resample, (B, K, K) → (B,)."""
    occurs = confusion.sum(1) + confusion.sum(2) > 0
    mean: Array = _f1s(confusion).sum(1) / occurs.sum(1)
    return mean


def _matthews(confusion: Array) -> Array:
    """Gorodkin's K-class form (as in scikit-learn), (B, K, K) → (B,)."""
    gold, predicted = confusion.sum(2), confusion.sum(1)
    total, right = confusion.sum((1, 2)), confusion.trace(axis1=1, axis2=2)
    covariance = right * total - (gold * predicted).sum(1)
    spread = (total**2 - (gold**2).sum(1)) * (total**2 - (predicted**2).sum(1))
    return _divide(covariance, spread**0.5)


CONSTANT = 1e-12
"""A variance that is none, of values whose own is about 1."""


def pearsons(gold: Array, predicted: Array, weight: Array) -> Array:
    """Pearson's correlation in every resample, (n,) twice and (B, n) → (B,)."""
    x, y = _standardised(gold)[None], _standardised(predicted)[None]
    return _weighted_correlation(x, y, weight)


def spearmans(gold: Array, predicted: Array, weight: Array) -> Array:
    """Correlation of the ranks that the values have in each resample."""
    x, y = _midranks(_standardised(gold), weight), _midranks(_standardised(predicted), weight)
    return _weighted_correlation(x, y, weight)


def _standardised(values: Array) -> Array:
    result: Array = (values - values.mean()) / (values.std() or 1.0)
    return result


def _midranks(values: Array, weight: Array) -> Array:
    """Ranks from 0 to 1 in each resample, ties at their mean rank, (n,) and (B, n) → (B, n)."""
    import numpy as np

    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    tied = np.add.reduceat(weight[:, np.argsort(place)], starts, axis=1)
    middle = np.cumsum(tied, axis=1) - tied / 2
    ranks: Array = middle[:, place] / weight.sum(1, keepdims=True)
    return ranks


def _weighted_correlation(x: Array, y: Array, weight: Array) -> Array:
    """(B or 1, n) twice and (B, n) → (B,); 0 where one side is constant.

    From sums of products: the values are of mean 0 and deviation 1, or ranks, so that little is
    lost; what is left of a constant side's spread is rounding, below `CONSTANT`.
    """
    import numpy as np

    if len(x) == 1:
        values = np.concatenate([np.ones_like(x), x, y, x * x, y * y, x * y])
        total, *sums = (weight @ values.T).T  # (B,) each
    else:
        wx, wy = weight * x, weight * y
        products = ((wx, x), (wy, y), (wx, y))
        squares = [np.einsum("bn,bn->b", left, right) for left, right in products]
        total, sums = weight.sum(1), [wx.sum(1), wy.sum(1), *squares]
    mx, my, xx, yy, xy = (own / total for own in sums)
    spread = np.where(xx - mx**2 > CONSTANT, xx - mx**2, 0) * np.where(
        yy - my**2 > CONSTANT, yy - my**2, 0
    )
    return _divide(xy - mx * my, spread**0.5)


def _divide(numerator: Array, denominator: Array) -> Array:
    """Quotients, 0 where the denominator is, but for rounding (a real one is far above it)."""
    import numpy as np

    zeros = np.zeros_like(numerator)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 1e-9)


def guessed(task: Task, predictions: Sequence[Prediction]) -> float | None:
    """Expected accuracy of a uniform guess: 1/K of the labels, or of an example's answers."""
    if task.kind == "regress":
        return None
    return fmean(1 / len(task.labels or p.scores) for p in predictions)


def uncorrelated(task: Task, predictions: Sequence[Prediction]) -> float:
    """Expected correlation of a guess."""
    return 0.0


METRICS = (
    Metric(
        "accuracy",
        accuracy,
        proportion=True,
        of_confusion=_accuracies,
        chance=guessed,
    ),
    Metric("f1", f1, "F1", of_confusion=lambda confusion: _f1s(confusion)[:, 1]),
    Metric("macro_f1", macro_f1, "macro F1", of_confusion=_macro_f1s),
    Metric("matthews", matthews, "Matthews", -1.0, of_confusion=_matthews, chance=uncorrelated),
    Metric("pearson", pearson, "Pearson", -1.0, weighted=pearsons, chance=uncorrelated),
    Metric("spearman", spearman, "Spearman", -1.0, weighted=spearmans, chance=uncorrelated),
)
