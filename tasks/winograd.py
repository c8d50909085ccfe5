"""Winograd schemas: which of two nouns does a pronoun stand for?

Rahman & Ng's set (DPRD), which the paper scores without fine-tuning (§5), and the 273 schemas of
the Winograd Schema Challenge. Each noun is put in the pronoun's place; that one is chosen after
which the rest of the sentence is likelier (partial scoring).
"""

from __future__ import annotations

from gpteval import Example, Prompt, Row, Source, Split, Task
from gpteval_tasks.winograd_files import read_dpr, read_wsc

POSSESSIVE = ("his", "its", "their", "her")
"""*her* is one only before a word: "her back", but "gave it to her.": two sentences of DPRD's test
set ("made her gasp") are misread so."""

WITH_CAPITAL = ("A", "An", "The", "My", "His", "Her", "Its", "Their", "Some")
"""Words that a name does not begin with, lower-case inside a sentence."""

COLUMNS = ("before", "pronoun", "after", "candidates")


def example(row: Row) -> Example:
    """Per noun: the beginning with it in the pronoun's place, then the rest."""
    return Example(row["id"], tuple((c, row["after"]) for c in _contexts(row)), row["label"])


def prompt(row: Row) -> Prompt:
    """The rest of the sentence, after the beginning with either noun in the pronoun's place."""
    return Prompt.partial(row, _contexts(row), row["after"])


def _contexts(row: Row) -> tuple[str, ...]:
    return tuple(f"{row['before']} {_in_place(row, noun)}".strip() for noun in row["candidates"])


def _in_place(row: Row, noun: str) -> str:
    """A noun with the case of letters and the ending that the pronoun's place asks for."""
    pronoun = row["pronoun"]
    first, _, rest = noun.strip().rstrip(".").partition(" ")
    if pronoun[:1].isupper():
        first = first[:1].upper() + first[1:]
    elif first in WITH_CAPITAL:
        first = first.lower()
    owns = pronoun.lower() in POSSESSIVE and (
        pronoun.lower() != "her" or row["after"][:1].isalnum()
    )
    return f"{first} {rest}".strip() + ("'s" if owns else "")


DPR = Task(
    name="dpr",
    version=1,
    kind="choose",
    source=Source(
        hub="",
        reader=read_dpr,
        splits={
            "train": Split(1322, ("winograd/dpr/train.c.txt",)),
            "test": Split(564, ("winograd/dpr/test.c.txt",)),
        },
        columns=COLUMNS,
        lists=("candidates",),
        label="answer",
        ask="https://www.hlt.utdallas.edu/~vince/data/emnlp12/",
        sample="gpteval_tasks:samples/dpr",
    ),
    example=example,
    prompt=prompt,
    metrics=("accuracy",),
    groups=("winograd",),
    evaluate=("test",),
    title="Definite Pronoun Resolution",
    licence="none stated; distributed for research",
    citation="Rahman, Ng 2012, Resolving Complex Cases of Definite Pronouns: The Winograd Schema "
    "Challenge",
)

WSC273 = Task(
    name="wsc273",
    version=1,
    kind="choose",
    source=Source(
        hub="",
        reader=read_wsc,
        splits={"test": Split(273, ("winograd/wsc273/WSCollection.xml",))},
        columns=COLUMNS,
        lists=("candidates",),
        label="answer",
        ask="https://cs.nyu.edu/~davise/papers/WinogradSchemas/WSCollection.xml (first 273)",
        sample="gpteval_tasks:samples/wsc273",
    ),
    example=example,
    prompt=prompt,
    metrics=("accuracy",),
    groups=("winograd",),
    evaluate=("test",),
    train_task="dpr",
    title="Winograd Schema Challenge",
    licence="CC BY 4.0",
    citation="Levesque, Davis, Morgenstern 2011, The Winograd Schema Challenge",
)
