"""Breaking NLI (Glockner): SNLI premises with one word exchanged, to try word knowledge.

Scored with the model fine-tuned on SNLI. 7,164 of the 8,193 pairs are contradictions: always saying
so scores 87.4 %, above GPT-1. Hence the macro F1 and every category's score beside the accuracy.
"""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Split, Task


def example(row: Row) -> Example:
    """Premise, hypothesis; the category is the part, and pairs on one premise are a cluster."""
    premise, hypothesis = row["sentence1"], row["sentence2"]
    return Example.pair(row, premise, hypothesis, part=row["category"], cluster=premise)


BREAKING_NLI = Task(
    name="breaking_nli",
    version=2,
    kind="classify",
    source=Source(
        hub="",
        reader="jsonl",
        splits={"test": Split(8193, ("breaking_nli/dataset.jsonl",))},
        columns=("sentence1", "sentence2", "category"),
        label="gold_label",
        id="pairID",
        ask="https://github.com/BIU-NLP/Breaking_NLI (dataset.jsonl of breaking_nli_dataset.zip)",
        sample="gpteval_tasks:samples/breaking_nli",
    ),
    example=example,
    metrics=("accuracy", "macro_f1"),
    labels=("entailment", "neutral", "contradiction"),
    groups=("nli",),
    blind="hypothesis-only",
    evaluate=("test",),
    train_task="snli",
    paper=(PaperScore("accuracy", 83.75, "test", "B"),),
    title="Breaking NLI",
    licence="CC BY-SA 4.0",
    citation="Glockner, Shwartz, Goldberg 2018, Breaking NLI Systems with Sentences that Require "
    "Simple Lexical Inferences",
)
