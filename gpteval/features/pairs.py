"""Two texts' vectors side by side, as a linear head reads a pair.

u, v, |u − v| and u · v (entry by entry): InferSent (Conneau et al. 2017, section 3.1 and figure 1);
SentEval's heads on pairs read the last two of them.

Shape letters: n pairs, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float = TypeVar("Float", bound=np.floating[Any])

BLOCKS = 4
"""How many times as wide as one vector the features of a pair are."""


def pair_features(first: NDArray[Float], second: NDArray[Float]) -> NDArray[Float]:
    """[u, v, |u − v|, u · v] of every pair.

    Args:
        first: u of every pair, (n, D).
        second: v of every pair, (n, D).

    Returns:
        (n, 4 D), of the same type of numbers.
    """
    import numpy as np

    return np.concatenate([first, second, np.abs(first - second), first * second], axis=1)
