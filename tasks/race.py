"""RACE: questions on an article, four answers each, from English exams of middle and high school.

`_` in a question marks the blank that the answer fills.
"""

from __future__ import annotations

from gpteval import Example, PaperScore, Prompt, Row, Source, Split, Task


def example(row: Row) -> Example:
    """Article as context; question; four answers. The level is the part."""
    options, article = tuple(row["options"]), row["article"]
    return Example.choice(row, row["question"], options, context=article, **_place(row))


def prompt(row: Row) -> Prompt:
    """After article and question: each answer. The questions on one article share it."""
    options, article = tuple(row["options"]), row["article"]
    return Prompt.choice(row, row["question"], options, passage=article, **_place(row))


def _place(row: Row) -> dict[str, str]:
    """Level as the part, article as the cluster."""
    article = row["example_id"]
    return {
        "part": "middle" if article.startswith("middle") else "high",
        "cluster": article,
    }


def _split(name: str, rows: int, hub: str) -> Split:
    return Split(rows, (f"RACE/{name}/middle/*.txt", f"RACE/{name}/high/*.txt"), hub=hub)


RACE = Task(
    name="race",
    version=1,
    kind="choose",
    source=Source(
        hub="ehovy/race",
        config="all",
        revision="2fec9fd81f1dc971569a9b729c43f2f0e6436637",
        reader="race",
        splits={
            "train": _split("train", 87866, "train"),
            "dev": _split("dev", 4887, "validation"),
            "test": _split("test", 4934, "test"),
        },
        columns=("example_id", "article", "question", "options"),
        label="answer",
        label_names={"A": "0", "B": "1", "C": "2", "D": "3"},
        id="example_id",
        ask="https://www.cs.cmu.edu/~glai1/data/race/",
        sample="gpteval_tasks:samples/race",
    ),
    example=example,
    prompt=prompt,
    metrics=("accuracy",),
    groups=("choice",),
    evaluate=("dev", "test"),
    paper=(
        PaperScore("accuracy", 59.0, "test", "P t.3", best_before=53.3),
        PaperScore("accuracy/middle", 62.9, "test", "P t.3", best_before=60.2),
        PaperScore("accuracy/high", 57.4, "test", "P t.3", best_before=50.3),
    ),
    title="Reading comprehension from examinations",
    licence="non-commercial research only",
    citation="Lai et al. 2017, RACE: Large-scale ReAding Comprehension Dataset From Examinations",
)
