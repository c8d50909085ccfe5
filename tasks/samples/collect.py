"""Collects the rows of a task: balanced labels, shuffled, no text in two splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gpteval_tasks.samples.draw import Draw

Row = dict[str, Any]

COUNTS: Mapping[str, int] = {"test": 128, "dev": 128, "train": 320}
"""Rows per split of most samples; test is drawn first, so train has to keep off its texts."""

_TRIES = 400


@dataclass(frozen=True, slots=True)
class Sample:
    """How one task's sample is made.

    Attributes:
        task: The task, and the directory of its files.
        make: Draws a row with the given label. It may return None for an unlucky draw.
        labels: Label per row in turn; a label named twice comes twice as often.
        texts: Columns whose texts must not occur in two splits.
        counts: Rows per split.
        id: Column for a running number, given after shuffling; "" for none.
    """

    task: str
    make: Callable[[Draw, str], Row | None]
    labels: Sequence[str]
    texts: Sequence[str]
    counts: Mapping[str, int] = field(default_factory=lambda: COUNTS)
    id: str = ""

    def splits(self) -> dict[str, list[Row]]:
        """The rows of every split, the same on every call."""
        owner: dict[str, str] = {}
        return {split: self._split(split, owner) for split in self.counts}

    def _split(self, split: str, owner: dict[str, str]) -> list[Row]:
        rng = Random(f"{self.task}/{split}")
        draw = Draw(rng, split)
        rows: list[Row] = []
        for number in range(self.counts[split]):
            rows.append(
                self._row(draw, split, self.labels[number % len(self.labels)], (rows, owner))
            )
        rng.shuffle(rows)
        if self.id:
            rows = [{self.id: str(number), **row} for number, row in enumerate(rows, start=1)]
        return rows

    def _row(
        self, draw: Draw, split: str, label: str, taken: tuple[list[Row], dict[str, str]]
    ) -> Row:
        """A row that is new in its split and shares no text with another split."""
        rows, owner = taken
        for _ in range(_TRIES):
            row = self.make(draw, label)
            if row is None or row in rows:
                continue
            texts = [text_key(row[column]) for column in self.texts]
            if all(owner.get(text, split) == split for text in texts):
                owner.update(dict.fromkeys(texts, split))
                return row
        raise RuntimeError(f"{self.task}: not enough material for {split}, label {label!r}")


def text_key(text: str) -> str:
    """What makes two texts the same: their words."""
    return " ".join("".join(c for c in text.lower() if c.isalnum() or c == " ").split())
