"""SciTail: does a sentence from the web entail an answered science question?

The hub's `tsv_format` lost 499 rows of train to quotation marks; its `snli_format` is whole, with
the label `entailment` where the official TSV has `entails`.
"""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Split, Task


def example(row: Row) -> Example:
    """Premise, hypothesis."""
    return Example.pair(row, row["premise"], row["hypothesis"])


def _split(name: str, rows: int, hub: str) -> Split:
    files = (f"SciTailV1.1/tsv_format/scitail_1.0_{name}.tsv",)
    return Split(rows, files, hub=hub, header=("premise", "hypothesis", "label"))


SCITAIL = Task(
    name="scitail",
    version=1,
    kind="classify",
    source=Source(
        hub="allenai/scitail",
        config="snli_format",
        revision="0cc4353235b289165dfde1c7c5d1be983f99ce44",
        splits={
            "train": _split("train", 23596, "train"),
            "dev": _split("dev", 1304, "validation"),
            "test": _split("test", 2126, "test"),
        },
        columns=("premise", "hypothesis"),
        label_names={"entailment": "entails"},
        hub_columns={"sentence1": "premise", "sentence2": "hypothesis", "gold_label": "label"},
        ask="https://allenai.org/data/scitail",
        sample="gpteval_tasks:samples/scitail",
    ),
    example=example,
    metrics=("accuracy",),
    labels=("entails", "neutral"),
    groups=("nli",),
    blind="hypothesis-only",
    evaluate=("dev", "test"),
    paper=(PaperScore("accuracy", 88.3, "test", "P t.2", best_before=83.3),),
    title="SciTail",
    licence="Apache-2.0",
    citation="Khot, Sabharwal, Clark 2018, SciTail: A Textual Entailment Dataset from Science "
    "Question Answering",
)
