"""The p of a permutation test, drawn as far as it takes to know it.

The observed difference and those with answers swapped at random are equally likely to be the
largest, where there is none: p is the share of them, the observed one included, that are as large
as it. So p can't fall below one in their number, and what many tasks need after Holm's correction
may lie below that. Where `ENOUGH` as large have come up in the first draws, p is known well enough.
Else drawing goes on until they have, and p is their share then (Besag & Clifford, "Sequential Monte
Carlo p-values", Biometrika 78, 1991), or until p can only be below the level that it is needed at.
At any level, p is at most that in no more than that share of equal pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ENOUGH = 10
"""Differences as large as the observed one by which p is known to about a third of itself."""


def most_draws(first: int, level: float) -> int:
    """How many draws decide whether p is at most `level`: no fewer than the first ones."""
    return max(first, math.ceil(ENOUGH / level))


def p_value(observed: float, chunks: Iterable[Array], first: int) -> float:
    """Two-sided p of a difference.

    Args:
        observed: The difference.
        chunks: Differences with answers swapped, as many as may be drawn; a chunk ends after the
            first ones.
        first: So many are looked at in any case.
    """
    import numpy as np

    reached = drawn = 0
    for chunk in chunks:
        hits = np.flatnonzero(abs(chunk) >= abs(observed) - 1e-12)
        if drawn >= first and reached + len(hits) >= ENOUGH:
            return ENOUGH / (drawn + int(hits[ENOUGH - reached - 1]) + 1)
        reached, drawn = reached + len(hits), drawn + len(chunk)
        if drawn == first and reached >= ENOUGH:
            break
    return (1 + reached) / (1 + drawn)
