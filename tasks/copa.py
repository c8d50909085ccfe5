"""COPA: which of two sentences is the more plausible cause, or result, of the premise?

The blog post does not say how GPT-1 put the question. Here it follows figure 1's multiple choice
(context and question, delimiter, answer), the question in the words of COPA's own instructions.
The dev file holds what SuperGLUE calls train (items 1–400) and validation (401–500).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gpteval import DataError, Example, PaperScore, Part, Prompt, Row, Source, Split, Task

QUESTIONS = {
    "cause": "What was the cause of this?",
    "effect": "What happened as a result?",
}
CONNECTIVES = {"cause": "because", "effect": "so"}
DEV_FILE = ("copa/copa-dev.xml",)
# SuperGLUE's train and validation are the dev file in its order, so one rule cuts both.
DEV_HUB = "train+validation"


def example(row: Row) -> Example:
    """Premise and question; two answers."""
    question = f"{row['p']} {QUESTIONS[row['asks-for']]}"
    return Example.choice(row, question, (row["a1"], row["a2"]))


def prompt(row: Row) -> Prompt:
    """The premise goes on with *because* (cause) or *so* (effect) and each answer.

    The premise loses its full stop and an answer its capital, unless it is the word *I*, so that
    premise and answer are one sentence.
    """
    premise = row["p"].strip().removesuffix(".")
    context = f"{premise} {CONNECTIVES[row['asks-for']]}"
    return Prompt.choice(row, context, (_inside(row["a1"]), _inside(row["a2"])))


def _inside(sentence: str) -> str:
    """A sentence as it stands inside another."""
    text = sentence.strip()
    first = text.split("'")[0].split(" ")[0]
    return text if first == "I" else text[:1].lower() + text[1:]


def read(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Every `item`: its attributes (id, asks-for, most-plausible-alternative) and p, a1, a2.

    Raises:
        DataError: Not well-formed XML, an entity declaration, or no items, with file:line.
    """
    from gpteval_tasks.xml import read_elements

    items = read_elements(path, "item", ("p", "a1", "a2"))
    for item in items:
        yield item.line, item.attributes | {name: texts[-1] for name, texts in item.texts.items()}
    if not items:
        raise DataError.at(path, 1, "no items; expected <item> elements in <copa-corpus>")


COPA = Task(
    name="copa",
    version=1,
    kind="choose",
    source=Source(
        hub="aps/super_glue",
        config="copa",
        revision="3de24cf8022e94f4ee4b9d55a6f539891524d646",
        reader=read,
        splits={
            "train": Split(400, DEV_FILE, hub=DEV_HUB, part=Part(0, 400)),
            "dev": Split(100, DEV_FILE, hub=DEV_HUB, part=Part(400, 500)),
            # SuperGLUE keeps the labels of test private: it is scored from the official file.
            "test": Split(500, ("copa/copa-test.xml",)),
        },
        columns=("asks-for", "p", "a1", "a2"),
        label="most-plausible-alternative",
        label_names={"1": "0", "2": "1", "choice1": "0", "choice2": "1"},
        hub_columns={
            "question": "asks-for",
            "premise": "p",
            "choice1": "a1",
            "choice2": "a2",
            "label": "most-plausible-alternative",
        },
        ask="https://people.ict.usc.edu/~gordon/copa.html",
        sample="gpteval_tasks:samples/copa",
    ),
    example=example,
    prompt=prompt,
    metrics=("accuracy",),
    groups=("choice",),
    evaluate=("dev", "test"),
    paper=(PaperScore("accuracy", 78.6, "test", "B", best_before=71.2),),
    title="Choice of Plausible Alternatives",
    licence="BSD 2-Clause",
    citation="Roemmele, Bejan, Gordon 2011, Choice of Plausible Alternatives",
)
