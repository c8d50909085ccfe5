"""Whether two systems differ on the same examples: paired tests, and what they could have found.

- Accuracy of one run each, on independent examples: McNemar's exact test on the examples that one
  of them got right, and Tango's score interval of the difference (Statistics in Medicine 17, 1998).
- Any other metric, and clusters: a paired bootstrap for the standard error, a permutation test that
  swaps the two systems' answers.
- Several seeds: examples and seeds are both drawn from larger populations, and the variances that
  come from them add up; what seeds do with single examples is in both estimates, and is taken away
  once (a two-way analysis of variance, whose terms come from the bootstrap, so that they are known
  for any metric). Few seeds know their own variance badly, so tails are averaged over all variances
  that they leave possible (the scaled inverse chi-squared distribution): Satterthwaite's degrees of
  freedom, and resampling the seeds, find twice as many differences as there are
  (`benchmarks/gate.py`).

A difference is the second system's score less the first's, as a fraction.

Shape letters: B resamples, S systems.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from gpteval.score.metrics import metric
from gpteval.score.resampling import Answers, Scores, scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.results.baseline import Noise
    from gpteval.task import Task

    Array = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95
"""Confidence of an interval that is shown."""
DRAWS = 8
"""Variances that the next seeds may show, of which power is the mean."""
ROUNDS = 2
"""A size and the variance that comes with it nearly settle in so many."""
HALVINGS = 28
"""A difference is at most 2, so this finds a bound to eight digits."""
MANY = 500
"""Clusters from which on Student's t is the normal distribution, which is quicker."""
POINTS = 400
"""Variances that a tail is averaged over."""
POWER = 0.8
"""How often a difference of the minimal detectable size is found."""


@dataclass(frozen=True)
class Difference:
    """The second system's score less the first's, and how sure that is.

    Attributes:
        first, second: Their scores, means over their seeds.
        examples: Variance of the difference from the choice of examples.
        n, clusters: Examples, and clusters of them (each example, where they name none).
        p: Two-sided, of there being no difference.
        seeds: Variance that comes with the seeds; None where one run can't tell it.
        shared: How much of it is in `examples` too.
        freedom: Degrees of freedom that `seeds` is known with.
        flipped: Share of the examples that a run of one side gets right and one of the other
            wrong; 0 where answers are numbers.
        discordant: Examples that only the second, and only the first, got right; for one run each
            of a proportion on independent examples, else None.
    """

    first: float
    second: float
    examples: float
    n: int
    clusters: int
    p: float = 1.0
    seeds: float | None = None
    shared: float = 0.0
    freedom: float = 0.0
    flipped: float = 0.0
    discordant: tuple[int, int] | None = None

    @property
    def value(self) -> float:
        """The difference."""
        return self.second - self.first

    @property
    def training(self) -> float | None:
        """Variance from the seeds alone."""
        return None if self.seeds is None else max(self.seeds - self.shared, 0.0)

    @property
    def error(self) -> float:
        """Its standard error."""
        return math.sqrt(self.examples + (self.training or 0.0))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The interval that holds the true difference with this confidence."""
        if self.discordant:
            return tango_interval(*self.discordant, self.n, level)
        margin = self._margin(1 - level)
        return self.value - margin, self.value + margin

    def p_beyond(self, tolerance: float) -> float:
        """Two-sided p of a true difference no larger than the tolerance, in the direction seen."""
        size = abs(self.value) - tolerance
        if size <= 0:
            return 1.0
        if self.discordant:
            more, fewer = self.discordant
            bound = math.copysign(tolerance, self.value)
            statistic = abs(tango_statistic(more, fewer, self.n, bound))
            return max(self.p, 2 * _tail(statistic))
        return max(self.p, 2 * self.tail(size))

    def detectable(self, alpha: float = 1 - LEVEL, tolerance: float = 0.0) -> float:
        """The smallest true difference that is found, at this level, in `POWER` of all cases."""
        if self.discordant:
            return tolerance + mcnemar_detectable(self.flipped, self.n, alpha)
        size = 0.0
        for _ in range(ROUNDS):
            size = self._at(size)._reached(alpha)
        return tolerance + size

    def _at(self, size: float) -> Difference:
        """The same as if the true difference were of this size: more answers are flipped then."""
        scale = math.sqrt(self.examples * self.n * self.flipped)
        growth = math.hypot(1.0, size / scale) if scale else 1.0
        return replace(self, examples=self.examples * growth)

    def _reached(self, alpha: float) -> float:
        """What is found in `POWER` of all cases with the variance as it is."""
        if self.seeds is None or not self.error:
            return self._margin(alpha) + _quantile(POWER) * self.error
        return self._reached_over_seeds(alpha)

    def _reached_over_seeds(self, alpha: float) -> float:
        """The same where the variance that the next seeds show is itself a matter of chance."""
        from scipy.special import chdtri, ndtr

        shares = [(place + 0.5) / DRAWS for place in range(DRAWS)]
        drawn = [float(chdtri(self.freedom, share)) / self.freedom for share in shares]
        margins = [replace(self, seeds=(self.seeds or 0.0) * own)._margin(alpha) for own in drawn]

        def missing(size: float) -> float:
            found = sum(float(ndtr((size - margin) / self.error)) for margin in margins)
            return found / DRAWS - POWER

        return _crossing(missing, 0.0, max(margins) + 4 * self.error)

    def examples_needed(self, alpha: float = 1 - LEVEL) -> int | None:
        """How many examples would find a difference of this size as often.

        None where no number would: there is no difference, or seeds alone vary too much.
        """
        if not self.error:
            return None
        reach = self.detectable(alpha) / self.error
        room = (self.value / reach) ** 2 - (self.training or 0.0)
        return math.ceil(self.n * self.examples / room) if room > 1e-12 else None

    def tail(self, size: float) -> float:
        """How often chance alone brings a difference this large, in one direction."""
        from scipy.special import ndtr, stdtr

        variances = self._variances
        if not variances.max():
            return 0.5 if abs(size) < 1e-12 else 0.0
        # a variance of 0 may be one of several
        errors = variances.clip(1e-18) ** 0.5
        if self.clusters > MANY:
            return float(ndtr(-size / errors).mean())
        return float(stdtr(max(self.clusters - 1, 1), -size / errors).mean())

    def _margin(self, alpha: float) -> float:
        """Half the width of the interval whose error is `alpha`."""
        variances = self._variances
        widest = math.sqrt(variances.max())
        if not widest:
            return 0.0
        freedom = math.inf if self.clusters > MANY else max(self.clusters - 1, 1)
        end = float(widest * _quantile(1 - alpha / 2, freedom))
        if len(variances) == 1:
            return end
        return _crossing(lambda size: 2 * self.tail(size) - alpha, end, 0.0)

    @cached_property
    def _variances(self) -> Array:
        """Of the difference: all that the seeds leave possible, equally likely ones."""
        import numpy as np
        from scipy.special import chdtri

        if self.seeds is None:
            return np.array([self.examples])
        shares = (np.arange(POINTS) + 0.5) / POINTS
        possible = self.seeds * self.freedom / chdtri(self.freedom, shares)
        variances: Array = self.examples + np.maximum(possible - self.shared, 0.0)
        return variances


class Paired:
    """Two sides of a comparison: every run of both, on the same examples."""

    def __init__(
        self,
        task: Task,
        metrics: Sequence[str],
        answers: Answers,
        runs: int,
        *,
        noise: Mapping[str, Noise] | None = None,
        resamples: int = RESAMPLES,
    ) -> None:
        """Resample them.

        Args:
            task: What was answered.
            metrics: Names of the metrics to compare by.
            answers: Of the first side's runs, then of the second's.
            runs: How many are the first side's.
            noise: Metric → what is known beforehand of the seeds' part in its variance.
            resamples: Of the examples.
        """
        self._task, self._metrics, self._answers, self._runs = task, metrics, answers, runs
        self._noise, self._resamples = noise or {}, resamples
        self._clusters = int(answers.cluster_numbers().max()) + 1
        self._shared = share_noise(answers.given[:runs], answers.given[runs:])

    @property
    def identical(self) -> bool:
        """Whether every run of one side answers everything as one of the other does."""
        given = [tuple(own) for own in self._answers.given]
        return bool(Counter(given[: self._runs]) == Counter(given[self._runs :]))

    def observed(self, name: str) -> list[float]:
        """Every run's score by one metric, the first side's before the second's."""
        observed: list[float] = self._observed[name].observed.tolist()
        return observed

    @cached_property
    def _flipped(self) -> float:
        """`Difference.flipped`, from the share of each side's runs that are right."""
        if self._task.kind == "regress":
            return 0.0
        labels, given = self._answers.labels, self._answers.given
        first, second = (
            [sum(answer == label for answer in own) / len(side)
             for label, own in zip(labels, zip(*side, strict=True), strict=True)]
            for side in (given[: self._runs], given[self._runs :])
        )  # fmt: skip
        flips = sum(a * (1 - b) + b * (1 - a) for a, b in zip(first, second, strict=True))
        return float(flips / len(labels))

    @cached_property
    def _observed(self) -> dict[str, Scores]:
        """Scores without resamples."""
        return scores(self._task, self._metrics, self._answers, 0)

    @cached_property
    def _resampled(self) -> dict[str, Scores]:
        """Scores with resamples: not needed where there is an exact test."""
        return scores(self._task, self._metrics, self._answers, self._resamples)

    def no_difference(self, name: str) -> Difference:
        """That of sides which are `identical`, as one run is to itself."""
        score = sum(self.observed(name)[: self._runs]) / self._runs
        return Difference(score, score, 0.0, len(self._answers.labels), self._clusters)

    def difference(self, metrics: Sequence[str]) -> Difference:
        """The difference by the mean of some of the metrics (of one: by that metric)."""
        one_each = len(self._answers.given) == 2 and not self._noise
        if one_each and self._clusters == len(self._answers.labels):
            (name, *others) = metrics
            if metric(name).proportion and not others:
                return self._of_proportion(name)
        return self._of_resamples(metrics)

    def _of_proportion(self, name: str) -> Difference:
        labels, (first, second) = self._answers.labels, self._answers.given
        rows = list(zip(labels, first, second, strict=True))
        more = sum(a != label == b for label, a, b in rows)
        fewer = sum(a == label != b for label, a, b in rows)
        before, after = self.observed(name)
        n = len(rows)
        variance = (more + fewer - (more - fewer) ** 2 / n) / n**2
        p = mcnemar(more, fewer)
        return Difference(
            before, after, variance, n, n, p, flipped=self._flipped, discordant=(more, fewer)
        )

    def _of_resamples(self, metrics: Sequence[str]) -> Difference:
        mean = _mean([self._resampled[name] for name in metrics])
        k, n = self._runs, len(self._answers.labels)
        before, after = float(mean.observed[:k].mean()), float(mean.observed[k:].mean())
        drawn = mean.resampled[:, k:].mean(1) - mean.resampled[:, :k].mean(1)
        examples = float(drawn.var(ddof=1)) * self._clusters / max(self._clusters - 1, 1)
        known = self._noise.get(metrics[0]) if len(metrics) == 1 else None
        found = Difference(before, after, examples, n, self._clusters, flipped=self._flipped)
        found = self._with_seeds(found, mean, known)
        if not len(mean.swapped):
            return replace(found, p=2 * found.tail(abs(found.value)))
        moved = abs(mean.swapped[:, 1] - mean.swapped[:, 0])
        reached = int((moved >= abs(found.value) - 1e-12).sum())
        return replace(found, p=(1 + reached) / (1 + len(moved)))

    def _with_seeds(self, found: Difference, mean: Scores, known: Noise | None) -> Difference:
        """The same with what the seeds add to its variance, where that is known."""
        sides = [slice(None, self._runs), slice(self._runs, None)]
        groups = [(mean.observed[side], mean.resampled[:, side]) for side in sides]
        if self._shared:
            (before, drawn_before), (after, drawn_after) = groups
            groups, known = [(after - before, drawn_after - drawn_before)], None
        share = sum(1 / len(own) for own, _ in groups)
        parts = [seed_variance(own, drawn) for own, drawn in groups]
        if known:
            parts.append((known.deviation**2, known.shared**2, known.seeds - 1))
        freedom = sum(degrees for *_, degrees in parts)
        if not freedom:
            return found
        between, together = (
            sum(part[place] * part[2] for part in parts) / freedom for place in (0, 1)
        )
        return replace(found, seeds=between * share, shared=together * share, freedom=freedom)


def seed_variance(observed: Array, resampled: Array) -> tuple[float, float, int]:
    """What seeds do to one run's score.

    Args:
        observed: Scores of the runs of one system, (S,).
        resampled: The same in every resample, (B, S).

    Returns:
        The variance between runs; the part of it that comes of what seeds do with single examples;
        and the degrees of freedom both are known with, 0 for a single run.
    """
    if len(observed) < 2:
        return 0.0, 0.0, 0
    between = float(observed.var(ddof=1))
    # A resample has that part once more than the examples as they are.
    together = float(resampled.var(axis=1, ddof=1).mean()) - between
    return between, max(together, 0.0), len(observed) - 1


def share_noise(first: Sequence[Sequence[object]], second: Sequence[Sequence[object]]) -> bool:
    """Whether run i of both sides, which have one seed, went the same way by it.

    Then their differences are compared, not their scores: a change that leaves training as it was
    is seen beneath the noise of the seeds. It is so where two runs of one seed differ in less than
    half as many answers as two of different seeds.
    """
    if len(first) != len(second) or len(first) < 2:
        return False
    same = [_flips(*pair) for pair in zip(first, second, strict=True)]
    other = [_flips(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if i != j]
    return 2 * sum(same) / len(same) < sum(other) / len(other)


def _flips(first: Sequence[object], second: Sequence[object]) -> int:
    return sum(a != b for a, b in zip(first, second, strict=True))


def _mean(metrics: Sequence[Scores]) -> Scores:
    if len(metrics) == 1:
        return metrics[0]
    return Scores(
        sum(s.observed for s in metrics) / len(metrics),  # type: ignore[arg-type]
        sum(s.resampled for s in metrics) / len(metrics),  # type: ignore[arg-type]
        sum(s.swapped for s in metrics) / len(metrics),  # type: ignore[arg-type]
    )


def mean_difference(differences: Sequence[Difference]) -> Difference:
    """The mean of differences on different examples, as of a suite's tasks.

    Runs of one seed on two tasks have nothing in common but that number.
    """
    count = len(differences)
    known = [d for d in differences if d.seeds]
    doubt = sum((d.seeds or 0.0) ** 2 / d.freedom for d in known)
    seeds = sum(d.seeds or 0.0 for d in known)
    mean = Difference(
        first=sum(d.first for d in differences) / count,
        second=sum(d.second for d in differences) / count,
        examples=sum(d.examples for d in differences) / count**2,
        n=sum(d.n for d in differences),
        clusters=sum(d.clusters for d in differences),
        flipped=sum(d.flipped for d in differences) / count,
        seeds=seeds / count**2 if known else None,
        shared=sum(d.shared for d in known) / count**2,
        freedom=seeds**2 / doubt if doubt else 0.0,
    )
    return replace(mean, p=min(1.0, 2 * mean.tail(abs(mean.value))))


def mcnemar(more: int, fewer: int) -> float:
    """McNemar's exact test: p of as uneven a split of the examples that one side alone got right.

    Args:
        more: Examples that the second system alone got right.
        fewer: Those that the first alone did.
    """
    from scipy.special import bdtr  # scipy.stats takes a second to import

    return min(1.0, 2 * float(bdtr(min(more, fewer), more + fewer, 0.5)))


def mcnemar_detectable(discordant: float, n: int, alpha: float) -> float:
    """The smallest true difference that McNemar's exact test finds in `POWER` of all cases.

    Args:
        discordant: Share of the examples that one side alone gets right.
        n: Examples.
        alpha: Level of the test.
    """
    import numpy as np
    from scipy.special import bdtr, ndtri

    spread = ndtri((np.arange(DRAWS) + 0.5) / DRAWS)[:, None]

    def missing(size: float) -> float:
        share = min(math.hypot(discordant, size), 1.0)  # the odds of both kinds change alike
        counts = (
            np.rint(n * share + spread * (n * share * (1 - share)) ** 0.5).clip(0, n).astype(int)
        )
        # The most uneven split that is significant lies near the normal quantile; -1: none is.
        near = np.floor(counts / 2 + ndtri(alpha / 2) * counts**0.5 / 2) + np.arange(-3, 4)
        fits = (near >= 0) & (near <= counts)
        fits &= 2 * bdtr(np.where(fits, near, 0), counts, 0.5) <= alpha
        most = np.where(fits, near, -1).max(1)
        found = bdtr(most.clip(0), counts[:, 0], 0.5 - size / (2 * share))
        return float(np.where(most < 0, 0.0, found).mean()) - POWER

    return _crossing(missing, 0.0, 1.0)


def tango_statistic(more: int, fewer: int, n: int, difference: float) -> float:
    """How many standard errors the data lie above a difference of paired proportions.

    The standard error is that of the likeliest proportions which have this difference; for 0 it is
    McNemar's statistic without correction.
    """
    a = 2 * n
    b = -more - fewer + (2 * n - more + fewer) * difference
    c = -fewer * difference * (1 - difference)
    only_first = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = n * (2 * only_first + difference * (1 - difference))
    distance = more - fewer - n * difference
    if variance <= 1e-12:
        return 0.0 if abs(distance) < 1e-9 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def tango_interval(more: int, fewer: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Tango's score interval of a difference of paired proportions."""
    critical = _quantile(0.5 + level / 2)
    value = (more - fewer) / n

    def bound(end: float) -> float:
        sign = math.copysign(1.0, value - end)

        def beyond(difference: float) -> float:
            return min(sign * tango_statistic(more, fewer, n, difference), 1e6) - critical

        if end == value or beyond(end) < 0:
            return end
        return _crossing(beyond, value, end)

    return bound(-1.0), bound(1.0)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p of several tests: below a level, all together err no more often than it."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def _crossing(function: Callable[[float], float], below: float, above: float) -> float:
    """Where a monotone function crosses zero, by halving; scipy.optimize is slow to import.

    Args:
        function: Of one number.
        below: Where it is at most zero.
        above: Where it is at least zero.
    """
    for _ in range(HALVINGS):
        middle = (below + above) / 2
        if function(middle) > 0:
            above = middle
        else:
            below = middle
    return (below + above) / 2


def _quantile(share: float, freedom: float = math.inf) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri(share) if math.isinf(freedom) else stdtrit(freedom, share))


def _tail(statistic: float) -> float:
    """One-sided: above it, of the normal distribution."""
    from scipy.special import ndtr

    return float(ndtr(-statistic))
