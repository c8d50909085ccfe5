"""A job: the task to train on, the splits scored with its model, and their rows made ready."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gpteval.data.raw import examples_of
from gpteval.files import digest
from gpteval.methods.unit import SplitName, data_record
from gpteval.records import DataRecord
from gpteval.task import Example, Label, Task

if TYPE_CHECKING:
    from gpteval.data.rows import SplitRows
    from gpteval.encode.batch import Encoded
    from gpteval.encode.examples import Specials
    from gpteval.methods.session import Session
    from gpteval.model import Loaded


@dataclass(frozen=True, slots=True)
class Job:
    """One task to train on, and the splits scored with its model.

    Attributes:
        task: The training task.
        scored: Its own scored splits, those of tasks that ride along (breaking-NLI on SNLI), or
            both.
    """

    task: Task
    scored: tuple[tuple[Task, str], ...]

    def read(self, session: Session) -> dict[SplitName, SplitRows]:
        """Rows of the training split, the development split and every scored split."""
        trained = [(self.task, s) for s in ("train", "dev") if s in self.task.source.splits]
        return {
            (task.name, split): session.rows(task, split)
            for task, split in (*trained, *self.scored)
        }


BACKWARD = 2
"""A backward pass takes as long as so many forward ones."""


def work(rows: Mapping[SplitName, SplitRows], train: int = 1) -> float:
    """How much there is to compute for these splits, in about the characters that are read.

    A training split is read `train` times. The rows of a split are as long as its first ones.
    """
    sizes = {}
    for name, split in rows.items():
        first = split.rows[:100]
        characters = sum(len(str(value)) for row in first for value in row.values())
        times = train if name[1] == "train" else 1
        sizes[name] = times * len(split.rows) * characters / max(1, len(first))
    return sum(sizes.values())


class JobData:
    """The rows of a job as examples and as token trees, made once for all seeds."""

    def __init__(
        self,
        job: Job,
        rows: Mapping[SplitName, SplitRows],
        loaded: Loaded,
        limit: int | None,
        *,
        share: bool = True,
    ) -> None:
        """Nothing is encoded before it is asked for.

        Args:
            job: The job.
            rows: Its rows, read with `limit`.
            loaded: The model.
            limit: Most rows of a split; None for all.
            share: Compute what an example's sequences have in common once.
        """
        self.job, self.rows, self.loaded, self.limit = job, rows, loaded, limit
        self.share = share
        self.seconds = {"load": 0.0, "encode": 0.0}
        self._trees: dict[Specials, Mapping[SplitName, list[Encoded]]] = {}

    @cached_property
    def examples(self) -> Mapping[SplitName, list[Example]]:
        """Every split as examples, in file order."""
        tasks = {t.name: t for t in (self.job.task, *(t for t, _ in self.job.scored))}
        return {
            (name, split): examples_of(tasks[name], rows.rows)
            for (name, split), rows in self.rows.items()
        }

    def encoded(self, specials: Specials) -> Mapping[SplitName, list[Encoded]]:
        """Every split as token trees, made once for the ids that `add_tokens` gave."""
        from gpteval.encode.examples import encode_examples

        if specials not in self._trees:
            began = time.perf_counter()
            self._trees[specials] = {
                name: encode_examples(
                    examples,
                    self.job.task if name[0] == self.job.task.name else None,
                    self.loaded.tokenizer,
                    specials,
                    self.loaded.model.context,
                    share=self.share,
                )
                for name, examples in self.examples.items()
            }
            self.seconds["encode"] = time.perf_counter() - began
        return self._trees[specials]

    @property
    def train_labels(self) -> list[Label]:
        """Gold labels of the training split."""
        return [e.label for e in self.examples[self.job.task.name, "train"]]

    def record(self, task: Task, split: str) -> DataRecord:
        """What a score of this split was measured on."""
        scored, train = self.rows[task.name, split], self.rows[self.job.task.name, "train"]
        return data_record(scored, train, self.digest(task), self.limit)

    def digest(self, task: Task) -> str:
        """Digest of the rows trained on, selected on, and scored for `task`."""
        used = [(self.job.task.name, "train"), (self.job.task.name, "dev")]
        used += [(t.name, split) for t, split in self.job.scored if t.name == task.name]
        return digest(
            {"/".join(name): rows.digest for name, rows in self.rows.items() if name in used}
        )
