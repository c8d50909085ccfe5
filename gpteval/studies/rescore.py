"""Stored predictions scored again, without the model; a results directory held to itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from gpteval.data.examples import examples_of, prompts_of
from gpteval.data.raw import AbsentError
from gpteval.data.rows import Origin, load_split
from gpteval.errors import DataError, GptevalError
from gpteval.paths import files_below
from gpteval.plugins import registry
from gpteval.records import Prediction, Result
from gpteval.results.lines import has_digest, lines_of, parsed
from gpteval.results.pairing import predictions
from gpteval.results.store import ResultStore

if TYPE_CHECKING:
    from gpteval.task import Example, Prompt, Task

logger = logging.getLogger(__name__)

CLOSE = 1e-6
"""Difference of two scores that rounding explains."""


def rescored(task: Task, result: Result, given: Sequence[Prediction]) -> Result:
    """A result with metrics and interval as they are computed today.

    Baselines that were scored with the split are kept: some need the training labels.
    """
    from gpteval.score.heuristics import scores_of
    from gpteval.score.metrics import score
    from gpteval.score.statistics import interval

    measure = scores_of if result.mode == "zeroshot" else score
    return replace(
        result,
        n=len(given),
        scores=measure(task, given),
        interval=interval(task, given),
        degenerate=len({p.prediction for p in given}) == 1,
    )


@dataclass(frozen=True, slots=True)
class Rescoring:
    """What scoring a directory again comes to.

    Attributes:
        changed: Results as they stand and as they should, where the two differ.
        filled: Results whose predictions lacked what their examples say, with those that don't.
    """

    changed: list[tuple[Result, Result]] = field(default_factory=list)
    filled: list[tuple[Result, list[Prediction]]] = field(default_factory=list)


def rescore(
    store: ResultStore, tasks: Sequence[str] | None = None, rows_from: Origin | None = None
) -> Rescoring:
    """Score the predictions of a directory again; nothing is written.

    Args:
        store: The directory.
        tasks: Names of those to score; None for all that are installed.
        rows_from: Where the rows are of which predictions may lack clusters or parts; None: they
            are taken as they are.

    Raises:
        ResultError: Predictions are missing or damaged.
        DataError: The rows are not those that were scored, of a task that was named; of others it
            is told.
    """
    known, found = registry().tasks(), Rescoring()
    describe = cache(partial(_described, rows_from)) if rows_from else None
    for result in store.read():
        task = known.get(result.task)
        if task is None or not result.predictions or (tasks and result.task not in tasks):
            continue
        given = predictions(store, result)
        if describe is not None:
            asked = (result.split, result.data.limit, result.data.origin, result.mode == "zeroshot")
            try:
                whole = filled(result, given, describe(task.name, *asked))
            except DataError as error:
                if tasks:
                    raise
                logger.warning("%s", error)
                continue
            if whole != given:
                found.filled.append((result, whole))
            given = whole
        new = rescored(task, result, given)
        if differs(result, new):
            found.changed.append((result, new))
    return found


def filled(
    result: Result, given: Sequence[Prediction], described: Mapping[str, Example | Prompt]
) -> list[Prediction]:
    """Predictions with the clusters and parts of their examples, where they have none.

    Args:
        result: Of these predictions.
        given: They.
        described: Examples by id; empty where their rows are not there.

    Raises:
        DataError: The examples are not those that were predicted: an id or a label is another.
    """
    if not described:
        return list(given)
    for prediction in given:
        example = described.get(prediction.id)
        if example is None or example.label != prediction.label or len(described) != len(given):
            raise DataError(
                f"{result.task} {result.split}: these rows are not those that {result.model} was "
                f"scored on (example {prediction.id!r:.40}, {len(described)} rows, predicted "
                f"{len(given)}): name their directory, or other --tasks"
            )
    pairs = ((prediction, described[prediction.id]) for prediction in given)
    return [replace(p, part=p.part or e.part, cluster=p.cluster or e.cluster) for p, e in pairs]


def _described(
    rows_from: Origin, name: str, split: str, limit: int, origin: str, asked: bool
) -> Mapping[str, Example | Prompt]:
    """The examples of a split by id, or the prompts where `asked`; none where there are no rows."""
    task = registry().tasks()[name]
    try:
        rows = load_split(task, split, Origin("sample") if origin == "sample" else rows_from,
                          limit or None)  # fmt: skip
    except AbsentError as error:
        logger.warning("%s %s: its predictions stay as they are: %s", name, split, error)
        return {}
    if asked and task.prompt is None:
        return {}
    items: Sequence[Example | Prompt] = prompts_of(task, rows) if asked else examples_of(task, rows)
    return {item.id: item for item in items}


def undigested(store: ResultStore) -> int:
    """How many results of a directory in which nothing is wrong have no digest."""
    return sum(not has_digest(line) for path in store.files for _, line in lines_of(path))


def faults(store: ResultStore) -> Iterator[str]:
    """What is wrong with a results directory, line by line and file by file.

    Torn, unreadable and edited lines, results written twice, predictions that are missing, damaged,
    or give another score than the one on record, and predictions without a result.
    """
    if not store.files:
        yield f"{store.records.name}: not there"
        return
    if (aside := store.records.with_suffix(".torn.jsonl")).exists():
        yield f"{aside.name}: a line that was cut short was set aside; its run is missing"
    used = set[str]()
    for path in store.files:
        yield from _faulty_lines(store, path, used)
    folder = store.directory / "predictions"
    for path in files_below(folder, (".jsonl",), "").files if folder.is_dir() else ():
        if (own := path.relative_to(store.directory).as_posix()) not in used:
            yield f"{own}: no result is of these predictions"


def _faulty_lines(store: ResultStore, path: Path, used: set[str]) -> Iterator[str]:
    """What is wrong with the lines of one file; the predictions they name are added to `used`."""
    name = path.relative_to(store.directory).as_posix()
    if not path.read_bytes().endswith(b"\n"):
        yield f"{name}: the last line has no end: a write was cut short"
    known: dict[tuple[str, str, str], int] = {}
    for number, line in lines_of(path):
        place = f"{name}:{number}"
        try:
            result = parsed(line, Result)
        except ValueError as error:
            yield f"{place}: not a result ({error})"
            continue
        if store.replaced(path, result):
            continue
        used.add(result.predictions)
        key = (result.key, result.task, result.split)
        if key in known:
            yield f"{place}: {result.task} {result.split} is the result of line {known[key]} again"
        known.setdefault(key, number)
        if wrong := fault(store, result):
            yield f"{place}: {result.task} {result.split}: {wrong}"


def fault(store: ResultStore, result: Result) -> str:
    """What is wrong with a result and its predictions; "" where nothing is."""
    if wrong := _contradiction(result):
        return wrong
    try:
        given = predictions(store, result)
    except GptevalError as error:
        return str(error)
    if len({p.id for p in given}) < len(given):
        return "an example was predicted twice"
    if result.private and any(p.label is not None for p in given):
        return "it has labels and no score"
    task = registry().tasks().get(result.task)
    if task and task.version == result.version and not result.private:
        return differs(result, rescored(task, result, given))
    return "" if len(given) == result.n else f"{len(given)} predictions, on record {result.n}"


def _contradiction(result: Result) -> str:
    """What a record says in two ways; "" where it doesn't."""
    if not result.predictions:
        return "it has no predictions"
    if result.key[:12] not in result.predictions:
        return f"its key is not that of {result.predictions}"
    strange = [k for k, v in result.changed.items() if result.config.get(k, v) != v]
    return f"{strange[0]} is one thing in config and another in changed" if strange else ""


def differs(old: Result, new: Result) -> str:
    """What differs between two scorings of the same predictions, in words; "" for nothing."""
    for name in {**old.scores, **new.scores}:
        before, after = old.scores.get(name), new.scores.get(name)
        if before is None or after is None:
            return f"{name} is {'new' if before is None else 'no longer a metric'}"
        if abs(before - after) > CLOSE:
            return f"{name} is {after:.6g} by the predictions, on record {before:.6g}"
    if old.n != new.n:
        return f"n is {new.n} by the predictions, on record {old.n}"
    if old.degenerate != new.degenerate:
        return f"degenerate is {new.degenerate} by the predictions"
    if old.interval is None or new.interval is None:
        return "" if old.interval == new.interval else "the interval is another"
    apart = max(abs(a - b) for a, b in zip(old.interval, new.interval, strict=True))
    return "the interval is another" if apart > CLOSE else ""
