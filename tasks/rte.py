"""RTE: does the first sentence entail the second? Four years of the PASCAL challenges, in GLUE."""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Task
from gpteval_tasks import glue


def example(row: Row) -> Example:
    """Premise, hypothesis."""
    return Example.pair(row, row["sentence1"], row["sentence2"])


RTE = Task(
    name="rte",
    version=1,
    kind="classify",
    source=Source(
        hub=glue.HUB,
        config="rte",
        revision=glue.REVISION,
        splits=glue.splits("RTE", 2490, 277, 3000),
        columns=("sentence1", "sentence2"),
        ask=glue.ASK,
        sample="gpteval_tasks:samples/rte",
    ),
    example=example,
    metrics=("accuracy",),
    labels=("entailment", "not_entailment"),
    groups=("glue", "ablations", "nli"),
    blind="hypothesis-only",
    evaluate=("dev",),
    paper=(PaperScore("accuracy", 56.0, "test", "P t.2", best_before=61.7),),
    title="Recognizing Textual Entailment",
    licence="none stated; distributed for research",
    citation="Dagan et al. 2006; Bar Haim et al. 2006; Giampiccolo et al. 2007; "
    "Bentivogli et al. 2009 (RTE-1, 2, 3, 5); Wang et al. 2019, GLUE",
)
