"""What stands below the leaderboard: the marks that occur, and what the paper's figures are of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gpteval.report.standings import Mark, Row, base_split

LEGEND = {
    "sample": "scored on a bundled sample: shows that the harness works, never beside the paper",
    "zero-shot": "nothing was fine-tuned; the paper's figures are fine-tuned ones",
    "probe": "the model is frozen: a linear head on its states, trained on the training split",
    "baseline": "no language model: a linear model of the training split over words, their "
    "vectors, or what WordNet knows of them; hypothesis-only and ending-only see nothing else of "
    "an example; sliding-window learns nothing",
    "limit": "a quick try on this many rows of every split",
    "cut": "rows of the official data are missing",
    "changed": "settings that differ from the paper's recipe",
    "chosen": "the weights were kept that score best on this very split: it flatters them",
    "constant": "one answer was given to every example",
    "old": "scored by another version of the task",
    "†": "GPT-1's figure on another version of the data",
}
"""Mark → meaning, in the order marks are shown."""

SOURCES = {
    "B": "from the blog post, not in the paper",
    "GLUE": "from GLUE's leaderboard, not in the paper",
}
"""`PaperScore.source` of figures that are not in the paper."""


def footnotes(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Every mark that occurs with its meaning and the facts behind it, then where figures stand."""
    notes = []
    for name, meaning in LEGEND.items():
        marked = [(row.task, mark) for row in rows for mark in row.marks if mark.name == name]
        if marked:
            notes.append((name, meaning + _facts(marked)))
    elsewhere = [row.paper.split for row in rows if row.paper and row.paper.split != row.split]
    for split in dict.fromkeys(map(base_split, elsewhere)):
        text = f"GPT-1's figure is of the {split} split, ours is not: nothing is subtracted"
        notes.append((f"({split})", text))
    for source, place in SOURCES.items():
        named = [_subject(row) for row in rows if row.paper and row.paper.source == source]
        if named:
            notes.append(("GPT-1", f"{place}: {', '.join(dict.fromkeys(named))}"))
    return notes


def _subject(row: Row) -> str:
    return row.task if row.headline else f"{row.task} {row.metric}"


def _facts(marked: Iterable[tuple[str, Mark]]) -> str:
    """The details of one mark, each with its tasks unless all share it."""
    tasks_of: dict[str, dict[str, None]] = {}
    for task, mark in marked:
        if mark.detail:
            tasks_of.setdefault(mark.detail, {})[task] = None
    if len(tasks_of) == 1 and len(next(iter(tasks_of.values()))) > 1:
        return f": {next(iter(tasks_of))}"
    facts = [f"{detail} ({', '.join(tasks)})" for detail, tasks in tasks_of.items()]
    return f": {'; '.join(facts)}" if facts else ""
