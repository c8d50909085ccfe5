"""CoLA: is the sentence acceptable English? In GLUE; train and dev have no header line."""

from __future__ import annotations

from dataclasses import replace

from gpteval import Candidate, Example, PaperScore, Prompt, Row, Source, Task
from gpteval_tasks import glue

HEADER = ("source", "label", "author_label", "sentence")
SPLITS = glue.splits("CoLA", 8551, 1043, 1063)


def example(row: Row) -> Example:
    """One text."""
    return Example.single(row, row["sentence"])


def prompt(row: Row) -> Prompt:
    """The sentence by itself: how likely is a word of it?"""
    return Prompt(row["id"], (Candidate("", row["sentence"]),), row["label"])


COLA = Task(
    name="cola",
    version=1,
    kind="classify",
    source=Source(
        hub=glue.HUB,
        config="cola",
        revision=glue.REVISION,
        splits={
            "train": replace(SPLITS["train"], header=HEADER),
            "dev": replace(SPLITS["dev"], header=HEADER),
            "test": SPLITS["test"],
        },
        columns=("sentence",),
        label_names={"0": "unacceptable", "1": "acceptable"},
        ask=glue.ASK,
        sample="gpteval_tasks:samples/cola",
    ),
    example=example,
    prompt=prompt,
    rule="threshold",
    metrics=("matthews",),
    labels=("unacceptable", "acceptable"),
    groups=("glue", "ablations"),
    evaluate=("dev",),
    paper=(PaperScore("matthews", 45.4, "test", "P t.4", best_before=35.0),),
    title="Corpus of Linguistic Acceptability",
    licence="none stated; sentences quoted from published linguistics, for research",
    citation="Warstadt, Singh, Bowman 2019, Neural Network Acceptability Judgments",
)
