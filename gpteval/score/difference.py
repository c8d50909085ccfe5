"""A difference of two sides' scores: its interval, its tests, and what could have been found.

Variance from the examples and from the seeds add up; few seeds know their own badly, so tails are
averaged over all variances that they leave possible (see `gpteval.score.paired`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from gpteval.score.mcnemar import (
    LEVEL,
    POWER,
    mcnemar_detectable,
    tango_interval,
    tango_statistic,
)
from gpteval.score.quantiles import chi_squared, crossing, normal_tail, quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ROUNDS = 2
"""A size and the variance that comes with it nearly settle in so many."""
MANY = 500
"""Clusters from which on Student's t is the normal distribution, which is quicker."""
LEAST = 1e-9
"""A deviation of 0 may be one of several that are possible; it counts as this."""
CLOSEST = 1e-9
"""Differences that are nearer to the tolerance than this are on it."""
STEPS = 20
"""Each tries a quarter more runs."""
POINTS = 60
"""Variances that a tail is averaged over."""
CHANCES = 12
"""Variances that power is averaged over: true ones, and for each what the next seeds show of it."""
SUPPORTS = 7
"""Variances between which margins are interpolated."""


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
            return max(self.p, 2 * normal_tail(statistic))
        return max(self.p, 2 * self.tail(size))

    @lru_cache(maxsize=1024)  # noqa: B019 (values, few and small; a table asks twice)
    def detectable(self, alpha: float = 1 - LEVEL, tolerance: float = 0.0) -> float:
        """The smallest true difference that the next such comparison finds in `POWER` of all cases.

        Args:
            alpha: Level of its test.
            tolerance: What the difference has to exceed.
        """
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
        if not self.seeds or not self.error:
            return self._margin(alpha) + quantile(POWER) * self.error
        return self._reached_over_seeds(alpha)

    def _reached_over_seeds(self, alpha: float) -> float:
        """The same over what the seeds' variance may be, and what the next seeds may show of it."""
        import numpy as np
        from scipy.special import ndtr

        seeds = self.seeds or 0.0
        shown, chances = chi_squared(self.freedom, CHANCES)
        errors = (self.examples + np.maximum(seeds / shown - self.shared, 0.0)) ** 0.5
        margins = self._margins(seeds * shown / shown[:, None], alpha)

        def missing(size: float) -> float:
            found = ndtr((size - margins) / errors[:, None].clip(1e-9))
            return float(chances @ found @ chances) - POWER

        return crossing(missing, 0.0, float(margins.max() + 4 * errors.max()))

    def _margins(self, seeds: Array, alpha: float) -> Array:
        """Half the widths of the intervals where the seeds showed these variances instead."""
        import numpy as np

        some = np.geomspace(seeds.min(), seeds.max(), SUPPORTS)
        squares = [replace(self, seeds=float(own))._margin(alpha) ** 2 for own in some]
        margins: Array = np.interp(seeds, some, squares) ** 0.5  # squares are nearly linear
        return margins

    def examples_needed(self, alpha: float = 1 - LEVEL, tolerance: float = 0.0) -> int | None:
        """How many examples would find a difference of this size as often.

        Args:
            alpha: Level of the test.
            tolerance: What the difference has to exceed.

        Returns:
            None where no number would: there is no such difference, or seeds alone vary too much.
        """
        beyond = abs(self.value) - tolerance
        return self._examples(beyond / self.detectable(alpha)) if self.error else None

    def examples_to_hold(self, alpha: float, tolerance: float) -> int | None:
        """How many examples would bring its interval within the tolerance; None as above."""
        within = tolerance - abs(self.value)
        low, high = self.interval(1 - alpha)
        return self._examples(within / ((high - low) / 2)) if high > low else None

    def to_settle(self, alpha: float, tolerance: float) -> int | None:
        """How many examples would find it beyond the tolerance, or hold it within; None as above.

        Args:
            alpha: Level of one task by itself.
            tolerance: What it has to exceed, or to stay within.
        """
        beyond = abs(self.value) > tolerance
        return (self.examples_needed if beyond else self.examples_to_hold)(alpha, tolerance)

    def runs_to_settle(
        self, alpha: float, tolerance: float, runs: tuple[int, int]
    ) -> tuple[int, int] | None:
        """How many runs of each side would, with how many examples (those there are, or more).

        Args:
            alpha: As above.
            tolerance: As above.
            runs: How many there are of each side.

        Returns:
            None where seeds do nothing, or the difference is as large as the tolerance.
        """
        distance = abs(abs(self.value) - tolerance)
        if not self.training or distance < CLOSEST:
            return None
        power = quantile(POWER) if abs(self.value) > tolerance else 0.0
        room = (distance / (quantile(1 - alpha / 2) + power)) ** 2  # of many seeds
        single = max(self.examples - self.shared, 0.0)
        ratio = max(room - single, room / 2) / self.training
        each = max(*runs, math.ceil(2 / ratio / sum(1 / own for own in runs)))
        most = max(self.n, math.ceil(3 * self.n * single / room))
        for _ in range(STEPS):
            needed = self._with_runs(runs, each).to_settle(alpha, tolerance)
            if needed is not None and needed <= most:
                return each, max(needed, self.n)
            each = math.ceil(each * 1.25)
        return None

    def _with_runs(self, runs: tuple[int, int], each: int) -> Difference:
        """The same as if each side had so many runs."""
        ratio = 2 / each / sum(1 / own for own in runs)
        shared, more = self.shared * ratio, 2 * each - sum(runs)
        seed_by_seed = self.freedom < sum(runs) - 2
        return replace(
            self,
            examples=max(self.examples - self.shared, 0.0) + shared,
            seeds=(self.seeds or 0.0) * ratio,
            shared=shared,
            freedom=self.freedom + (more / 2 if seed_by_seed else more),
        )

    def _examples(self, share: float) -> int | None:
        """How many bring what is in reach down to this share: examples average out, seeds don't."""
        room = share**2 * self.error**2 - (self.training or 0.0)
        return math.ceil(self.n * self.examples / room) if share > 0 and room > 1e-12 else None

    def tail(self, size: float) -> float:
        """How often chance alone brings a difference this large, in one direction."""
        from scipy.special import ndtr, stdtr

        deviations, chances = self._possible
        if not deviations.max():
            return 0.5 if abs(size) < 1e-12 else 0.0
        places = -size / deviations.clip(LEAST)
        if self.clusters > MANY:
            return float(chances @ ndtr(places))
        return float(chances @ stdtr(max(self.clusters - 1, 1), places))

    def _margin(self, alpha: float) -> float:
        """Half the width of the interval whose error is `alpha`."""
        deviations, _ = self._possible
        least, widest = float(deviations.min()), float(deviations.max())
        if not widest:
            return 0.0
        freedom = math.inf if self.clusters > MANY else max(self.clusters - 1, 1)
        units = quantile(1 - alpha / 2, freedom)
        if least == widest:
            return widest * units

        def short(size: float) -> float:
            """Of logarithms: tails that fall over many sizes are nearly straight there."""
            return math.log(2 * self.tail(math.exp(size)) / alpha)

        return math.exp(
            crossing(short, math.log(widest * units), math.log(max(least, LEAST) * units))
        )

    @cached_property
    def _possible(self) -> tuple[Array, Array]:
        """Deviations of the difference that the seeds leave possible, and the chance of each."""
        import numpy as np

        if self.seeds is None:
            return np.sqrt([self.examples]), np.ones(1)
        shown, chances = chi_squared(self.freedom, POINTS)
        return (self.examples + np.maximum(self.seeds / shown - self.shared, 0.0)) ** 0.5, chances


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


def holm(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p of several tests: below a level, all together err no more often than it."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted
