"""A job: the task to train on, the splits scored with its model, and their rows made ready."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gpteval.data.raw import made
from gpteval.files import digest
from gpteval.plugins import registry
from gpteval.records import DataRecord, Prediction
from gpteval.results import provenance
from gpteval.task import Example, Label, Task

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.data.rows import Origin, SplitRows
    from gpteval.encode.batch import Encoded
    from gpteval.model import Loaded

SplitName = tuple[str, str]
"""Task name and split."""


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

    def read(self, rows_from: Origin, limit: int | None) -> dict[SplitName, SplitRows]:
        """Rows of the training split, the development split and every scored split."""
        from gpteval.data.rows import load_split

        trained = [(self.task, s) for s in ("train", "dev") if s in self.task.source.splits]
        found: dict[SplitName, SplitRows] = {}
        for task, split in (*trained, *self.scored):
            if (task.name, split) not in found:
                found[task.name, split] = load_split(task, split, rows_from, limit)
        return found


def circumstances(loaded: Loaded, machine: Machine) -> dict[str, Any]:
    """Fields of every result: model, software, hardware, time."""
    return {
        "model": loaded.reference,
        "model_digest": loaded.digest,
        "parameters": sum(p.numel() for p in loaded.model.parameters()),
        "device": machine.device.type,
        "precision": machine.precision,
        **software(),
    }


def software() -> dict[str, Any]:
    """Fields of every result: the code that made it, and when."""
    return {
        "versions": provenance.versions(),
        "plugins": registry().versions(),
        "commit": provenance.commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def scores_of(
    task: Task, train_labels: Sequence[Label], found: Sequence[Prediction]
) -> dict[str, Any]:
    """Fields of a result that predictions alone decide, beside the labels trained on."""
    from gpteval.score.chance import baselines
    from gpteval.score.metrics import score
    from gpteval.score.statistics import interval

    return {
        "task": task.name,
        "version": task.version,
        "n": len(found),
        "scores": score(task, found),
        "interval": interval(task, found),
        "baselines": baselines(task, train_labels, found),
        "degenerate": len({p.prediction for p in found}) == 1,
    }


def data_record(scored: SplitRows, train: SplitRows, digest: str, limit: int | None) -> DataRecord:
    """What a score was measured on: the rows scored and those trained on."""
    return DataRecord(
        origin=scored.origin.kind,
        digest=digest,
        rows=len(scored.rows),
        official=scored.official,
        complete=scored.complete and train.complete,
        train_rows=len(train.rows),
        train_official=train.official,
        left_out=scored.left_out,
        limit=limit or 0,
    )


class JobData:
    """The rows of a job as examples and as token trees, made once for all seeds."""

    def __init__(
        self,
        job: Job,
        rows: Mapping[SplitName, SplitRows],
        loaded: Loaded,
        limit: int | None,
        loading: float = 0.0,
        *,
        share: bool = True,
    ) -> None:
        """Nothing is encoded before it is asked for.

        Args:
            job: The job.
            rows: Its rows, read with `limit`.
            loaded: The model.
            limit: Most rows of a split; None for all.
            loading: Seconds it took to load the model and to read the rows.
            share: Compute what an example's sequences have in common once.
        """
        self.job, self.rows, self.loaded, self.limit = job, rows, loaded, limit
        self.share = share
        self.seconds = {"load": loading, "encode": 0.0}

    @cached_property
    def examples(self) -> Mapping[SplitName, list[Example]]:
        """Every split as examples, in file order."""
        tasks = {t.name: t for t in (self.job.task, *(t for t, _ in self.job.scored))}
        return {
            (name, split): [made(tasks[name], row, tasks[name].example) for row in rows.rows]
            for (name, split), rows in self.rows.items()
        }

    @cached_property
    def encoded(self) -> Mapping[SplitName, list[Encoded]]:
        """Every split as token trees."""
        from gpteval.encode.examples import Specials, encode_examples

        began = time.perf_counter()
        model = self.loaded.model
        specials = Specials.after(model.vocab_size)  # the ids that `add_tokens` will give
        found = {
            name: encode_examples(
                examples,
                self.job.task,
                self.loaded.tokenizer,
                specials,
                model.context,
                share=self.share,
            )
            for name, examples in self.examples.items()
        }
        self.seconds["encode"] = time.perf_counter() - began
        return found

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
