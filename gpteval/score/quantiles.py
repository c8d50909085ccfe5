"""Quantiles and tails of the distributions that tests use, and where a function crosses zero."""

from __future__ import annotations

import math
from collections.abc import Callable

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
    from scipy.special import ndtri, stdtrit

    return float(ndtri(share) if math.isinf(freedom) else stdtrit(freedom, share))


def normal_tail(statistic: float) -> float:
    """One-sided: above it, of the normal distribution."""
    from scipy.special import ndtr

    return float(ndtr(-statistic))
