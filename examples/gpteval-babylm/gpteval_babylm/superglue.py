"""BoolQ, MultiRC and WSC, from SuperGLUE's official files or the hub.

Rows of every split as the hub's card of aps/super_glue counts them; MultiRC's are answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gpteval import DataError, Example, Row, Source, Split, Task

HUB = "aps/super_glue"
REVISION = "3de24cf8022e94f4ee4b9d55a6f539891524d646"
ASK = "https://super.gluebenchmark.com/tasks"
LABELS = ("false", "true")
NAMES = {"False": "false", "True": "true", "0": "false", "1": "true"}
Rows = Iterator[tuple[int, dict[str, Any]]]


def splits(directory: str, train: int, dev: int, test: int) -> dict[str, Split]:
    """SuperGLUE's three splits; the labels of test are private."""
    return {
        "train": Split(train, (f"{directory}/train.jsonl",), hub="train"),
        "dev": Split(dev, (f"{directory}/val.jsonl",), hub="validation"),
        "test": Split(test, (f"{directory}/test.jsonl",), hub="test", labelled=False),
    }


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file, each with its line.

    Raises:
        DataError: A line that is none, with file and line.
    """
    for line, text in enumerate(path.read_text("utf-8").split("\n"), start=1):
        if not text.strip():
            continue
        try:
            yield line, dict(json.loads(text))
        except ValueError as error:
            raise DataError.at(path, line, f"not a JSON object: {error}") from None


def named(label: Any) -> dict[str, str]:
    """A label as a column; none where it is private."""
    return {} if label is None else {"label": NAMES[str(label)]}


def boolq(row: Row) -> Example:
    """Passage, question."""
    return Example.pair(row, row["passage"], row["question"])


def multirc(row: Row) -> Example:
    """Passage as context; question, answer. Answers to one passage belong together."""
    passage = row["paragraph"]
    cluster = hashlib.sha256(passage.encode()).hexdigest()[:12]
    return Example.pair(row, row["question"], row["answer"], context=passage, cluster=cluster)


def read_multirc(path: Path) -> Rows:
    """A passage with all its questions stands on a line; each answer is a row."""
    for line, item in objects(path):
        passage = {"paragraph": item["passage"]["text"]}
        for asked in item["passage"]["questions"]:
            question = passage | {"question": asked["question"]}
            for answer in asked["answers"]:
                yield line, question | {"answer": answer["text"]} | named(answer.get("label"))


def wsc(row: Row) -> Example:
    """The text with the pronoun between asterisks; the noun it may stand for."""
    words = row["text"].split(" ")
    place = int(row["span2_index"])
    words[place] = f"*{words[place]}*"
    return Example.pair(row, " ".join(words), row["span1_text"])


def read_wsc(path: Path) -> Rows:
    """The two spans stand in an object of their own."""
    for line, item in objects(path):
        target: Mapping[str, Any] = item["target"]
        columns = {
            "text": item["text"],
            "span1_text": target["span1_text"],
            "span2_index": target["span2_index"],
        }
        yield line, columns | named(item.get("label"))


BOOLQ = Task(
    name="boolq",
    version=1,
    kind="classify",
    labels=LABELS,
    metrics=("accuracy", "f1"),
    groups=("babylm", "superglue"),
    source=Source(
        hub=HUB,
        config="boolq",
        revision=REVISION,
        splits=splits("BoolQ", 9427, 3270, 3245),
        columns=("passage", "question"),
        reader="jsonl",
        label_names=NAMES,
        ask=ASK,
    ),
    example=boolq,
    title="BoolQ",
    licence="CC BY-SA 3.0 (the hub's card of google/boolq)",
    citation="Clark et al. 2019, BoolQ",
)

MULTIRC = Task(
    name="multirc",
    version=1,
    kind="classify",
    labels=LABELS,
    metrics=("accuracy", "f1"),
    groups=("babylm", "superglue"),
    source=Source(
        hub=HUB,
        config="multirc",
        revision=REVISION,
        splits=splits("MultiRC", 27_243, 4848, 9693),
        columns=("paragraph", "question", "answer"),
        reader=read_multirc,
        label_names=NAMES,
        ask=ASK,
    ),
    example=multirc,
    title="Multi-Sentence Reading Comprehension",
    licence="not stated by its authors (CogComp/multirc) nor on the hub's card (other); "
    "SuperGLUE's authors: may be used in research",
    citation="Khashabi et al. 2018, Looking Beyond the Surface",
)

WSC = Task(
    name="wsc",
    version=1,
    kind="classify",
    labels=LABELS,
    metrics=("accuracy",),
    groups=("babylm", "superglue"),
    source=Source(
        hub=HUB,
        config="wsc",
        revision=REVISION,
        splits=splits("WSC", 554, 104, 146),
        columns=("text", "span1_text", "span2_index"),
        numbers=("span2_index",),
        reader=read_wsc,
        label_names=NAMES,
        ask=ASK,
    ),
    example=wsc,
    title="Winograd Schema Challenge, of SuperGLUE",
    licence="CC BY 4.0 (the hub's card of ErnestSDavis/winograd_wsc)",
    citation="Levesque et al. 2012; Wang et al. 2019, SuperGLUE",
)
