"""MultiNLI: entailment, neutral or contradiction, over ten genres; in GLUE.

`dev` and `test` are matched (the genres of train), `…_mismatched` are other genres. `diagnostic` is
GLUE's own set of 1,104 pairs (AX), made to be predicted with the model of this task.
"""

from __future__ import annotations

from gpteval import Example, PaperScore, Row, Source, Split, Task
from gpteval_tasks import glue


def example(row: Row) -> Example:
    """Premise, hypothesis."""
    return Example.pair(row, row["sentence1"], row["sentence2"])


def _split(rows: int, file: str, hub: str, labelled: bool = True) -> Split:
    return Split(rows, (f"glue/MNLI/{file}.tsv",), hub=hub, labelled=labelled)


MNLI = Task(
    name="mnli",
    version=1,
    kind="classify",
    source=Source(
        hub=glue.HUB,
        config="mnli",
        revision=glue.REVISION,
        splits={
            "train": _split(392702, "train", "train"),
            "dev": _split(9815, "dev_matched", "validation_matched"),
            "dev_mismatched": _split(9832, "dev_mismatched", "validation_mismatched"),
            "test": _split(9796, "test_matched", "test_matched", labelled=False),
            "test_mismatched": _split(9847, "test_mismatched", "test_mismatched", labelled=False),
            "diagnostic": Split(
                1104,
                ("glue/diagnostic/diagnostic.tsv",),
                hub="test",
                config="ax",
                labelled=False,
            ),
        },
        columns=("sentence1", "sentence2"),
        label="gold_label",
        hub_columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"},
        ask=glue.ASK,
        sample="gpteval_tasks:samples/mnli",
    ),
    example=example,
    metrics=("accuracy",),
    labels=("entailment", "neutral", "contradiction"),
    groups=("glue", "ablations", "layers", "nli"),
    aliases=("MNLI-m", "MNLI-mm", "MultiNLI"),
    blind="hypothesis-only",
    evaluate=("dev_mismatched", "dev"),
    paper=(
        PaperScore("accuracy", 82.1, "test", "P t.2", best_before=80.6),
        PaperScore("accuracy", 81.4, "test_mismatched", "P t.2", best_before=80.1),
    ),
    title="Multi-Genre NLI",
    licence="OANC licence; fiction section CC BY 3.0, CC BY-SA 3.0 and others",
    citation="Williams, Nangia, Bowman 2018, A Broad-Coverage Challenge Corpus for Sentence "
    "Understanding through Inference",
)
