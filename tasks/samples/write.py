"""Writes the samples: JSON lines, UTF-8, one file per split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from gpteval_tasks.samples import choice, facts, nli, similarity, single
from gpteval_tasks.samples.collect import Row
from gpteval_tasks.samples.reading import Reading


class Splits(Protocol):
    """What makes the rows of one task."""

    @property
    def task(self) -> str:
        """The task, and the directory of its files."""

    def splits(self) -> dict[str, list[Row]]:
        """The rows by split."""


SAMPLES: tuple[Splits, ...] = (
    *single.SAMPLES,
    *nli.SAMPLES,
    *facts.SAMPLES,
    *similarity.SAMPLES,
    *choice.SAMPLES,
    Reading(),
)


def write(directory: Path) -> list[Path]:
    """Write `<task>/<split>.jsonl` for every task below `directory`; the same bytes every time."""
    written = []
    for sample in SAMPLES:
        for split, rows in sample.splits().items():
            path = directory / sample.task / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(_replace(path, rows))
    return written


def _replace(path: Path, rows: list[Row]) -> Path:
    """Write the rows beside the file and put them in its place."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    fresh = path.with_suffix(".tmp")
    fresh.write_text(text, encoding="utf-8", newline="\n")
    return fresh.replace(path)
