"""What is known about a data set before it is trusted: counts, labels, duplicates, overlap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from gpteval.data.examples import examples_of, prompts_of
from gpteval.data.hub import UnreachableError
from gpteval.data.raw import AbsentError
from gpteval.data.rows import Origin, SplitRows, load_split, scored_splits
from gpteval.data.samples import sample_splits
from gpteval.errors import DataError
from gpteval.plugins import registry
from gpteval.task import Example, Task

NO_LETTER = re.compile(r"[\W_]+")
State = Literal["complete", "cut", "absent", "unreadable"]


@dataclass(frozen=True, slots=True)
class SplitReport:
    """One split of one task. Texts are compared by their letters and digits alone.

    Attributes:
        task, split: Which.
        state: All official rows there; another number of them; no file; a file that can't be read.
        rows, official: Rows found and rows there should be.
        left_out: Rows found without a gold label.
        official_left_out: The published number of such rows.
        labels: Label → number of rows, in the task's order; empty where the labels are private.
        digest: SHA-256 of the rows.
        duplicates: Rows whose text stands earlier in the split too.
        overlap: Rows whose text, or whose context (article), stands in train; None for train
            itself and where there is no train.
        problem: Why the split is absent or unreadable.
    """

    task: str
    split: str
    state: State
    rows: int = 0
    official: int = 0
    left_out: int = 0
    official_left_out: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""
    duplicates: int = 0
    overlap: int | None = None
    problem: str = ""


def with_trained(tasks: Iterable[Task]) -> list[Task]:
    """The tasks, and those that some of them are scored with the model of."""
    chosen, known = {task.name: task for task in tasks}, registry().tasks()
    trained = [known[task.train_task] for task in chosen.values() if task.train_task in known]
    return list((chosen | {task.name: task for task in trained}).values())


def lacking(task: Task, origin: Origin, reports: Iterable[SplitReport]) -> SplitReport | None:
    """The first split that fine-tuning and scoring a task needs and that is absent, if any."""
    trained = registry().tasks().get(task.train_task) or task
    needed = {(task.name, split) for split in scored_splits(task, origin)}
    if "train" in trained.source.splits:
        needed |= {(trained.name, s) for s in ("train", "dev") if s in trained.source.splits}
    absent = (report for report in reports if report.state == "absent")
    return next((report for report in absent if (report.task, report.split) in needed), None)


def verify(tasks: Iterable[Task], origin: Origin) -> Iterator[SplitReport]:
    """Read every split of every task and report on it; what is missing is a report too.

    Every row is made an example, and a prompt where the task has prompts.

    Raises:
        UnreachableError: The hub does not answer.
    """
    for task in tasks:
        seen_in_train: set[int] | None = None
        for split in _splits(task, origin):
            try:
                rows = load_split(task, split, origin)
                texts, contexts = _texts(task, rows)
            except AbsentError as error:
                yield _failed(task, split, "absent", error)
                continue
            except UnreachableError:
                raise
            except DataError as error:
                yield _failed(task, split, "unreadable", error)
                continue
            yield _report(task, rows, texts, contexts, seen_in_train)
            if split == "train":
                seen_in_train = {*texts, *contexts}


def _splits(task: Task, origin: Origin) -> tuple[str, ...]:
    """Train first, so that the others can be held against it."""
    splits = sample_splits(task) if origin.kind == "sample" else tuple(task.source.splits)
    return tuple(sorted(splits, key=lambda s: s != "train"))


def _failed(task: Task, split: str, state: State, error: DataError) -> SplitReport:
    official = task.source.splits[split].rows
    return SplitReport(task.name, split, state, official=official, problem=str(error))


def _report(
    task: Task,
    rows: SplitRows,
    texts: list[int],
    contexts: list[int],
    seen_in_train: set[int] | None,
) -> SplitReport:
    overlap = None
    if seen_in_train is not None:
        pairs = zip(texts, contexts or texts, strict=True)
        overlap = sum(t in seen_in_train or c in seen_in_train for t, c in pairs)
    return SplitReport(
        task=task.name,
        split=rows.split,
        state="complete" if rows.complete else "cut",
        rows=len(rows.rows),
        official=rows.official,
        left_out=rows.left_out,
        official_left_out=task.source.splits[rows.split].without_gold,
        labels=_histogram(task, rows),
        digest=rows.digest,
        duplicates=len(texts) - len(set(texts)),
        overlap=overlap,
    )


def _histogram(task: Task, rows: SplitRows) -> dict[str, int]:
    """Rows per label in the task's order; scores counted by the nearest whole one."""
    labels = [row["label"] for row in rows.rows if row["label"] is not None]
    if task.kind == "regress":
        labels = [round(label) for label in labels]
    counts = Counter(labels)
    order = task.labels if task.kind == "classify" else sorted(counts)
    return {str(label): counts[label] for label in order if label in counts}


def _texts(task: Task, rows: SplitRows) -> tuple[list[int], list[int]]:
    """Hashes of every example's text, and of its context where the task has contexts."""
    if task.prompt is not None:
        prompts_of(task, rows)
    examples = examples_of(task, rows)
    contexts = [_normal(e.context) for e in examples] if any(e.context for e in examples) else []
    return [_fingerprint(e) for e in examples], contexts


def _fingerprint(example: Example) -> int:
    """Hash of the text, without regard to the order of the sequences."""
    sequences = frozenset(tuple(map(_normal, segments)) for segments in example.sequences)
    return hash((_normal(example.context), sequences))


@lru_cache(maxsize=64)
def _normal(text: str) -> int:
    """Hash of a text's letters and digits, cached for the articles that examples share.

    White space and punctuation must not count: of RACE's articles that are in train too, 11 of dev
    and 7 of test, each is spaced or punctuated otherwise there.
    """
    return hash(NO_LETTER.sub("", text.lower()))
