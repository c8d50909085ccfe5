"""What plug-ins offer is checked when it is offered, and guarded when it is used.

Every check returns what is wrong, in words for one line, or "" where nothing is. What only shows on
data (rows, prompts) is checked when data is read. Every function of a stranger's item is called
through `Guarded`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from gpteval.config import FinetuneConfig
from gpteval.errors import GptevalError, PluginError
from gpteval.loading import reason
from gpteval.metric import Metric
from gpteval.model import ModelFamily
from gpteval.task import PaperScore, Source, Split, Suite, Task
from gpteval.typed import misfit

KINDS: Mapping[str, type] = {
    "gpteval_register_tasks": Task,
    "gpteval_register_models": ModelFamily,
    "gpteval_register_metrics": Metric,
    "gpteval_register_suites": Suite,
    "gpteval_register_recipes": FinetuneConfig,
}
"""Hook → what it offers."""


def fault(item: Any, kind: type) -> str:
    """What is wrong with an offered item of a kind; "" where nothing is."""
    if not isinstance(item, kind):
        return f"a {type(item).__name__} ({item!r:.40}) where a {kind.__name__} is due"
    check: Callable[[Any], str] = CHECKS[kind]
    return check(item)


def _task(task: Task) -> str:
    return next(filter(None, _task_faults(task)), "")


def _task_faults(task: Task) -> Iterable[str]:
    """Each of them "", where it is none."""
    yield misfit(task, Task)
    yield _source(task.source)
    splits = task.source.splits
    yield _unless(task.metrics, "no metrics: name at least one")
    yield _unless(task.evaluate, "evaluate names no split")
    unknown = [s for s in task.evaluate if s not in splits]
    yield _unless(not unknown, f"evaluate names {unknown!r}, and its splits are {list(splits)}")
    if task.kind == "classify":
        yield _unless(len(task.labels) > 1, f"kind classify needs two labels, not {task.labels!r}")
        yield _unless(len(set(task.labels)) == len(task.labels), f"a label twice: {task.labels!r}")
        strange = [v for v in task.source.label_names.values() if v not in task.labels]
        yield _unless(not strange, f"label_names lead to {strange!r}, not among {task.labels!r}")
        strange = [v for v in task.label_map.values() if v not in task.labels]
        yield _unless(not strange, f"label_map leads to {strange!r}, not among {task.labels!r}")
    else:
        yield _unless(not task.labels, f"labels are for kind classify, not {task.kind}")
    if task.kind == "regress":
        low, high = task.scale
        yield _unless(low < high, f"kind regress needs a scale that rises, not {task.scale!r}")
    if task.rule == "threshold":
        yield _unless(task.binary, 'the rule "threshold" needs kind classify with two labels')
    if task.rule == "sum":
        yield _unless(task.kind == "choose", f'the rule "sum" is for kind choose, not {task.kind}')
    yield next((f"paper: {wrong}" for p in task.paper if (wrong := misfit(p, PaperScore))), "")


def _source(source: Source) -> str:
    """What is wrong with a source, beside the types of its fields."""
    if wrong := misfit(source, Source):
        return f"source: {wrong}"
    if not source.splits:
        return "source: no splits"
    faults = {name: misfit(split, Split) for name, split in source.splits.items()}
    return next((f"split {name}: {wrong}" for name, wrong in faults.items() if wrong), "")


def _family(family: ModelFamily) -> str:
    return misfit(family, ModelFamily)


def _metric(metric: Metric) -> str:
    wrong = misfit(metric, Metric)
    bounded = metric.lower < metric.upper if not wrong else True
    return wrong or _unless(bounded, f"lower {metric.lower} is not below upper {metric.upper}")


def _suite(suite: Suite) -> str:
    wrong = misfit(suite, Suite) or _unless(suite.members, "no members")
    without = [] if wrong else [task for task, metrics in suite.members.items() if not metrics]
    return wrong or _unless(not without, f"no metrics for {without}")


def _recipe(recipe: FinetuneConfig) -> str:
    return misfit(recipe, FinetuneConfig)


CHECKS: Mapping[type, Callable[[Any], str]] = {
    Task: _task,
    ModelFamily: _family,
    Metric: _metric,
    Suite: _suite,
    FinetuneConfig: _recipe,
}


def _unless(holds: object, problem: str) -> str:
    return "" if holds else problem


@contextmanager
def blamed(whose: str) -> Iterator[None]:
    """Turn whatever a stranger's code raises into one line that names what it is of.

    Args:
        whose: Kind, name and package: "metric 'agreement' of gpteval-polarity".

    Raises:
        PluginError: In place of all but gpteval's own errors, an interrupt and a lack of memory.
    """
    try:
        yield
    except (GptevalError, MemoryError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a stranger's code may raise anything, SystemExit too
        raise PluginError(f"{whose}: {reason(error)}") from error


@dataclass(frozen=True, slots=True)
class Guarded:
    """A stranger's function, called as he wrote it.

    Attributes:
        function: His.
        whose: As `blamed` takes it.
    """

    function: Callable[..., Any]
    whose: str

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What the function returns; PluginError where it fails, now or when it is iterated."""
        with blamed(self.whose):
            answer = self.function(*arguments, **named)
        return self._each(answer) if isinstance(answer, Iterator) else answer

    def _each(self, answer: Iterator[Any]) -> Iterator[Any]:
        with blamed(self.whose):
            yield from answer


def guarded(item: Any, whose: str) -> Any:
    """An offered item (or a part of one) with every function of a stranger's in it guarded."""
    changes: dict[str, Any] = {}
    for entry in fields(item):
        value = getattr(item, entry.name)
        if callable(value):
            own = type(value).__module__.startswith("gpteval.")  # what a Table made of columns
            changes[entry.name] = value if own else Guarded(value, whose)
        elif is_dataclass(value):
            changes[entry.name] = guarded(value, whose)
    return replace(item, **changes) if changes else item
