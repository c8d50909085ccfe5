"""Scores of several systems on the same examples, drawn again and again: for paired tests.

In every resample all systems are scored on the same examples, so that what makes an example easy or
hard for both sides of a comparison cancels out. Clusters (the questions on one article) are drawn,
and swapped, whole.

Where every metric is computed from a confusion matrix, clusters that count the same in all matrices
are alike: a resample is one multinomial draw over the kinds of them, however many examples. Where
every metric is the share of right answers, all that counts is which are: that leaves few kinds.

Shape letters: n examples, C clusters, P kinds of clusters, S systems, B resamples, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from gpteval.score.metrics import computed, metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.task import Task

    Array = NDArray[np.float64]
    Indices = NDArray[np.int64]

CHUNK = 500_000
"""Numbers held at once by a resampling: more than a processor keeps near itself take longer."""

WIDEST = 1 << 62
"""Numbers below it fit in 64 bits, with one to spare."""

CALLS = 1000
"""Most resamples of a metric that is computed one resample at a time."""


@dataclass(frozen=True)
class Answers:
    """What several systems answered to the same examples.

    Attributes:
        labels: Gold labels, (n,).
        clusters: Name of each example's cluster, (n,); "" for an example that is its own.
        given: Of every system, (S, n).
    """

    labels: Sequence[Any]
    clusters: Sequence[str]
    given: Sequence[Sequence[Any]]

    @cached_property
    def cluster_numbers(self) -> Indices:
        """The number of each example's cluster, (n,), from 0 to C - 1."""
        return numbered(self.clusters)

    @cached_property
    def codes(self) -> tuple[dict[Any, int], Indices]:
        """A number for every value; those of gold labels, then of each system, (1 + S, n)."""
        import numpy as np

        sides, count = [self.labels, *self.given], len(self.labels)
        numbers = {value: place for place, value in enumerate(dict.fromkeys(chain(*sides)))}
        coded = [np.fromiter(map(numbers.__getitem__, own), np.int64, count) for own in sides]
        return numbers, np.stack(coded)

    def right(self) -> NDArray[np.bool_]:
        """Whether each system gave the gold label, (S, n)."""
        _, codes = self.codes
        right: NDArray[np.bool_] = codes[1:] == codes[0]
        return right


def numbered(names: Sequence[str]) -> Indices:
    """The number of each example's cluster, (n,), from 0 on; an example without one is its own."""
    import numpy as np

    if not any(names):
        return np.arange(len(names))
    own = names if all(names) else [name or row for row, name in enumerate(names)]
    numbers = {name: place for place, name in enumerate(dict.fromkeys(own))}
    return np.fromiter(map(numbers.__getitem__, own), np.int64, len(own))


@dataclass(frozen=True, slots=True)
class Scores:
    """One metric of every system.

    Attributes:
        observed: On the examples as they are, (S,).
        resampled: On resamples of the clusters, (B, S).
    """

    observed: Array
    resampled: Array


def scores(
    task: Task, metrics: Sequence[str], answers: Answers, resamples: int, seed: int = 0
) -> dict[str, Scores]:
    """Metrics of every system, all of them on the same resamples.

    Args:
        task: Whose labels they are.
        metrics: Names of registered metrics.
        answers: Of at least one system.
        resamples: How many; 0 for the observed scores alone. A metric that neither has a form for
            confusion matrices nor one for weights is computed on `CALLS` at most.
        seed: Of the resampling: the same answers give the same scores.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    if by_confusion(task, metrics):
        return _of_confusions(task, metrics, answers, resamples, generator)
    return _of_weights(task, metrics, answers, at_once(task, metrics, resamples), generator)


def at_once(task: Task, metrics: Sequence[str], resamples: int) -> int:
    """How many resamples are computed of so many asked for."""
    by_weights = task.kind == "regress" and all(metric(name).weighted for name in metrics)
    return resamples if by_weights or by_confusion(task, metrics) else min(resamples, CALLS)


def by_confusion(task: Task, metrics: Sequence[str]) -> bool:
    """Whether all metrics are computed from confusion matrices."""
    return task.kind != "regress" and all(metric(name).of_confusion for name in metrics)


def _of_confusions(
    task: Task,
    metrics: Sequence[str],
    answers: Answers,
    resamples: int,
    generator: np.random.Generator,
) -> dict[str, Scores]:
    import numpy as np

    kinds, often, classes = kinds_of(task, metrics, answers)
    systems, total = len(answers.given), int(often.sum())

    def measured(matrices: Array) -> dict[str, Array]:
        """(rows, S · K²) → metric → (rows, S)."""
        return {name: confusion_scores(name, matrices, classes, systems) for name in metrics}

    drawn = [
        measured(generator.multinomial(total, often / total, size=size) @ kinds)
        for size in sizes(resamples, kinds.size)
    ]
    return _collected(metrics, measured(often[None].astype(np.float64) @ kinds), drawn)


def confusion_scores(name: str, matrices: Array, classes: int, systems: int) -> Array:
    """One metric of confusion matrices, (rows, S · K²) → (rows, S)."""
    measure = metric(name).of_confusion
    assert measure is not None
    return measure(matrices.reshape(-1, classes, classes)).reshape(-1, systems)


def kinds_of(task: Task, metrics: Sequence[str], answers: Answers) -> tuple[Array, Indices, int]:
    """Confusion counts of each kind of cluster, (P, S · K²), how many there are, (P,), and K."""
    import numpy as np

    if all(metric(name).proportion for name in metrics):
        cells, k = (~answers.right()).astype(np.int64).T, 2  # of a class: given it, or another one
    else:
        cells, k = _cells(task, answers)
    systems = len(answers.given)
    clusters = answers.cluster_numbers
    places = np.arange(systems)[None]
    if clusters.max() + 1 == len(clusters):
        alike, often = _different_rows(cells)
        counts = np.zeros((len(alike), systems, k * k))
        counts[np.arange(len(alike))[:, None], places, alike] = 1
        return counts.reshape(len(alike), -1), often, k
    places = (clusters[:, None] * systems + places) * k * k + cells
    size = (int(clusters.max()) + 1) * systems * k * k
    table = np.bincount(places.ravel(), minlength=size).reshape(-1, systems * k * k)
    kinds, often = np.unique(table.astype(np.float64), axis=0, return_counts=True)
    return kinds, often, k


def _cells(task: Task, answers: Answers) -> tuple[Indices, int]:
    """Where each answer counts in its system's matrix of K² cells, (n, S), and K."""
    import numpy as np

    numbers, codes = answers.codes
    classes: list[Any] = [*task.labels] or sorted(numbers, key=str)
    gold, *given = np.array([classes.index(name) for name in numbers])[codes]
    return (gold * len(classes) + np.stack(given)).T, len(classes)


def _different_rows(table: Indices) -> tuple[Indices, Indices]:
    """The rows that differ, (P, S) of (n, S), and how often each is there, (P,).

    A row becomes one number, as sorting numbers is ten times as fast as sorting rows.
    """
    import numpy as np

    places, most, width = np.zeros(len(table), dtype=np.int64), 1, int(table.max()) + 1
    for column in table.T:
        if most > WIDEST // width:
            values, places = np.unique(places, return_inverse=True)
            most = len(values)
        places, most = places * width + column, most * width
    _, rows, often = np.unique(places, return_index=True, return_counts=True)
    return table[rows], often


def _of_weights(
    task: Task,
    metrics: Sequence[str],
    answers: Answers,
    resamples: int,
    generator: np.random.Generator,
) -> dict[str, Scores]:
    import numpy as np

    clusters, count = answers.cluster_numbers, len(answers.labels)

    def measured(weights: Array, systems: Sequence[Sequence[Any]]) -> dict[str, Array]:
        """How often each example occurs, (rows, n) → metric → (rows, S)."""
        own = {
            name: [weighted_scores(task, name, answers.labels, given, weights) for given in systems]
            for name in metrics
        }
        return {name: np.stack(columns, axis=1) for name, columns in own.items()}

    whole = measured(np.ones((1, count)), answers.given)
    drawn = [
        measured(weights, answers.given) for weights in _weights(clusters, resamples, generator)
    ]
    return _collected(metrics, whole, drawn)


def weighted_scores(
    task: Task, name: str, labels: Sequence[Any], given: Sequence[Any], weights: Array
) -> Array:
    """One system's scores, (rows,), where each example occurs as often as its weight, (rows, n)."""
    import numpy as np

    measure = metric(name).weighted
    if task.kind == "regress" and measure:
        gold, predicted = (np.array(values, dtype=np.float64) for values in (labels, given))
        return measure(gold, predicted, weights)
    places = np.arange(len(labels))
    rows = (np.repeat(places, weight).tolist() for weight in weights.astype(np.int64))
    return np.array(
        [computed(name, task, [labels[i] for i in row], [given[i] for i in row]) for row in rows]
    )


def _weights(clusters: Indices, resamples: int, generator: np.random.Generator) -> Iterator[Array]:
    """How often each example occurs in each resample, (B, n) in chunks of rows."""
    import numpy as np

    count = int(clusters.max()) + 1
    for size in sizes(resamples, len(clusters)):
        drawn = generator.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count).astype(np.float64)
        times = times.reshape(size, count)
        yield times if count == len(clusters) else times[:, clusters]


def sizes(resamples: int, width: int) -> Iterator[int]:
    """Rows of each chunk, so that it holds about `CHUNK` numbers, (rows, width)."""
    rows = rows_at_once(width)
    return (min(rows, resamples - start) for start in range(0, resamples, rows))


def rows_at_once(width: int) -> int:
    """The most rows of a chunk."""
    return max(1, CHUNK // width)


def _collected(
    metrics: Sequence[str], whole: Mapping[str, Array], drawn: Sequence[Mapping[str, Array]]
) -> dict[str, Scores]:
    return {name: Scores(whole[name][0], _joined(whole, drawn, name)) for name in metrics}


def _joined(whole: Mapping[str, Array], chunks: Sequence[Mapping[str, Array]], name: str) -> Array:
    """One metric of all chunks, (rows, S); as wide as the whole where there are none."""
    import numpy as np

    return np.concatenate([whole[name][:0], *(chunk[name] for chunk in chunks)])
