"""How sure a score is: its 95 % interval over the examples it was measured on.

The interval is a percentile bootstrap that resamples clusters (the questions on one article) where
examples name any, else examples; accuracy over independent examples has Wilson's closed form, which
stays honest near 0 and 1. It says nothing about training seeds: those show in the range over seeds.

Shape letters: n examples, C clusters, B resamples, K classes. numpy comes with scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpteval.score.metrics import metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.records import Prediction
    from gpteval.task import Task

    Array = NDArray[np.float64]
    Indices = NDArray[np.int64]

CHUNK = 2_000_000
"""Numbers held at once by a resampling, so that 100,000 examples fit in memory too."""


def interval(
    task: Task, predictions: Sequence[Prediction], resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the task's headline metric.

    Args:
        task: Its first metric is the one.
        predictions: Of one split, at least one, all with a gold label.
        resamples: Bootstrap resamples (not used for accuracy without clusters).
        seed: Of the resampling: the same predictions give the same interval.

    Returns:
        Lower and upper bound as fractions (correlations from -1).
    """
    import numpy as np

    name = task.metrics[0]
    clusters = _clusters(predictions)
    if name == "accuracy" and clusters.max() + 1 == len(clusters):
        return _wilson(sum(p.label == p.prediction for p in predictions), len(predictions))
    generator = np.random.default_rng(seed)
    if name in OF_CONFUSION:
        scores = _bootstrap_classes(task, predictions, clusters, resamples, generator)
    elif name in ("pearson", "spearman"):
        scores = _bootstrap_correlation(
            predictions, _weights(clusters, resamples, generator), ranked=name == "spearman"
        )
    else:
        scores = _bootstrap_any(task, predictions, _weights(clusters, resamples, generator))
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


def _wilson(successes: int, trials: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    bounds = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(bounds.low), float(bounds.high)


def _clusters(predictions: Sequence[Prediction]) -> Indices:
    """Number of each example's cluster, (n,); an example without one is its own."""
    import numpy as np

    numbers: dict[str | int, int] = {}
    return np.array(
        [numbers.setdefault(p.cluster or row, len(numbers)) for row, p in enumerate(predictions)]
    )


def _weights(
    clusters: Indices, resamples: int, generator: np.random.Generator
) -> Iterator[Indices]:
    """How often each example occurs in each resample, (B, n) in chunks of rows."""
    import numpy as np

    count = int(clusters.max()) + 1
    rows = max(1, CHUNK // len(clusters))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield times[:, clusters]


def _bootstrap_classes(
    task: Task,
    predictions: Sequence[Prediction],
    clusters: Indices,
    resamples: int,
    generator: np.random.Generator,
) -> Array:
    """Resampled scores, (B,), of a metric that only needs the confusion matrix.

    Clusters with equal confusion counts are alike, so drawing C clusters is one multinomial draw
    over the distinct counts: without clusters there are at most K² of them, however many examples.
    """
    import numpy as np

    seen = {p.label for p in predictions} | {p.prediction for p in predictions}
    classes: list[Any] = [*task.labels] or sorted(seen, key=str)
    index = {name: place for place, name in enumerate(classes)}
    k = len(classes)
    cells = np.array([index[p.label] * k + index[p.prediction] for p in predictions])
    counts = np.zeros((int(clusters.max()) + 1, k * k), dtype=np.int64)
    np.add.at(counts, (clusters, cells), 1)
    distinct, often = np.unique(counts, axis=0, return_counts=True)
    rows = max(1, CHUNK // len(distinct))
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    total = int(often.sum())
    drawn = (generator.multinomial(total, often / total, size=size) @ distinct for size in sizes)
    confusion = np.concatenate(list(drawn)).reshape(resamples, k, k).astype(np.float64)
    return OF_CONFUSION[task.metrics[0]](confusion)


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


OF_CONFUSION: Mapping[str, Callable[[Array], Array]] = {
    "accuracy": _accuracies,
    "f1": lambda confusion: _f1s(confusion)[:, 1],
    "macro_f1": _macro_f1s,
    "matthews": _matthews,
}
"""Metrics of confusion matrices, gold by predicted: (B, K, K) → (B,)."""


def _bootstrap_correlation(
    predictions: Sequence[Prediction], weights: Iterator[Indices], ranked: bool
) -> Array:
    """Resampled Pearson correlations, (B,), of the values or of their ranks in each resample."""
    import numpy as np

    sides = [
        _standardised(np.array([p.label for p in predictions], dtype=np.float64)),
        _standardised(np.array([p.prediction for p in predictions], dtype=np.float64)),
    ]
    chunks: list[Array] = []
    for weight in weights:
        x, y = (_midranks(side, weight) if ranked else side[None] for side in sides)
        chunks.append(_weighted_correlation(x, y, weight))
    return np.concatenate(chunks)


def _standardised(values: Array) -> Array:
    result: Array = (values - values.mean()) / (values.std() or 1.0)
    return result


def _midranks(values: Array, weight: Indices) -> Array:
    """Ranks from 0 to 1 in each resample, ties at their mean rank, (n,) and (B, n) → (B, n)."""
    import numpy as np

    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    tied = np.add.reduceat(weight[:, np.argsort(place)], starts, axis=1)
    middle = np.cumsum(tied, axis=1) - tied / 2
    ranks: Array = middle[:, place] / weight.sum(1, keepdims=True)
    return ranks


def _weighted_correlation(x: Array, y: Array, weight: Indices) -> Array:
    """(B or 1, n) twice and (B, n) → (B,); 0 where one side is constant."""
    total = weight.sum(1, keepdims=True)
    x = x - (weight * x).sum(1, keepdims=True) / total
    y = y - (weight * y).sum(1, keepdims=True) / total
    spread = (weight * x * x).sum(1) * (weight * y * y).sum(1)
    return _divide((weight * x * y).sum(1), spread**0.5)


def _divide(numerator: Array, denominator: Array) -> Array:
    """Quotients, 0 where the denominator is, but for rounding (a real one is far above it)."""
    import numpy as np

    zeros = np.zeros_like(numerator)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 1e-9)


def _bootstrap_any(
    task: Task, predictions: Sequence[Prediction], weights: Iterator[Indices]
) -> Array:
    """Resampled scores, (B,), of a plug-in's metric, one call per resample."""
    import numpy as np

    function = metric(task.metrics[0]).function
    scores: list[float] = []
    for chunk in weights:
        for weight in chunk:
            drawn = [predictions[i] for i in np.repeat(np.arange(len(weight)), weight).tolist()]
            labels, answers = [p.label for p in drawn], [p.prediction for p in drawn]
            scores.append(function(labels, answers, task.labels))
    return np.array(scores)
