"""The best single unit: one column and a threshold (the sentiment neuron, Radford et al. 2017).

Of all columns the one whose threshold tells two classes apart best on the training rows; the paper
fits a threshold to one unit of its model in the same way (§3, figure 3) and has 92.3 % with it on
IMDB.

Shape letters: n rows, F columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gpteval.methods.heads import Columns
from gpteval.task import Label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

AT_ONCE = 64
"""Columns that are sorted together: they bound the memory."""


@dataclass(frozen=True, slots=True)
class Neuron:
    """One column and what it says.

    Attributes:
        column: Which.
        threshold: Rows above it are of the second class, where `sign` is 1; below it where -1.
        sign: 1 or -1.
        steepness: Of the logistic curve through the threshold, fitted to the training rows.
        accuracy: On the training rows.
        classes: Both, in the order of their probabilities.
    """

    column: int
    threshold: float
    sign: int
    steepness: float
    accuracy: float
    classes: tuple[Label, Label]

    @property
    def found(self) -> Mapping[str, Any]:
        """Which column, and where it is cut."""
        return {"column": self.column, "threshold": round(self.threshold, 6)}

    def likely(self, rows: Columns) -> Array:
        """Probabilities of the classes, (n, 2): above one half on its side of the threshold."""
        above = self.sign * (np.asarray(rows.columns[:, self.column], np.float64) - self.threshold)
        second = 1 / (1 + np.exp(-np.clip(self.steepness * above, -50, 50)))
        return np.stack([1 - second, second], axis=1)


def neuron_path(rows: Columns, strengths: Sequence[float]) -> Iterator[Neuron]:
    """Finds the best unit; there is no strength to choose."""
    yield best_neuron(rows.columns, rows.gold)


def best_neuron(columns: Any, gold: Sequence[Label]) -> Neuron:
    """The column and threshold with the highest accuracy; the first among equals.

    Args:
        columns: (n, F).
        gold: Labels, of two classes, in alphabetical order the second is the positive one.
    """
    classes = sorted({str(label) for label in gold})
    if len(classes) == 1:
        classes = ["", *classes]
    first, second = classes
    positive = np.array([label == second for label in gold])
    found = [
        _best(np.asarray(columns[:, start : start + AT_ONCE], np.float64), positive)
        for start in range(0, columns.shape[1], AT_ONCE)
    ]
    right, threshold, sign = (np.concatenate(each) for each in zip(*found, strict=True))
    column = int(right.argmax())
    above = sign[column] * (np.asarray(columns[:, column], np.float64) - threshold[column])
    return Neuron(
        column,
        float(threshold[column]),
        int(sign[column]),
        steepness(above, positive),
        float(right[column]),
        (first, second),
    )


def _best(columns: Array, positive: NDArray[np.bool_]) -> tuple[Array, Array, NDArray[np.int64]]:
    """Of each column the highest accuracy, the threshold that has it, and the side, (F,) each.

    A threshold lies between two neighbouring values, or below all of them.
    """
    count, all_positive = len(columns), positive.sum()
    order = np.argsort(columns, axis=0, kind="stable")
    values = np.take_along_axis(columns, order, axis=0)
    below = np.cumsum(positive[order], axis=0)  # positive rows up to each, (n, F)
    negative = np.arange(1, count + 1)[:, None] - below
    right = negative + all_positive - below  # above is positive
    share = np.stack([right, count - right]) / count  # and the other way round, (2, n, F)
    same = np.vstack([values[1:] == values[:-1], np.zeros_like(values[:1], bool)])
    share[:, same] = 0.0  # no threshold lies between equals
    sides, places = np.divmod(share.reshape(2 * count, -1).argmax(0), count)
    here = np.arange(columns.shape[1])
    following = values[np.minimum(places + 1, count - 1), here]
    threshold = (values[places, here] + following) / 2
    return share[sides, places, here], threshold, 1 - 2 * sides


def steepness(above: Array, positive: NDArray[np.bool_]) -> float:
    """Of the logistic curve of how far rows are above the threshold, in their unit; above 0."""
    from sklearn.linear_model import LogisticRegression

    spread = float(above.std()) or 1.0
    if positive.all() or not positive.any():
        return 1 / spread
    curve = LogisticRegression(fit_intercept=False).fit(above[:, None] / spread, positive)
    return max(float(curve.coef_[0, 0]), 1e-3) / spread
