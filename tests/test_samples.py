"""The bundled samples: written again byte for byte, sound rows, nothing shared between splits."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from gpteval import Task
from gpteval.data.rows import load_split, origin
from gpteval.data.samples import sample_splits
from gpteval_tasks import gpteval_register_tasks
from gpteval_tasks.samples.collect import text_key
from gpteval_tasks.samples.write import SAMPLES, write

PACKAGE = Path(__file__).parent.parent / "tasks" / "samples"
TASKS = {task.name: task for task in gpteval_register_tasks()}
LEAST = {"train": 256, "dev": 64, "dev_mismatched": 64, "test": 64}
each_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)

# The columns whose texts make up a row; a short answer ("In 1734.") may stand in two splits.
TEXTS = {
    "race": ("article",),
    "rocstories": ("InputSentence1", "RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2"),
    "copa": ("p", "a1", "a2"),
    "breaking_nli": ("sentence1", "sentence2"),
    "dpr": ("before",),
    "wsc273": ("before",),
}


def rows(task: Task, split: str) -> list[dict[str, object]]:
    return [dict(row) for row in load_split(task, split, origin(sample=True)).rows]


def texts(task: Task, split: str) -> set[str]:
    columns = TEXTS.get(task.name, task.source.columns)
    return {text_key(str(row[column])) for row in rows(task, split) for column in columns}


def test_writing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path): path.read_bytes() for path in write(tmp_path)}
    there = {p.relative_to(PACKAGE): p.read_bytes() for p in PACKAGE.glob("*/*.jsonl")}
    assert written == there


def test_every_task_has_a_sample() -> None:
    assert {sample.task for sample in SAMPLES} == set(TASKS)


@each_task
def test_every_split_has_rows_enough(task: Task) -> None:
    wanted = {"test"} if task.train_task else {"train", "dev", "test"}
    assert wanted & set(task.source.splits) <= set(sample_splits(task))
    for split in sample_splits(task):
        assert len(rows(task, split)) >= LEAST[split]


@each_task
def test_every_row_becomes_an_example_with_a_label(task: Task) -> None:
    for split in sample_splits(task):
        for row in rows(task, split):
            example = task.example(row)
            assert example.label is not None
            assert all(segment.strip() for seq in example.sequences for segment in seq)


@each_task
def test_no_label_is_too_common(task: Task) -> None:
    for split in sample_splits(task):
        found = Counter(row["label"] for row in rows(task, split))
        assert max(found.values()) <= 0.61 * found.total()
        assert task.kind != "classify" or set(found) == set(task.labels)


@each_task
def test_no_text_of_a_split_occurs_in_another(task: Task) -> None:
    for one, other in combinations(sample_splits(task), 2):
        assert not texts(task, one) & texts(task, other)


@each_task
def test_no_row_occurs_twice_or_unfilled(task: Task) -> None:
    for split in sample_splits(task):
        path = PACKAGE / task.name / f"{split}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [task.example(row).sequences for row in rows(task, split)]
        contexts = [task.example(row).context for row in rows(task, split)]
        assert len(set(zip(found, contexts, strict=True))) == len(lines)
        assert not [text for text in lines if "{" in text[1:]]


def test_a_race_question_has_four_different_answers() -> None:
    for split in ("train", "dev", "test"):
        for row in rows(TASKS["race"], split):
            assert len(set(map(str, row["options"]))) == 4  # type: ignore[call-overload]


def test_test_rows_have_words_that_train_never_has() -> None:
    for name in ("cola", "sst2", "rte", "race", "copa"):
        words = {s: set(" ".join(texts(TASKS[name], s)).split()) for s in ("train", "test")}
        assert len(words["test"] - words["train"]) >= 10


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in PACKAGE.rglob("*.*")) < 3_000_000
