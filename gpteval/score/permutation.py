"""The p of a permutation test: two systems' answers swapped, as often as it takes to know it.

The observed difference and those with answers swapped at random are equally likely to be the
largest, where there is none: p is the share of them, the observed one included, that are as large
as it. So p can't fall below one in their number, and what many tasks need after Holm's correction
may lie below that. Where `PLENTY` of the first `LOOK` draws are as large, p is far above any level,
and where `ENOUGH` as large have come up in the first draws that are asked for, it is known well
enough. Else drawing goes on until they have, and p is their share then (Besag & Clifford,
"Sequential Monte Carlo p-values", Biometrika 78, 1991), or until p can only be below the level that
it is needed at. At any level, p is at most that in no more than that share of equal pairs: to stop
at the first look says p > `PLENTY` / `LOOK`, and at a level above that the first look alone has to
be at most it.

Shape letters: n examples, S systems, P kinds of clusters, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from gpteval.score.resampling import (
    Answers,
    by_confusion,
    confusion_scores,
    kinds_of,
    rows_at_once,
    sizes,
    weighted_scores,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.task import Task

    Array = NDArray[np.float64]

ENOUGH = 10
"""Differences as large as the observed one by which p is known to about a third of itself."""

LOOK = 2000
"""Draws after which p is looked at for the first time."""
PLENTY = 200
"""Of these, as large as the observed one: p is a tenth or more, and known to 7 % of itself."""


def most_draws(first: int, level: float) -> int:
    """How many draws decide whether p is at most `level`: no fewer than the first ones."""
    return max(first, math.ceil(ENOUGH / level))


def steps(first: int, most: int) -> Iterator[int]:
    """How many draws are made from one look at p to the next.

    Args:
        first: Looked at in any case, but where the first look says enough.
        most: How many there are in all.
    """
    if first > LOOK:
        yield LOOK
        yield first - LOOK
    else:
        yield first
    yield from (min(first, most - start) for start in range(first, most, first))


def p_value(observed: float, chunks: Iterable[Array], first: int) -> float:
    """Two-sided p of a difference.

    Args:
        observed: The difference.
        chunks: Differences with answers swapped, as many as may be drawn; a chunk ends where
            `steps` says.
        first: So many are looked at in any case.
    """
    import numpy as np

    reached = drawn = 0
    for chunk in chunks:
        hits = np.flatnonzero(abs(chunk) >= abs(observed) - 1e-12)
        if drawn >= first and reached + len(hits) >= ENOUGH:
            return ENOUGH / (drawn + int(hits[ENOUGH - reached - 1]) + 1)
        reached, drawn = reached + len(hits), drawn + len(chunk)
        if reached >= {LOOK: PLENTY, first: ENOUGH}.get(drawn, math.inf):
            break
    return (1 + reached) / (1 + drawn)


def swapped(
    task: Task, metrics: Sequence[str], answers: Answers, steps: Iterable[int], seed: int = 0
) -> Iterator[Array]:
    """Differences of two systems whose answers change places in a random half of the clusters.

    Args:
        task: Whose labels they are.
        metrics: Names of registered metrics; the difference is that of their mean.
        answers: Of two systems.
        steps: How many there are; a chunk ends after each of these numbers.
        seed: Of the swaps.

    Yields:
        The second system's mean less the first's, (rows,).
    """
    import numpy as np

    generator = np.random.default_rng([seed, 1])  # the resamples have their own
    draw = _swapped_confusions if by_confusion(task, metrics) else _swapped_weights
    for pairs in draw(task, metrics, answers, generator, steps):
        yield sum(own[:, 1] - own[:, 0] for own in pairs) / len(metrics)  # type: ignore[misc]


def _swapped_confusions(
    task: Task,
    metrics: Sequence[str],
    answers: Answers,
    generator: np.random.Generator,
    steps: Iterable[int],
) -> Iterator[list[Array]]:
    """Every metric of both systems, (rows, 2) each."""
    import numpy as np

    kinds, often, classes = kinds_of(task, metrics, answers)
    whole = often[None].astype(np.float64) @ kinds
    first, second = kinds.reshape(len(kinds), 2, -1).swapaxes(0, 1)  # (P, K²) each
    change = np.concatenate([second - first, first - second], axis=1)
    moving = change.any(axis=1)  # the others may change places unseen
    change, place = np.unique(change[moving], axis=0, return_inverse=True)
    often = np.bincount(place.ravel(), often[moving], len(change)).astype(np.int64)
    for size in _chunks(steps, kinds.size):
        half = generator.binomial(often, 0.5, size=(size, len(often)))
        matrices = whole + half @ change
        yield [confusion_scores(name, matrices, classes, 2) for name in metrics]


def _swapped_weights(
    task: Task,
    metrics: Sequence[str],
    answers: Answers,
    generator: np.random.Generator,
    steps: Iterable[int],
) -> Iterator[list[Array]]:
    """As `_swapped_confusions`, by how often each example counts."""
    import numpy as np

    clusters, (_, (_, one, other)) = answers.cluster_numbers, answers.codes
    unlike = np.zeros(int(clusters.max()) + 1, dtype=bool)
    unlike[clusters[one != other]] = True  # the others may change places unseen
    fixed, moving = (np.flatnonzero(own) for own in (~unlike[clusters], unlike[clusters]))
    _, owners = np.unique(clusters[moving], return_inverse=True)
    # Both answers of what moves: what is swapped counts 0 here and 1 there.
    first, second = answers.given
    alike, apart = fixed.tolist(), moving.tolist()
    labels = [answers.labels[i] for i in (*alike, *apart, *apart)]
    given = [first[i] for i in (*alike, *apart)] + [second[i] for i in apart]
    weights = np.ones((2, rows_at_once(len(labels)), len(labels)))
    shown = weights.view()
    shown.flags.writeable = False  # a metric that writes into it would change the next draws
    for size in _chunks(steps, len(labels)):
        drawn = generator.integers(2, size=(size, int(unlike.sum())), dtype=np.int8)
        swap = drawn[:, owners]
        here, there = np.split(weights[:, :size, len(fixed) :], 2, axis=2)
        here[0], there[0], here[1], there[1] = 1 - swap, swap, swap, 1 - swap
        yield [
            np.stack([weighted_scores(task, name, labels, given, own[:size]) for own in shown], 1)
            for name in metrics
        ]


def _chunks(steps: Iterable[int], width: int) -> Iterator[int]:
    """Rows of each chunk, of which one ends after each step."""
    return chain.from_iterable(sizes(step, width) for step in steps)
