"""What was predicted of single examples, and their texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from gpteval.errors import DataError, ResultError
from gpteval.plugins import registry
from gpteval.results.named import of_tasks
from gpteval.results.pairing import Measurement, side

if TYPE_CHECKING:
    from gpteval.data.rows import Origin
    from gpteval.records import Prediction
    from gpteval.task import Example


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of one example.

    Attributes:
        id, label: The example's.
        prediction: Of several runs the most frequent, or the mean.
        wrong: Whether it is not the gold label; by how much, of numbers.
        sureness: By how much the best score exceeds the next; of numbers, the error.
    """

    id: str
    label: Any
    prediction: Any
    wrong: float
    sureness: float


def one(text: str, task: str | None = None, split: str | None = None) -> Measurement:
    """The one measurement that is meant.

    Args:
        text: A side of a comparison (see `side`).
        task: Its name, where there are several.
        split: Default: the last that was scored.

    Raises:
        ResultError: There is none, or there are several.
    """
    found = [m for m in of_tasks(side(text), task) if split in (None, m.split)]
    names = list(dict.fromkeys(f"{m.task} of {m.entrant}" for m in found))
    if not found:
        raise ResultError(f"{text} has no results of split {split!r}")
    if len(names) > 1:
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        raise ResultError(
            f"{text} has several results, {names[0]}, {names[1]}{more}: choose with --task, or by "
            f'words after "@": {text.partition("@")[0]}@{found[0].model},{found[0].mode}'
        )
    return found[-1]


def said(measurement: Measurement, *, wrong: bool = False) -> list[Said]:
    """What was said of every example, the surest first.

    Args:
        measurement: Of a results directory.
        wrong: Those alone that were answered wrongly; of numbers, the largest errors first.

    Raises:
        ResultError: It has no predictions: a baseline file has the answers alone.
    """
    by_id = [{p.id: p for p in run} for run in runs_of(measurement)]
    everything = [_said([run[name] for run in by_id]) for name in by_id[0]]
    kept = [own for own in everything if own.wrong or not wrong]
    return sorted(kept, key=lambda own: -own.sureness)


def _said(predictions: Sequence[Prediction]) -> Said:
    example, given = predictions[0], answer(predictions)
    label = example.label
    if isinstance(given, float):
        error = abs(given - float(label)) if label is not None else 0.0
        return Said(example.id, label, given, error, error)
    wrong = label is not None and given != label
    return Said(example.id, label, given, float(wrong), fmean(map(margin, predictions)))


def runs_of(measurement: Measurement) -> list[list[Prediction]]:
    """All that was predicted, run by run.

    Raises:
        ResultError: A baseline file does not have it.
    """
    if measurement.runs is None:
        raise ResultError("a baseline file has no predictions: name a results directory")
    return measurement.runs()


def answer(predictions: Sequence[Prediction]) -> Any:
    """The answer of several runs to one example: the most frequent, or the mean of numbers."""
    if len(predictions) == 1:
        return predictions[0].prediction
    if isinstance(predictions[0].prediction, float):
        return fmean(float(p.prediction) for p in predictions)
    return Counter(p.prediction for p in predictions).most_common(1)[0][0]


def margin(prediction: Prediction) -> float:
    """By how much the best score exceeds the next."""
    if len(prediction.scores) < 2:
        return 0.0
    *_, next_best, best = sorted(prediction.scores)
    return best - next_best


def texts(measurement: Measurement, origin: Origin) -> dict[str, Example]:
    """The examples that were scored, by id.

    Raises:
        DataError: Their rows are not there, or are others.
    """
    from gpteval.data.examples import examples_of
    from gpteval.data.rows import load_split

    task = registry().tasks().get(measurement.task)
    if task is None:
        raise DataError(f"no installed package offers task {measurement.task!r}: install it")
    rows = load_split(task, measurement.split, origin)
    examples = {example.id: example for example in examples_of(task, rows)}
    answered = measurement.answered()
    for name, label in zip(answered.ids, answered.labels, strict=True):
        if name not in examples or examples[name].label != label:
            raise DataError(
                f"example {name!r:.80} of {task.name} {measurement.split} is another there than "
                "the one that was scored: name that data set with --data-dir or --sample"
            )
    return examples
