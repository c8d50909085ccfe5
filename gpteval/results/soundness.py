"""Whether the numbers of a result can be true: within their metric's range, and with each other."""

from __future__ import annotations

from collections.abc import Iterator

from gpteval.metric import Metric
from gpteval.plugins import registry
from gpteval.records import Result


def unsound(result: Result) -> str:
    """What can't be true of a result, in a few words; "" where nothing is wrong.

    A metric that no installed plug-in offers has a range that is not known here.
    """
    return next(_contradictions(result, registry().metrics()), "")


def _contradictions(result: Result, metrics: dict[str, Metric]) -> Iterator[str]:
    if result.n < 1:
        yield f"n is {result.n}"
    for scores in (result.scores, *result.baselines.values()):
        for name, score in scores.items():
            metric = metrics.get(name.partition("/")[0])
            if metric and not metric.lower <= score <= metric.upper:
                yield f"{name} is {score:g}, outside {metric.lower:g} to {metric.upper:g}"
    if result.interval is None:
        return
    (low, high), (name, score) = result.interval, next(iter(result.scores.items()))
    if low > high:
        yield f"its interval is {low:g} to {high:g}"
    # A bootstrap's bounds may leave out the score they are of, but not by their own width.
    margin = high - low + 1e-6
    if not low - margin <= score <= high + margin:
        yield f"{name} is {score:g}, far from its interval {low:g} to {high:g}"
