"""How sure a score is: its 95 % interval over the examples it was measured on, or that it has none.

Every interval comes from leaving out one cluster at a time (the questions on one article; an
example that names no cluster is its own), as the jackknife does: what the score then becomes tells
its variance, for any metric. It is taken on the logit scale between the metric's bounds, where a
score's distribution is nearly symmetric, and times a quantile of Student's t with as many degrees
of freedom as clusters of those sizes are worth, so that few clusters give a wide one. A proportion
has Wilson's interval instead, for as many independent examples as its variance is worth; of few, or
with hardly one right or wrong, its exact one.

Near a bound a handful of mistakes decides, and leaving them out says little. There a metric of
confusion matrices has the quantiles of its posterior: of what it is for confusion probabilities
drawn from the Dirichlet distribution of the counts and a prior worth one example in all.

There is none where the examples can't say: in a single cluster, of few examples, where leaving out
changes nothing (a constant prediction's Matthews), or for any other metric at its bound or decided
by a handful. `benchmarks/coverage.py` measures how often intervals hold the true score. They say
nothing about training seeds: those show in the range over seeds.

Shape letters: n examples, C clusters, U kinds of clusters, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpteval.metric import Metric
from gpteval.score.metrics import computed, headline, metric
from gpteval.score.resampling import numbered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.records import Prediction
    from gpteval.task import Task

    Array = NDArray[np.float64]
    Indices = NDArray[np.int64]

CHUNK = 2_000_000
"""Numbers held at once, so that 100,000 examples fit in memory too."""

GROUPS = 1000
"""Most clusters left out one by one where each takes a computation; more are put together."""

EXACT, FEW = 30, 12
"""Independent examples, and of them right or wrong ones, below which a proportion has its exact
interval (Clopper and Pearson 1934), for Wilson's is too narrow there. So from 100 examples on, by
exact sums over all counts, no true share is held by less than 93 %, and by more than 97 % only one
of which fewer than nine right or wrong answers are expected. Others are held by less somewhere:
Wilson's alone by 84 %, Jeffreys's by 88 %, mid-P by 91.7 %, Blaker's up to seven by 92.3 %."""

FEWEST = 15
"""Examples below which a score that is no share has no interval: of 10 it would be too narrow.

Of a posterior it is this often the labels but one: with many labels each is rare.
"""

LEAST = 2.5
"""Clusters that must share in a score's variance: with fewer there is none to speak of."""

MANY = 10
"""As many of independent examples, for a score of confusion matrices: with fewer, its posterior."""

DRAWS = 4000
"""Of a posterior."""


@dataclass(frozen=True, slots=True)
class Jackknife:
    """A score, and what it becomes without each cluster.

    Attributes:
        score: Of all examples.
        without: Its values without a cluster of each kind, (U,).
        often: How many clusters are of each kind, (U,).
        freedom: Degrees of freedom that clusters of these sizes are worth.
    """

    score: float
    without: Array
    often: Indices
    freedom: float

    @property
    def sharing(self) -> float:
        """How many clusters share in the variance: C where all do alike, 1 where it is one's."""
        import numpy as np

        squares = (self.without - np.average(self.without, weights=self.often)) ** 2
        total = float((self.often * squares).sum())
        return total**2 / float((self.often * squares**2).sum()) if total > 1e-24 else 0.0

    @property
    def quantile(self) -> float:
        """Student's, with as many degrees of freedom as the variance is known with.

        A variance of normal deviations has one for each, and C / 3 of them share in it (their
        fourth moment is 3); few that make all the difference have fewer (Satterthwaite).
        """
        return _quantile(min(self.freedom, 3 * self.sharing))


def interval(
    task: Task, predictions: Sequence[Prediction], seed: int = 0
) -> tuple[float, float] | None:
    """95 % interval of the task's headline metric; None where the examples support none.

    Args:
        task: Its first metric is the one.
        predictions: Of one split, at least one, all with a gold label.
        seed: Decides which clusters are put together where there are more than `GROUPS`.

    Returns:
        Lower and upper bound as fractions (correlations from -1).
    """
    import numpy as np

    measure, clusters = metric(task.metrics[0]), numbered([p.cluster for p in predictions])
    count = int(clusters.max()) + 1
    if measure.proportion and count == len(clusters):
        return _of_independent(headline(task, predictions), count)
    if count == 1 or (not measure.proportion and len(clusters) < FEWEST):
        return None
    if measure.of_confusion is None or task.kind == "regress":
        own = _of_groups(task, predictions, measure, clusters, seed)
        return _proportion(own, len(clusters)) if measure.proportion else _score(own, measure)
    cells, k = _cells(task, predictions)
    own = _of_confusions(cells, k, measure, clusters)
    if measure.proportion:
        return _proportion(own, len(clusters))
    many = own.sharing >= (MANY if count == len(clusters) else LEAST)
    counts = np.bincount(cells, minlength=k * k)
    return _score(own, measure) if many else _posterior(own, measure, counts)


def _of_independent(share: float, count: int) -> tuple[float, float]:
    """Of a share of examples that have nothing to do with each other."""
    from scipy.stats import binomtest, norm

    right = round(share * count)
    if count >= EXACT and FEW <= right <= count - FEW:
        return _wilson(share, count, float(norm.ppf(0.975)))
    bounds = binomtest(right, count).proportion_ci(0.95, method="exact")
    return float(bounds.low), float(bounds.high)


def _proportion(own: Jackknife, count: int) -> tuple[float, float] | None:
    """Of a share of clustered examples, by their effective number (Korn and Graubard 1998).

    Where too few clusters tell their variance, each counts as one example: the worst there can be.
    """
    if own.freedom < 1:
        return None
    share, worth = own.score, own.freedom + 1
    if own.sharing < LEAST:
        return _wilson(share, worth, _quantile(own.freedom))
    worth = min(share * (1 - share) / _variance(own.without, own.often), count)
    return _wilson(share, worth, own.quantile)


def _wilson(share: float, count: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a share of as many independent examples."""
    square = quantile**2 / count
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def _score(own: Jackknife, measure: Metric) -> tuple[float, float] | None:
    """Of a score that is no share: on the logit scale where it has two bounds."""
    import numpy as np

    if own.freedom < 1 or own.sharing < LEAST:
        return None
    values, low, high = np.array([own.score, *own.without]), measure.lower, measure.upper
    if values.min() <= low or values.max() >= high:
        return None
    bounded = math.isfinite(high - low)
    if bounded:
        values = np.log((values - low) / (high - values))
    margin = own.quantile * math.sqrt(_variance(values[1:], own.often))
    bounds = values[0] + np.array([-margin, margin])
    if bounded:
        bounds = low + (high - low) / (1 + np.exp(-bounds))
    return float(bounds[0]), float(bounds[1])


def _posterior(own: Jackknife, measure: Metric, counts: Indices) -> tuple[float, float] | None:
    """Of a score that a handful of examples decides; `counts` is the confusion matrix, (K²,).

    Clusters count as one example each: the worst there can be, for too few tell their variance.
    """
    import numpy as np

    k, total, worth = math.isqrt(len(counts)), int(counts.sum()), float(counts.sum())
    if own.often.sum() < total:
        normal = _quantile(math.inf)
        worth = (own.freedom + 1) * (normal / _quantile(own.freedom)) ** 2 if own.freedom > 0 else 0
    unmoved = not own.sharing and measure.lower < own.score < measure.upper
    if unmoved or worth < FEWEST * (k - 1):
        return None
    # The older generator, for its numbers are the same in every version of NumPy.
    shares = np.random.RandomState(0).dirichlet(counts / total * worth + 1 / k**2, DRAWS)
    assert measure.of_confusion is not None
    scores = measure.of_confusion(shares.reshape(-1, k, k) * total)
    low, high = np.quantile(scores, [0.025, 0.975])
    return min(float(low), own.score), max(float(high), own.score)


def _quantile(freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))


def _variance(values: Array, often: Indices) -> float:
    """The jackknife's, of the score whose values without a cluster these are."""
    import numpy as np

    count = often.sum()
    squares = often * (values - np.average(values, weights=often)) ** 2
    return float((count - 1) / count * squares.sum())


def _freedom(clusters: Indices) -> float:
    """Degrees of freedom: clusters less one where all are of one size, fewer where a few are large.

    Kish's effective number, with the squares of the sizes, as if the examples of a cluster were
    one: the sum of n² squared over the sum of n⁴.
    """
    import numpy as np

    squares = np.bincount(clusters).astype(np.float64) ** 2
    return float(squares.sum() ** 2 / (squares**2).sum()) - 1


def _cells(task: Task, predictions: Sequence[Prediction]) -> tuple[Indices, int]:
    """The cell of a confusion matrix, gold by predicted, that each example counts in, (n,); K."""
    import numpy as np

    seen = {p.label for p in predictions} | {p.prediction for p in predictions}
    classes: list[Any] = [*task.labels] or sorted(seen, key=str)
    index = {name: place for place, name in enumerate(classes)}
    k = len(classes)
    return np.array([index[p.label] * k + index[p.prediction] for p in predictions]), k


def _of_confusions(cells: Indices, k: int, measure: Metric, clusters: Indices) -> Jackknife:
    """Of a metric of confusion matrices: clusters of equal counts are alike."""
    import numpy as np

    counts = np.zeros((int(clusters.max()) + 1, k * k))
    np.add.at(counts, (clusters, cells), 1)
    kinds, often = np.unique(counts, axis=0, return_counts=True)  # (U, K²), (U,)
    whole = (often @ kinds)[None]
    assert measure.of_confusion is not None
    scores = measure.of_confusion(np.concatenate([whole, whole - kinds]).reshape(-1, k, k))
    return Jackknife(float(scores[0]), scores[1:], often, _freedom(clusters))


def _of_groups(
    task: Task, predictions: Sequence[Prediction], measure: Metric, clusters: Indices, seed: int
) -> Jackknife:
    """Of any other metric: one computation for each group of clusters left out."""
    import numpy as np

    count = int(clusters.max()) + 1
    if count > GROUPS:
        clusters = (np.random.default_rng(seed).permutation(count) % GROUPS)[clusters]
        count = GROUPS
    labels, answers = [p.label for p in predictions], [p.prediction for p in predictions]
    if measure.weighted and task.kind == "regress":
        gold, predicted = (np.array(side, dtype=np.float64) for side in (labels, answers))
        weights = _weights(clusters, count)
        scores = np.concatenate([measure.weighted(gold, predicted, rows) for rows in weights])
    else:
        kept = (np.flatnonzero(row).tolist() for rows in _weights(clusters, count) for row in rows)
        scores = np.array(
            [
                computed(task.metrics[0], task, [labels[i] for i in own], [answers[i] for i in own])
                for own in kept
            ]
        )
    often = np.ones(count, dtype=np.int64)
    return Jackknife(float(scores[0]), scores[1:], often, _freedom(clusters))


def _weights(clusters: Indices, count: int) -> Iterator[Array]:
    """How often each example counts: once in all of them, then without each cluster; (C + 1, n)."""
    import numpy as np

    rows = max(1, CHUNK // len(clusters))
    for start in range(-1, count, rows):
        left_out = np.arange(start, min(start + rows, count))
        yield (clusters != left_out[:, None]).astype(np.float64)
