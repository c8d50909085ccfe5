"""Whether two systems differ on the same examples: paired tests, and what they could have found.

- Accuracy of one run each, on independent examples: McNemar's exact test on the examples that one
  of them got right, and Tango's score interval of the difference (Statistics in Medicine 17, 1998).
- Any other metric, and clusters: a paired bootstrap for the standard error, a permutation test that
  swaps the two systems' answers (see `gpteval.score.permutation`).
- Several seeds: examples and seeds are both drawn from larger populations, and the variances that
  come from them add up; what seeds do with single examples is in both estimates, and is taken away
  once (a two-way analysis of variance, whose terms come from the bootstrap, so that they are known
  for any metric). Few seeds know their own variance badly, so tails are averaged over all variances
  that they leave possible (the scaled inverse chi-squared distribution). Resampling the seeds calls
  equal models different in up to 12 of 100 comparisons of 15 tasks (`benchmarks/gate.py`).

A difference is the second system's score less the first's, as a fraction.

Shape letters: B resamples, S systems.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from gpteval.score.difference import Difference
from gpteval.score.mcnemar import LEVEL, mcnemar
from gpteval.score.metrics import metric
from gpteval.score.permutation import most_draws, p_value, steps, swapped
from gpteval.score.resampling import Answers, Scores, at_once, scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.results.baseline import Noise
    from gpteval.task import Task

    Array = NDArray[np.float64]
    Indices = NDArray[np.int64]

RESAMPLES = 10_000


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
        level: float = 1 - LEVEL,
    ) -> None:
        """Resample them.

        Args:
            task: What was answered.
            metrics: Names of the metrics to compare by.
            answers: Of the first side's runs, then of the second's.
            runs: How many are the first side's.
            noise: Metric → what is known beforehand of the seeds' part in its variance.
            resamples: Of the examples.
            level: Which p has to be told from larger ones: what is left of alpha for one of
                several tests.
        """
        self._task, self._metrics, self._answers, self._runs = task, metrics, answers, runs
        self._noise, self._resamples, self._level = noise or {}, resamples, level
        self._clusters = int(answers.cluster_numbers.max()) + 1
        _, (_, *given) = answers.codes
        self._shared = share_noise(given[:runs], given[runs:])
        self._right = answers.right()

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
        first, second = self._right[: self._runs].mean(0), self._right[self._runs :].mean(0)
        return float((first * (1 - second) + second * (1 - first)).mean())

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
        first, second = self._right
        more, fewer = int((second & ~first).sum()), int((first & ~second).sum())
        before, after = self.observed(name)
        n = len(first)
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
        if len(self._answers.given) > 2:
            return replace(found, p=2 * found.tail(abs(found.value)))
        return replace(found, p=self._of_swaps(metrics, found.value))

    def _of_swaps(self, metrics: Sequence[str], value: float) -> float:
        """The permutation test's p of a difference this large."""
        first = at_once(self._task, metrics, self._resamples)
        draws = steps(first, most_draws(first, self._level))
        return p_value(value, swapped(self._task, metrics, self._answers, draws), first)

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


def share_noise(first: Sequence[Indices], second: Sequence[Indices]) -> bool:
    """Whether run i of both sides, which have one seed, went the same way by it.

    Then their differences are compared, not their scores: a change that leaves training as it was
    is seen beneath the noise of the seeds. It is so where two runs of one seed differ in less than
    half as many answers as two of different seeds.
    """
    if len(first) != len(second) or len(first) < 2:
        return False
    import numpy as np

    one, other = (np.array(side) for side in (first, second))
    flips = (one[:, None] != other[None]).sum(2)  # of every run of one with every run of the other
    same, count = int(flips.trace()), len(first)
    return 2 * same / count < (int(flips.sum()) - same) / (count * (count - 1))


def _mean(metrics: Sequence[Scores]) -> Scores:
    if len(metrics) == 1:
        return metrics[0]
    return Scores(
        sum(s.observed for s in metrics) / len(metrics),  # type: ignore[arg-type]
        sum(s.resampled for s in metrics) / len(metrics),  # type: ignore[arg-type]
    )
