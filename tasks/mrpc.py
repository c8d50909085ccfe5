"""MRPC: do two sentences from the news say the same? In GLUE."""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Task
from gpteval_tasks import glue


def example(row: Row) -> Example:
    """Both orders of the two sentences."""
    return Example.unordered(row, row["#1 String"], row["#2 String"])


MRPC = Task(
    name="mrpc",
    version=1,
    kind="classify",
    source=Source(
        hub=glue.HUB,
        config="mrpc",
        revision=glue.REVISION,
        splits=glue.splits("MRPC", 3668, 408, 1725),
        columns=("#1 String", "#2 String"),
        label="Quality",
        label_names={"0": "not_equivalent", "1": "equivalent"},
        hub_columns={"sentence1": "#1 String", "sentence2": "#2 String", "label": "Quality"},
        ask=glue.ASK,
        sample="gpteval_tasks:samples/mrpc",
    ),
    example=example,
    metrics=("f1", "accuracy"),
    labels=("not_equivalent", "equivalent"),
    groups=("glue", "ablations", "similarity"),
    evaluate=("dev",),
    paper=(
        PaperScore("f1", 82.3, "test", "P t.4", best_before=86.0),
        PaperScore("accuracy", 75.7, "test", "GLUE"),
    ),
    title="Microsoft Research Paraphrase Corpus",
    licence="Microsoft Research licence, shown at download",
    citation="Dolan, Brockett 2005, Automatically Constructing a Corpus of Sentential Paraphrases",
)
