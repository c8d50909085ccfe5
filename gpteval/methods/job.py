"""A job: the task to train on, the splits scored with its model, and their rows made ready."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gpteval.data.examples import examples_of, located
from gpteval.methods.identity import content
from gpteval.methods.unit import SplitName, data_record, rows_digest
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
            both; before them those that are predicted only.
    """

    task: Task
    scored: tuple[tuple[Task, str], ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those that are scored, each once."""
        return tuple({task.name: task for task, _ in self.scored}.values())

    def read(self, session: Session) -> dict[SplitName, SplitRows]:
        """Rows of the training split, the development split and every scored split."""
        trained = [(self.task, s) for s in ("train", "dev") if s in self.task.source.splits]
        return {
            (task.name, split): session.rows(task, split)
            for task, split in (*trained, *self.scored)
        }


BACKWARD = 2
"""A backward pass takes as long as so many forward ones."""

MEASURED = 100
"""Rows of a split that are taken for as long as all of them."""


def length(rows: SplitRows) -> float:
    """About how many characters there are to read in a split."""
    first = rows.rows[:MEASURED]
    characters = sum(len(str(value)) for row in first for value in row.values())
    return characters / max(1, len(first)) * len(rows.rows)


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
        return {
            (name, split): examples_of(self.tasks[name], rows)
            for (name, split), rows in self.rows.items()
        }

    def work(self, epochs: int) -> float:
        """How much there is to compute: to train for so many epochs, then to score."""
        trained = (self.job.task.name, "train")
        passes = {name: epochs * (1 + BACKWARD) if name == trained else 1 for name in self.rows}
        return sum(length(rows) * passes[name] for name, rows in self.rows.items())

    def encoded(self, specials: Specials) -> Mapping[SplitName, list[Encoded]]:
        """Every split as token trees, made once for the ids that `add_tokens` gave."""
        if specials not in self._trees:
            began = time.perf_counter()
            self._trees[specials] = {name: self._encode(name, specials) for name in self.rows}
            self.seconds["encode"] = time.perf_counter() - began
        return self._trees[specials]

    def check(self) -> None:
        """Find out whether every row can be read by the model, without keeping what it reads.

        Raises:
            DataError: One that can't be, with task, split, file and line.
        """
        from gpteval.encode.examples import check_examples

        for name, examples in self.examples.items():
            with located(self.tasks[name[0]], self.rows[name]):
                check_examples(examples, self.loaded.tokenizer)

    def _encode(self, name: SplitName, specials: Specials) -> list[Encoded]:
        from gpteval.encode.examples import encode_examples

        task = self.tasks[name[0]]
        with located(task, self.rows[name]):
            return encode_examples(
                self.examples[name],
                task if task.name == self.job.task.name else None,
                self.loaded.tokenizer,
                specials,
                self.loaded.model.context,
                share=self.share,
            )

    @property
    def tasks(self) -> dict[str, Task]:
        """The job's tasks by name."""
        return {t.name: t for t in (self.job.task, *(t for t, _ in self.job.scored))}

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
        return rows_digest({"/".join(name): self.rows[name] for name in self._used(task)})

    def contents(self, task: Task) -> dict[str, str]:
        """Split → digest of its examples, of the same splits."""
        return {"/".join(name): self._contents[name] for name in self._used(task)}

    @cached_property
    def _contents(self) -> Mapping[SplitName, str]:
        return {name: content(examples) for name, examples in self.examples.items()}

    def _used(self, task: Task) -> list[SplitName]:
        """The splits trained on, selected on, and predicted for `task`."""
        own = self.job.task.name
        scored = {(t.name, split) for t, split in self.job.scored if t.name == task.name}
        return [name for name in self.rows if name in {(own, "train"), (own, "dev")} | scored]
