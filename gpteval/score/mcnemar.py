"""Two proportions of the same examples: McNemar's exact test, Tango's interval, their power."""

from __future__ import annotations

import math

from gpteval.score.quantiles import crossing, quantile

LEVEL = 0.95
"""Confidence of an interval that is shown."""
DRAWS = 8
"""Chances of the next comparison, of which power is the mean."""
POWER = 0.8
"""How often a difference of the minimal detectable size is found."""


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
        if not share:
            return -POWER  # no example tells the sides apart
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

    return crossing(missing, 0.0, 1.0)


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
    critical = quantile(0.5 + level / 2)
    value = (more - fewer) / n

    def bound(end: float) -> float:
        sign = math.copysign(1.0, value - end)

        def beyond(difference: float) -> float:
            return min(sign * tango_statistic(more, fewer, n, difference), 1e6) - critical

        if end == value or beyond(end) < 0:
            return end
        return crossing(beyond, value, end)

    return bound(-1.0), bound(1.0)
