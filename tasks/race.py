"""RACE: questions on an article, four answers each, from English exams of middle and high school.

`_` in a question marks the blank that the answer fills.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from gpteval import DataError, Example, PaperScore, Prompt, Row, Source, Split, Task

LISTS = ("questions", "options", "answers")


def example(row: Row) -> Example:
    """Article as context; question; four answers. The level is the part."""
    options, article = tuple(row["options"]), row["article"]
    return Example.choice(row, row["question"], options, context=article, **_place(row))


def prompt(row: Row) -> Prompt:
    """After article and question: each answer. The questions on one article share it."""
    options, article = tuple(row["options"]), row["article"]
    return Prompt.choice(row, row["question"], options, passage=article, **_place(row))


def _place(row: Row) -> dict[str, str]:
    """Level as the part, article as the cluster."""
    article = row["example_id"]
    return {
        "part": "middle" if article.startswith("middle") else "high",
        "cluster": article,
    }


def _split(name: str, rows: int, hub: str) -> Split:
    return Split(rows, (f"RACE/{name}/middle/*.txt", f"RACE/{name}/high/*.txt"), hub=hub)


def read(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The questions on one article: one JSON file below `middle/` or `high/`.

    The columns are those of the hub's copy: `example_id` is level and file name ("middle1011.txt"),
    `answer` the letter.

    Raises:
        DataError: Not UTF-8, not whole JSON, or a question without its options or answer.
    """
    article = _article(path)
    name = path.parent.name + path.name
    for question, options, answer in zip(*(article[key] for key in LISTS), strict=True):
        fields = {
            "example_id": name,
            "article": article["article"],
            "question": question,
            "options": options,
            "answer": answer,
        }
        yield 1, fields


def _article(path: Path) -> dict[str, Any]:
    """The file's JSON object, checked: three lists of one length, and the options lists too."""
    try:
        article = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise DataError.at(path, error.lineno, f"not whole JSON: {error}") from None
    except RecursionError:
        raise DataError.at(path, 1, "not whole JSON: nested too deeply") from None
    if not isinstance(article, dict) or not {"article", *LISTS} <= article.keys():
        raise DataError.at(path, 1, f"expected an object with article, {', '.join(LISTS)}")
    lists = [article[key] for key in LISTS]
    if not all(isinstance(value, list) for value in chain(lists, article["options"])):
        raise DataError.at(
            path, 1, f"expected {', '.join(LISTS)} to be lists, and each option list too"
        )
    if len({len(value) for value in lists}) > 1:
        counts = ", ".join(f"{len(article[key])} {key}" for key in LISTS)
        raise DataError.at(path, 1, f"a question lacks its options or answer: {counts}")
    return article


RACE = Task(
    name="race",
    version=1,
    kind="choose",
    source=Source(
        hub="ehovy/race",
        config="all",
        revision="2fec9fd81f1dc971569a9b729c43f2f0e6436637",
        reader=read,
        splits={
            "train": _split("train", 87866, "train"),
            "dev": _split("dev", 4887, "validation"),
            "test": _split("test", 4934, "test"),
        },
        columns=("example_id", "article", "question", "options"),
        lists=("options",),
        label="answer",
        label_names={"A": "0", "B": "1", "C": "2", "D": "3"},
        id="example_id",
        numbered=True,
        ask="https://www.cs.cmu.edu/~glai1/data/race/",
        sample="gpteval_tasks:samples/race",
    ),
    example=example,
    prompt=prompt,
    metrics=("accuracy",),
    groups=("choice", "layers"),
    evaluate=("dev", "test"),
    paper=(
        PaperScore("accuracy", 59.0, "test", "P t.3", best_before=53.3),
        PaperScore("accuracy/middle", 62.9, "test", "P t.3", best_before=60.2),
        PaperScore("accuracy/high", 57.4, "test", "P t.3", best_before=50.3),
    ),
    title="Reading comprehension from examinations",
    licence="non-commercial research only",
    citation="Lai et al. 2017, RACE: Large-scale ReAding Comprehension Dataset From Examinations",
)
