"""SST-2: is a phrase from a film review positive? In GLUE."""

from __future__ import annotations

from gpteval import Example, PaperScore, Prompt, Row, Source, Task
from gpteval_tasks import glue

LABELS = ("negative", "positive")


def example(row: Row) -> Example:
    """One text, without the blank that most sentences of the files end in."""
    return Example.single(row, row["sentence"].rstrip())


def prompt(row: Row) -> Prompt:
    """After the text and *very*: the word *negative* or *positive* (paper §5)."""
    return Prompt.choice(row, f"{row['sentence'].rstrip()} very", LABELS, neutral="very")


SST2 = Task(
    name="sst2",
    version=1,
    kind="classify",
    source=Source(
        hub=glue.HUB,
        config="sst2",
        revision=glue.REVISION,
        splits=glue.splits("SST-2", 67349, 872, 1821),
        columns=("sentence",),
        label_names={"0": "negative", "1": "positive"},
        ask=glue.ASK,
        sample="gpteval_tasks:samples/sst2",
    ),
    example=example,
    prompt=prompt,
    metrics=("accuracy",),
    labels=LABELS,
    groups=("glue", "ablations"),
    aliases=("sst",),
    evaluate=("dev",),
    paper=(PaperScore("accuracy", 91.3, "test", "P t.4", best_before=93.2),),
    title="Stanford Sentiment Treebank, two classes",
    licence="none stated; excerpts of film reviews, for research",
    citation="Socher et al. 2013, Recursive Deep Models for Semantic Compositionality Over a "
    "Sentiment Treebank",
)
