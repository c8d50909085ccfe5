"""QNLI: does the sentence answer the question? SQuAD turned into pairs, in GLUE.

GLUE replaced its first version, which the paper reports, by the one read here (v2, January 2019);
the model's score on that is the one that can be compared.
"""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Task
from gpteval_tasks import glue


def example(row: Row) -> Example:
    """Question, sentence: the order of the official columns."""
    return Example.pair(row, row["question"], row["sentence"])


QNLI = Task(
    name="qnli",
    version=1,
    kind="classify",
    source=Source(
        hub=glue.HUB,
        config="qnli",
        revision=glue.REVISION,
        splits=glue.splits("QNLI", 104743, 5463, 5463),
        columns=("question", "sentence"),
        ask=glue.ASK,
        sample="gpteval_tasks:samples/qnli",
    ),
    example=example,
    metrics=("accuracy",),
    labels=("entailment", "not_entailment"),
    groups=("glue", "ablations", "nli"),
    blind="hypothesis-only",
    evaluate=("dev",),
    paper=(
        PaperScore("accuracy", 87.4, "test", "GLUE"),
        PaperScore("accuracy", 88.1, "test", "P t.2", data="QNLI v1", best_before=82.3),
    ),
    title="Question-answering NLI (v2)",
    licence="CC BY-SA 4.0 (SQuAD)",
    citation="Rajpurkar et al. 2016, SQuAD; Wang et al. 2019, GLUE",
)
