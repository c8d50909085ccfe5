"""WNLI: is a sentence with its pronoun resolved entailed by the original? Winograd schemas in GLUE.

GPT-1's paper has no figure of its own for it, but GLUE's macro average counts it.
"""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Task
from gpteval_tasks import glue


def example(row: Row) -> Example:
    """Premise, hypothesis."""
    return Example.pair(row, row["sentence1"], row["sentence2"])


WNLI = Task(
    name="wnli",
    version=1,
    kind="classify",
    source=Source(
        hub=glue.HUB,
        config="wnli",
        revision=glue.REVISION,
        splits=glue.splits("WNLI", 635, 71, 146),
        columns=("sentence1", "sentence2"),
        label_names={"0": "not_entailment", "1": "entailment"},
        ask=glue.ASK,
        sample="gpteval_tasks:samples/wnli",
    ),
    example=example,
    metrics=("accuracy",),
    labels=("not_entailment", "entailment"),
    groups=("glue", "nli"),
    blind="hypothesis-only",
    evaluate=("dev",),
    paper=(PaperScore("accuracy", 53.4, "test", "GLUE"),),
    title="Winograd NLI",
    licence="CC BY 4.0 (the Winograd Schema Challenge)",
    citation="Levesque, Davis, Morgenstern 2011, The Winograd Schema Challenge; "
    "Wang et al. 2019, GLUE",
)
