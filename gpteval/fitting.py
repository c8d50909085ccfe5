"""One fine-tuning of one model on one task, scored on every split that rides along."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from gpteval import provenance
from gpteval.config import RunConfig
from gpteval.model import Loaded
from gpteval.progress import Progress
from gpteval.records import DataRecord, Prediction, Result
from gpteval.task import Example, Task

if TYPE_CHECKING:
    from gpteval.data.rows import Origin, SplitRows
    from gpteval.encode.batch import Encoded
    from gpteval.report.store import ResultStore
    from gpteval.score.head import TaskModel
    from gpteval.train.device import Machine
    from gpteval.train.finetune import Training

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


class Fitting:
    """One job with one seed."""

    def __init__(
        self,
        job: Job,
        rows: Mapping[SplitName, SplitRows],
        config: RunConfig,
        seed: int,
        loaded: Loaded,
    ) -> None:
        """`loaded` is copied before training, so that every fitting begins with its weights."""
        self.job, self.rows, self.config, self.seed, self.loaded = job, rows, config, seed, loaded
        self.seconds: dict[str, float] = {}

    def finished(self, store: ResultStore) -> list[Result]:
        """Earlier results of exactly this fitting; empty unless every scored split has one."""
        found = {
            (result.task, result.split): result
            for task, _ in self.job.scored
            for result in store.finished(self.key(task))
        }
        wanted = [(task.name, split) for task, split in self.job.scored]
        return [found[name] for name in wanted] if all(name in found for name in wanted) else []

    def execute(self, machine: Machine, store: ResultStore, progress: Progress) -> list[Result]:
        """Train, predict every scored split, and put the results on disk."""
        with self._timed("encode"):
            model = self._task_model(machine)
            encoded = self._encode(model)
        with self._timed("train"):
            training = self._train(model, encoded, machine, progress)
        results = []
        for task, split in self.job.scored:
            with self._timed("evaluate"):
                predictions = self._predict(model, task, split, encoded, machine)
            results.append(self._result(task, split, predictions, training, machine, store))
        store.append(results)
        return results

    def key(self, task: Task) -> str:
        """Digest of everything the scores of `task` depend on."""
        return provenance.digest(
            {
                "mode": "finetune",
                "task": [task.name, task.version],
                "trained on": [self.job.task.name, self.job.task.version],
                "model": self.loaded.digest,
                "rows": self._data_digest(task),
                "config": asdict(self.config.config),
                "precision": self.config.compute.precision,
                "seed": self.seed,
            }
        )

    @cached_property
    def examples(self) -> Mapping[SplitName, list[Example]]:
        """Every split as examples."""
        tasks = {t.name: t for t in (self.job.task, *(t for t, _ in self.job.scored))}
        return {
            (name, split): [tasks[name].example(row) for row in rows.rows]
            for (name, split), rows in self.rows.items()
        }

    def _task_model(self, machine: Machine) -> TaskModel:
        import torch

        from gpteval.score.head import TaskModel

        torch.manual_seed(self.seed)
        config = self.config.config
        model = TaskModel(deepcopy(self.loaded.model), self.job.task, config.classifier_dropout)
        model.model.dropout = config.dropout
        return model.to(machine.device)

    def _encode(self, model: TaskModel) -> dict[SplitName, list[Encoded]]:
        from gpteval.encode.examples import encode_examples

        return {
            name: encode_examples(
                examples, self.job.task, self.loaded.tokenizer, model.specials, model.model.context
            )
            for name, examples in self.examples.items()
        }

    def _train(
        self,
        model: TaskModel,
        encoded: Mapping[SplitName, list[Encoded]],
        machine: Machine,
        progress: Progress,
    ) -> Training:
        from gpteval.score.metrics import score
        from gpteval.train.finetune import Finetuning

        task = self.job.task

        def dev_score() -> float:
            found = self._predict(model, task, "dev", encoded, machine)
            return score(task, found)[task.metrics[0]]

        finetuning = Finetuning(
            model, self.config.config, self.seed, autocast=machine.autocast, progress=progress
        )
        name = f"{task.name} · seed {self.seed}" if len(self.config.seeds) > 1 else task.name
        selects = (task.name, "dev") in encoded
        return finetuning.fit(
            encoded[task.name, "train"], dev_score if selects else None, title=name
        )

    def _predict(
        self,
        model: TaskModel,
        task: Task,
        split: str,
        encoded: Mapping[SplitName, list[Encoded]],
        machine: Machine,
    ) -> list[Prediction]:
        from gpteval.score.predict import predict

        name = (task.name, split)
        return predict(model, task, self.examples[name], encoded[name], autocast=machine.autocast)

    def _result(
        self,
        task: Task,
        split: str,
        predictions: list[Prediction],
        training: Training,
        machine: Machine,
        store: ResultStore,
    ) -> Result:
        from gpteval.score.baselines import baselines
        from gpteval.score.metrics import score
        from gpteval.score.statistics import interval

        key, config = self.key(task), self.config.config
        train_labels = [e.label for e in self.examples[self.job.task.name, "train"]]
        return Result(
            key=key,
            task=task.name,
            version=task.version,
            mode="finetune",
            split=split,
            n=len(predictions),
            scores=score(task, predictions),
            interval=interval(task, predictions),
            baselines=baselines(task, train_labels, predictions),
            model=self.loaded.reference,
            model_digest=self.loaded.digest,
            parameters=sum(p.numel() for p in self.loaded.model.parameters()),
            recipe=self.config.recipe_name,
            config=asdict(config),
            changed=config.changed("paper"),
            seed=self.seed,
            data=self._data(task, split),
            degenerate=len({p.prediction for p in predictions}) == 1,
            versions=provenance.versions(),
            plugins=provenance.plugins(),
            commit=provenance.commit(),
            device=machine.name,
            precision=machine.precision,
            seconds={phase: round(value, 3) for phase, value in self.seconds.items()},
            cost={
                "updates": training.updates,
                "tokens": training.tokens,
                "tokens_read": training.tokens_read,
            },
            history=tuple(training.history),
            predictions=store.write_predictions(key, task.name, split, predictions),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _data(self, task: Task, split: str) -> DataRecord:
        scored, train = self.rows[task.name, split], self.rows[self.job.task.name, "train"]
        return DataRecord(
            origin=scored.origin.kind,
            digest=self._data_digest(task),
            rows=len(scored.rows),
            official=scored.official,
            complete=scored.complete and train.complete,
            train_rows=len(train.rows),
            train_official=train.official,
            left_out=scored.left_out,
        )

    def _data_digest(self, task: Task) -> str:
        """Digest of the rows trained on, selected on, and scored for `task`."""
        trained = [(self.job.task.name, "train"), (self.job.task.name, "dev")]
        own = [(t.name, split) for t, split in self.job.scored if t.name == task.name]
        return provenance.digest(
            {"/".join(name): rows.digest for name, rows in self.rows.items() if name in trained + own}
        )

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - began
