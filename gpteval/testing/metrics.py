"""The rules of a metric: `check_metric`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpteval.metric import Metric, Values
from gpteval.offers import fault
from gpteval.plugins import registry
from gpteval.testing.rules import broken, insist

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 1e-9
SIZE = 60
"""Examples of a case."""


@dataclass(frozen=True, slots=True)
class MetricUnderTest:
    """A metric, and gold labels with predictions to try it on.

    Attributes:
        metric: The metric.
        names: The labels, in the task's order; () for numbers.
        labels, predictions: Drawn at random.
    """

    metric: Metric
    names: tuple[str, ...]
    labels: Values
    predictions: Values

    def score(self, labels: Values, predictions: Values) -> float:
        """The metric of these, which it gets as lists of its own."""
        return float(self.metric.function(list(labels), list(predictions), self.names))


def check_metric(metric: Metric | str, *, labels: tuple[str, ...] = ("no", "yes")) -> None:
    """Check that a metric is a number within its bounds, and its fast forms the same number.

    Args:
        metric: The metric, or its name.
        labels: Label names of a task it is for; () for one that measures numbers.

    Raises:
        ConformanceError: A line for every rule that is broken.
        UnknownNameError: No metric of that name.
    """
    chosen = registry().metric(metric) if isinstance(metric, str) else metric
    insist(f"metric {chosen.name!r}", metric_faults(chosen, labels=labels))


def metric_faults(metric: Metric, *, labels: tuple[str, ...] = ("no", "yes")) -> list[str]:
    """A line for every rule that a metric breaks; arguments as `check_metric` has them."""
    import numpy as np

    draw = np.random.default_rng(0)
    names = () if metric.weighted else labels
    if names:
        gold, answers = ([names[k] for k in draw.integers(len(names), size=SIZE)] for _ in "ab")
    else:
        gold, answers = (draw.normal(size=SIZE).round(3).tolist() for _ in "ab")
    return broken(MetricUnderTest(metric, names, gold, answers), RULES)


def is_sound(test: MetricUnderTest) -> str:
    """Its fields are of their types, and it gives a number within its bounds."""
    metric = test.metric
    if wrong := fault(metric, Metric):
        return wrong
    score = test.score(test.labels, test.predictions)
    inside = metric.lower - TOLERANCE <= score <= metric.upper + TOLERANCE
    if math.isfinite(score) and inside:
        return ""
    return f"gives {score!r} for random answers, outside {metric.lower} to {metric.upper}"


def is_highest_where_all_is_right(test: MetricUnderTest) -> str:
    """Higher is better, and perfect answers have the upper bound."""
    score = test.score(test.labels, test.labels)
    if math.isclose(score, test.metric.upper, abs_tol=1e-6):
        return ""
    return f"gives {score!r} where every answer is right: upper is {test.metric.upper}"


def is_a_number_for_one_answer(test: MetricUnderTest) -> str:
    """A model that always answers the same has a score too."""
    constant = [test.predictions[0]] * len(test.labels)
    for labels in (test.labels, constant):
        score = test.score(labels, constant)
        if not math.isfinite(score):
            return f"gives {score!r} where one answer is given to every example: give a number"
    return ""


def does_not_mind_the_order(test: MetricUnderTest) -> str:
    """Examples have no order."""
    backwards = test.score(test.labels[::-1], test.predictions[::-1])
    forwards = test.score(test.labels, test.predictions)
    if math.isclose(forwards, backwards, abs_tol=TOLERANCE):
        return ""
    return f"gives {forwards!r}, and {backwards!r} for the same examples from the last to the first"


def changes_nothing(test: MetricUnderTest) -> str:
    """What it is given is as it was afterwards."""
    labels, answers = list(test.labels), list(test.predictions)
    test.metric.function(labels, answers, test.names)
    if (labels, answers) == (list(test.labels), list(test.predictions)):
        return ""
    return "changes the labels or predictions that it is given"


def has_a_confusion_matrix_of_its_own_score(test: MetricUnderTest) -> str:
    """`of_confusion` is `function`, for many resamples at once."""
    import numpy as np

    metric = test.metric
    if metric.of_confusion is None or not test.names:
        return ""
    confusion = np.zeros((1, len(test.names), len(test.names)))
    for label, answer in zip(test.labels, test.predictions, strict=True):
        confusion[0, test.names.index(label), test.names.index(answer)] += 1
    fast = metric.of_confusion(np.concatenate([confusion, 2 * confusion]))
    return _same(test, "of_confusion", fast)


def has_weights_of_its_own_score(test: MetricUnderTest) -> str:
    """`weighted` is `function`, for many resamples at once."""
    import numpy as np

    if test.metric.weighted is None:
        return ""
    labels, answers = np.array(test.labels), np.array(test.predictions)
    counts = np.stack([np.full(len(labels), 1.0), np.full(len(labels), 2.0)])
    return _same(test, "weighted", test.metric.weighted(labels, answers, counts))


def is_a_proportion_if_it_says_so(test: MetricUnderTest) -> str:
    """A proportion is the mean of a 0 or 1 per example."""
    if not test.metric.proportion:
        return ""
    pairs = zip(test.labels, test.predictions, strict=True)
    single = [test.score([label], [answer]) for label, answer in pairs]
    whole = test.score(test.labels, test.predictions)
    if set(single) <= {0.0, 1.0} and math.isclose(whole, sum(single) / SIZE, abs_tol=TOLERANCE):
        return ""
    return "says proportion, and is not the mean of a 0 or 1 for each example"


def _same(test: MetricUnderTest, form: str, fast: np.ndarray) -> str:
    slow = test.score(test.labels, test.predictions)
    if fast.shape == (2,) and all(math.isclose(x, slow, abs_tol=1e-9) for x in fast.tolist()):
        return ""
    return f"{form} gives {fast.tolist()!r} for the examples once and twice, function {slow!r}"


RULES = (
    is_sound,
    is_highest_where_all_is_right,
    is_a_number_for_one_answer,
    does_not_mind_the_order,
    changes_nothing,
    has_a_confusion_matrix_of_its_own_score,
    has_weights_of_its_own_score,
    is_a_proportion_if_it_says_so,
)
