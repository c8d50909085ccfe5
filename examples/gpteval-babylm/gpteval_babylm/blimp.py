"""BLiMP: which of two sentences, alike but for a word or its place, is acceptable?

As its authors do, the sentence with the higher summed log-probability is chosen. Accuracies are
also told for the 67 paradigms, 13 phenomena and 4 fields: every example is in one of each.
"""

from __future__ import annotations

from gpteval import Columns, Example, Prompt, Question, Row, Source, Split, Task

PAIR = Columns("pairs", ("sentence_good", "sentence_bad"))


def slices(row: Row) -> str:
    """Field, phenomenon and paradigm; a field is spelt with "/" in one paradigm's file."""
    field = row["field"].replace("/", "_")
    return ";".join((field, row["linguistics_term"], row["UID"]))


def example(row: Row) -> Example:
    """Two sequences, the acceptable one now first, now last."""
    made = PAIR(row)
    return Example(made.id, made.sequences, made.label, part=slices(row))


def prompt(row: Row) -> Prompt:
    """Both sentences from their first token on."""
    made = Question(PAIR)(row)
    return Prompt(made.id, made.candidates, made.label, part=slices(row))


BLIMP = Task(
    name="blimp",
    version=1,
    kind="choose",
    source=Source(
        hub="",
        splits={"test": Split(67_000, ("blimp/*.jsonl",))},
        columns=("sentence_good", "sentence_bad", "field", "linguistics_term", "UID"),
        reader="jsonl",
        label="",
        id="UID",
        numbered=True,
        ask="https://github.com/alexwarstadt/blimp (the directory data)",
    ),
    example=example,
    prompt=prompt,
    rule="sum",
    metrics=("accuracy",),
    groups=("babylm-zeroshot",),
    evaluate=("test",),
    title="Benchmark of Linguistic Minimal Pairs",
    licence="CC BY 4.0 (the hub's card; the authors' repository states none)",
    citation="Warstadt et al. 2020, BLiMP: The Benchmark of Linguistic Minimal Pairs for English",
)
