"""Quantiles and tails of the distributions that tests use, and where a function crosses zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

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


def chi_squared(freedom: float, count: int) -> tuple[Array, Array]:
    """What a variance may show of itself: values of chi-squared over its mean, and their chances.

    They lie close together where they are small: a variance that shows little of itself is large,
    and of those comes the far tail of what is averaged over them.

    Args:
        freedom: Degrees of freedom.
        count: How many values.
    """
    import numpy as np
    from scipy.special import gammaincinv

    places = (np.arange(count) + 0.5) / count
    chances = places**2 / (places**2).sum()
    return 2 * gammaincinv(freedom / 2, places**3) / freedom, chances


def normal_tail(statistic: float) -> float:
    """One-sided: above it, of the normal distribution."""
    return math.erfc(statistic / math.sqrt(2)) / 2
