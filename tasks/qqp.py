"""QQP: do two Quora questions ask the same? In GLUE.

The files of `QQP-clean.zip`, GLUE's own correction, are the official ones: in the first release a
few questions run over a line's end.
"""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Task
from gpteval_tasks import glue


def example(row: Row) -> Example:
    """Both orders of the two questions."""
    return Example.unordered(row, row["question1"], row["question2"])


QQP = Task(
    name="qqp",
    version=1,
    kind="classify",
    source=Source(
        hub=glue.HUB,
        config="qqp",
        revision=glue.REVISION,
        splits=glue.splits("QQP", 363846, 40430, 390965),
        columns=("question1", "question2"),
        label="is_duplicate",
        label_names={"0": "not_duplicate", "1": "duplicate"},
        hub_columns={"label": "is_duplicate"},
        ask=f"{glue.ASK} (QQP-clean.zip)",
        sample="gpteval_tasks:samples/qqp",
    ),
    example=example,
    metrics=("f1", "accuracy"),
    labels=("not_duplicate", "duplicate"),
    groups=("glue", "ablations", "similarity"),
    evaluate=("dev",),
    paper=(
        PaperScore("f1", 70.3, "test", "P t.4", best_before=66.1),
        PaperScore("accuracy", 88.5, "test", "GLUE"),
    ),
    title="Quora Question Pairs",
    licence="Quora's terms of service; non-commercial",
    citation="Iyer, Dandekar, Csernai 2017, First Quora Dataset Release; Wang et al. 2019, GLUE",
)
