"""What the columns of a row are to the model: `Columns` gives the example, `Question` the prompt.

They stand for functions that a task would have to write: `Task.example`, `Task.prompt`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

from gpteval.task import Candidate, Example, Prompt, Row

Form = Literal["classify", "entailment", "similarity", "choice", "pairs", "regress"]
"""A text with a label; premise and hypothesis; two texts in no order; a question with answers; an
acceptable sentence and its unacceptable twin; a text, or two, with a number."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a row are: called with a row, it gives the example.

    Attributes:
        form: How the model reads them.
        texts: Columns of text, in reading order.
        answers: Columns of the answers, or the one that holds a list of them (choice).
        context: Column of a text read before everything else (an article); "" for none.
        part, cluster: Columns of `Example.part` and `Example.cluster`; "" for none.
    """

    form: Form
    texts: tuple[str, ...]
    answers: tuple[str, ...] = ()
    context: str = ""
    part: str = ""
    cluster: str = ""

    def __call__(self, row: Row) -> Example:
        """The example of a row."""
        first, *second = (row[name] for name in self.texts)
        context = row[self.context] if self.context else ""
        sequences: tuple[tuple[str, ...], ...]
        if self.form == "choice":
            sequences = tuple((first, answer) for answer in self.choices(row))
        elif self.form == "similarity":
            sequences = ((first, *second), (*second, first))
        elif self.form == "pairs":
            sequences = tuple((sentence,) for sentence in self.pair(row))
        else:
            sequences = ((first, *second),)
        return Example(row["id"], sequences, self.label(row), context, **self.place(row))

    def choices(self, row: Row) -> tuple[str, ...]:
        """The answers to choose from."""
        if len(self.answers) == 1:
            return tuple(row[self.answers[0]])
        return tuple(row[name] for name in self.answers)

    def pair(self, row: Row) -> tuple[str, str]:
        """The sentences of a pair, the acceptable one where `label` says."""
        good, bad = (row[name] for name in self.texts)
        return (bad, good) if self.label(row) else (good, bad)

    def label(self, row: Row) -> Any:
        """The row's; of a pair the acceptable one's place, which its text decides.

        Always in one place, it would be told apart without being read.
        """
        if self.form != "pairs":
            return row["label"]
        return crc32("\n".join(row[name] for name in self.texts).encode()) & 1

    def place(self, row: Row) -> dict[str, str]:
        """Part and cluster, where there are columns of them."""
        named = {"part": self.part, "cluster": self.cluster}
        return {name: row[column] for name, column in named.items() if column}


@dataclass(frozen=True, slots=True)
class Question:
    """What a model that was not fine-tuned is asked: called with a row, it gives the prompt.

    Attributes:
        columns: What the row's columns are.
        template: Text before the answer, with {column} for a column's text (not of choices and
            pairs, whose question is the row itself).
        answers: What is likely or not after it, one for each label.
        neutral: In place of it for calibration.
    """

    columns: Columns
    template: str = ""
    answers: tuple[str, ...] = ()
    neutral: str = ""

    def __call__(self, row: Row) -> Prompt:
        """The prompt of a row."""
        columns, passage, context = self.columns, "", ""
        answers: tuple[str, ...] = self.answers
        if columns.form == "pairs":
            answers = columns.pair(row)
        elif columns.form == "choice":
            context, answers = row[columns.texts[0]], columns.choices(row)
            passage = row[columns.context] if columns.context else ""
        else:
            context = self.template.format_map(row)
        candidates = tuple(Candidate(context, answer) for answer in answers)
        label, place = columns.label(row), columns.place(row)
        return Prompt(row["id"], candidates, label, passage, self.neutral, **place)
