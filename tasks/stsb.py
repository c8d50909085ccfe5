"""STS-B: how alike are two sentences in meaning, from 0 to 5? In GLUE."""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Task
from gpteval_tasks import glue


def example(row: Row) -> Example:
    """Both orders of the two sentences."""
    return Example.unordered(row, row["sentence1"], row["sentence2"])


STSB = Task(
    name="stsb",
    version=1,
    kind="regress",
    source=Source(
        hub=glue.HUB,
        config="stsb",
        revision=glue.REVISION,
        splits=glue.splits("STS-B", 5749, 1500, 1379),
        columns=("sentence1", "sentence2"),
        label="score",
        hub_columns={"label": "score"},
        ask=glue.ASK,
        sample="gpteval_tasks:samples/stsb",
    ),
    example=example,
    metrics=("pearson", "spearman"),
    scale=(0, 5),
    groups=("glue", "ablations", "similarity"),
    evaluate=("dev",),
    paper=(
        PaperScore("pearson", 82.0, "test", "P t.4", best_before=81.0),
        PaperScore("spearman", 80.0, "test", "GLUE"),
    ),
    title="Semantic Textual Similarity Benchmark",
    licence="CC BY-SA 4.0; parts under their sources' terms",
    citation="Cer et al. 2017, SemEval-2017 Task 1; Wang et al. 2019, GLUE",
)
