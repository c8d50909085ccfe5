"""SNLI: entailment, neutral or contradiction between image captions.

Pairs on which the annotators did not agree have the label `-`: they are left out and counted.
"""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Split, Task


def example(row: Row) -> Example:
    """Premise, hypothesis."""
    return Example.pair(row, row["sentence1"], row["sentence2"])


def _split(name: str, rows: int, without_gold: int, hub: str) -> Split:
    return Split(rows, (f"snli_1.0/snli_1.0_{name}.jsonl",), hub=hub, without_gold=without_gold)


SNLI = Task(
    name="snli",
    version=1,
    kind="classify",
    source=Source(
        hub="stanfordnlp/snli",
        config="plain_text",
        revision="cdb5c3d5eed6ead6e5a341c8e56e669bb666725b",
        reader="jsonl",
        splits={
            "train": _split("train", 549367, 785, "train"),
            "dev": _split("dev", 9842, 158, "validation"),
            "test": _split("test", 9824, 176, "test"),
        },
        columns=("sentence1", "sentence2"),
        label="gold_label",
        hub_columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"},
        no_gold=("-",),
        ask="https://nlp.stanford.edu/projects/snli/",
        sample="gpteval_tasks:samples/snli",
    ),
    example=example,
    metrics=("accuracy",),
    labels=("entailment", "neutral", "contradiction"),
    groups=("nli",),
    blind="hypothesis-only",
    evaluate=("dev", "test"),
    paper=(PaperScore("accuracy", 89.9, "test", "P t.2", best_before=89.3),),
    title="Stanford NLI",
    licence="CC BY-SA 4.0",
    citation="Bowman et al. 2015, A large annotated corpus for learning natural language inference",
)
