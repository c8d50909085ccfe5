"""How sure a score is: its 95 % interval over the examples it was measured on.

The interval is a percentile bootstrap that resamples clusters (the questions on one article) where
examples name any, else examples; a proportion of independent examples has Wilson's closed form,
which stays honest near 0 and 1. It says nothing about training seeds: those show in the range over
seeds.

Shape letters: n examples, C clusters, B resamples, K classes. numpy comes with scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gpteval.score.metrics import computed, headline, metric

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

    measure = metric(task.metrics[0])
    clusters = _clusters(predictions)
    if measure.proportion and clusters.max() + 1 == len(clusters):
        successes = headline(task, predictions) * len(predictions)
        return _wilson(round(successes), len(predictions))
    generator = np.random.default_rng(seed)
    if measure.of_confusion and task.kind != "regress":
        drawn = _confusions(task, predictions, clusters, resamples, generator)
        scores = measure.of_confusion(drawn)
    elif measure.weighted and task.kind == "regress":
        weights = _weights(clusters, resamples, generator)
        scores = _bootstrap_numbers(measure.weighted, predictions, weights)
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


def _confusions(
    task: Task,
    predictions: Sequence[Prediction],
    clusters: Indices,
    resamples: int,
    generator: np.random.Generator,
) -> Array:
    """Resampled confusion matrices, gold by predicted, (B, K, K).

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
    return np.concatenate(list(drawn)).reshape(resamples, k, k).astype(np.float64)


def _bootstrap_numbers(
    measure: Callable[[Array, Array, Indices], Array],
    predictions: Sequence[Prediction],
    weights: Iterator[Indices],
) -> Array:
    """Resampled scores, (B,), of a metric that takes all resamples of a chunk at once."""
    import numpy as np

    gold = np.array([p.label for p in predictions], dtype=np.float64)
    predicted = np.array([p.prediction for p in predictions], dtype=np.float64)
    return np.concatenate([measure(gold, predicted, weight) for weight in weights])


def _bootstrap_any(
    task: Task, predictions: Sequence[Prediction], weights: Iterator[Indices]
) -> Array:
    """Resampled scores, (B,), of a plug-in's metric, one call per resample."""
    import numpy as np

    scores: list[float] = []
    for chunk in weights:
        for weight in chunk:
            drawn = [predictions[i] for i in np.repeat(np.arange(len(weight)), weight).tolist()]
            labels, answers = [p.label for p in drawn], [p.prediction for p in drawn]
            scores.append(computed(task.metrics[0], task, labels, answers))
    return np.array(scores)
