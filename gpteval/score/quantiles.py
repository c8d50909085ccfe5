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

CLOSE = 1e-8
"""A difference is at most 2: this is its eighth digit."""
ROUNDS = 30
"""Each halves what is left at least."""


def crossing(function: Callable[[float], float], below: float, above: float) -> float:
    """Where a monotone function crosses zero, by Ridders' method; scipy.optimize is slow to import.

    An exponential through three places says where to look next (IEEE Transactions on Circuits and
    Systems 26, 1979); of a function in steps it halves.

    Args:
        function: Of one number.
        below: Where it is at most zero.
        above: Where it is at least zero.
    """
    low, high, last = function(below), function(above), math.inf
    for _ in range(ROUNDS):
        middle = (below + above) / 2
        value = function(middle)
        root = math.sqrt(value * value - low * high) if low * high < 0 else 0.0
        place = middle + (middle - below) * (-value / root) if root else middle
        found = function(place) if place != middle else value
        for where, height in ((middle, value), (place, found)):
            if height > 0 and abs(where - below) <= abs(above - below):
                above, high = where, height
            elif height <= 0 and abs(where - above) <= abs(above - below):
                below, low = where, height
        if abs(place - last) < CLOSE or abs(above - below) < CLOSE:
            return place
        last = place
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
