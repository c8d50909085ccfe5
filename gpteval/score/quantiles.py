"""Quantiles and tails of the distributions that tests use, and where a function crosses zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

HALVINGS = 28
"""A difference is at most 2, so this finds a bound to eight digits."""


def crossing(function: Callable[[float], float], below: float, above: float) -> float:
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


def quantile(share: float, freedom: float = math.inf) -> float:
    """Of Student's t with so many degrees of freedom; of the normal distribution by default."""
    if math.isinf(freedom):  # from the standard library: scipy takes half a second to import
        return NormalDist().inv_cdf(share) if share < 1 else math.inf
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def normal_tail(statistic: float) -> float:
    """One-sided: above it, of the normal distribution."""
    return math.erfc(statistic / math.sqrt(2)) / 2
