"""The sliding window as a baseline of its own: for reading tests, and nothing is trained."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gpteval.data.examples import prompts_of
from gpteval.files import digest
from gpteval.methods.identity import content, key
from gpteval.methods.unit import Answers, SplitName, data_record, rounded, without_model
from gpteval.progress import Progress
from gpteval.records import Mode, Prediction
from gpteval.task import Label, Prompt, Task

if TYPE_CHECKING:
    from gpteval.data.rows import SplitRows

NAME = "sliding-window"
VERSION = 1
"""Raised whenever the numbers change; results depend on it."""


class Window:
    """The sliding window on the scored splits of one task: a unit."""

    mode: Mode = "baseline"
    world = None
    unfinished = None
    kept = True

    def __init__(self, task: Task, rows: Mapping[SplitName, SplitRows], limit: int | None) -> None:
        """`rows` of the task's scored splits, read with `limit`, and of its training split."""
        self.task, self.rows, self.limit = task, rows, limit
        own = [split for name, split in rows if name == task.name and split != "train"]
        self.scored = [(task, split) for split in own]

    @cached_property
    def prompts(self) -> Mapping[str, list[Prompt]]:
        """Of every scored split, in file order."""
        return {split: prompts_of(task, self.rows[task.name, split]) for task, split in self.scored}

    @property
    def applies(self) -> bool:
        """Whether this is a reading test: several answers to choose from, and a passage each."""
        if self.task.kind != "choose" or self.task.prompt is None:
            return False
        return all(prompt.passage for own in self.prompts.values() for prompt in own)

    @property
    def train_labels(self) -> Sequence[Label]:
        """Gold labels of the training split."""
        rows = self.rows.get((self.task.name, "train"))
        return [row["label"] for row in rows.rows] if rows else []

    def key(self, task: Task) -> str:
        """Digest of everything the scores depend on."""
        contents = {split: content(prompts) for split, prompts in self.prompts.items()}
        return key(self.mode, task, None, contents, {"baseline": self.digest})

    @property
    def digest(self) -> str:
        """Of the method."""
        return digest({"name": NAME, "version": VERSION})

    def predict(self, progress: Progress) -> Answers:
        """Slide over every passage."""
        from gpteval.score.sliding_window import sliding_window, window_weights

        began, predictions = time.perf_counter(), {}
        for split, prompts in self.prompts.items():
            progress.begin(f"{self.task.name} · {NAME} · {split}", len(prompts))
            own = predictions[self.task.name, split] = list[Prediction]()
            for p in prompts:
                weights = tuple(round(weight, 6) for weight in window_weights(p))
                answer = sliding_window(p)
                own.append(Prediction(p.id, p.label, answer, weights, p.part, p.cluster))
                progress.advance(1)
            progress.end()
        seconds = {
            "load": sum(self.rows[task.name, split].seconds for task, split in self.scored),
            "evaluate": time.perf_counter() - began,
        }
        return Answers(predictions, {"parameters": 0, "seconds": rounded(seconds)})

    def scores(self, task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
        """The task's metrics."""
        from gpteval.score.metrics import score

        return score(task, predictions)

    def facts(self, task: Task, split: str) -> Mapping[str, Any]:
        """Settings and data."""
        scored = self.rows[task.name, split]
        data = data_record(scored, None, digest({split: scored.digest}), self.limit)
        return without_model(NAME, self.digest, {}) | {"data": data}
