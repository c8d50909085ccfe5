"""One fine-tuning of one model on one task with one seed, and the predictions of its splits."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval.files import digest
from gpteval.methods.job import JobData
from gpteval.methods.settings import RunConfig
from gpteval.methods.unit import Answers, circumstances, rounded
from gpteval.progress import Progress
from gpteval.records import Mode, Prediction
from gpteval.task import Label, Task
from gpteval.weights.transfer import EVERYTHING, Transfer

if TYPE_CHECKING:
    from gpteval.encode.batch import Encoded
    from gpteval.methods.session import Session
    from gpteval.train.finetune import Training
    from gpteval.train.head import TaskModel


class Finetune:
    """One job with one seed: a unit, in one process or several that each do their share."""

    mode: Mode = "finetune"

    def __init__(
        self,
        data: JobData,
        config: RunConfig,
        seed: int,
        session: Session,
        transfer: Transfer = EVERYTHING,
    ) -> None:
        """The loaded model is copied before training: every one begins with its weights."""
        from gpteval.compute.cost import Work

        self.data, self.config, self.seed = data, config, seed
        self.job, self.loaded = data.job, data.loaded
        self.machine, self.world, self.transfer = session.machine, session.world, transfer
        self.evaluated, self.evaluating = Work(), 0.0

    @property
    def scored(self) -> Sequence[tuple[Task, str]]:
        """The job's."""
        return self.job.scored

    @property
    def train_labels(self) -> Sequence[Label]:
        """Gold labels of the training split."""
        return self.data.train_labels

    @property
    def unfinished(self) -> Path:
        """Where the training is saved until its results are."""
        directory = self.config.results_directory / "unfinished"
        return directory / f"{self.key(self.job.task)[:16]}.safetensors"

    @property
    def settings(self) -> dict[str, Any]:
        """The recipe's, and what is kept of the pre-trained model unless it is everything."""
        return self.config.config.settings | self.transfer.setting

    def key(self, task: Task) -> str:
        """Digest of everything the scores of `task` depend on."""
        return digest(
            {
                "mode": self.mode,
                "task": [task.name, task.version],
                "trained on": [self.job.task.name, self.job.task.version],
                "model": self.loaded.digest,
                "rows": self.data.digest(task),
                "config": self.settings,
                "precision": self.machine.precision,
                "seed": self.seed,
            }
        )

    def predict(self, progress: Progress) -> Answers:
        """Train, then predict every scored split."""
        model = self._task_model()
        encoded = self.data.encoded(model.specials)
        training = self._train(model, encoded, progress)
        predictions = {
            (task.name, split): self._predict(model, task, encoded, split, progress)
            for task, split in self.scored
        }
        return Answers(predictions, self._account(model, training))

    def scores(self, task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
        """The task's metrics."""
        from gpteval.score.metrics import score

        return score(task, predictions)

    def facts(self, task: Task, split: str) -> Mapping[str, Any]:
        """Recipe, seed, data and model."""
        return {
            "recipe": self.config.recipe_name,
            "config": self.settings,
            "changed": self.config.config.changed | self.transfer.setting,
            "seed": self.seed,
            "data": self.data.record(task, split),
            **circumstances(self.loaded, self.machine),
        }

    def _task_model(self) -> TaskModel:
        import torch

        from gpteval.compute.device import compile_token_wise
        from gpteval.train.head import TaskModel

        torch.manual_seed(self.seed)
        config = self.config.config
        model = TaskModel(
            self.transfer.model(self.loaded), self.job.task, config.classifier_dropout
        )
        model.model.dropout = config.dropout
        if self.machine.device.type == "cuda":
            compile_token_wise(model)
        return model.to(self.machine.device)

    def _train(
        self,
        model: TaskModel,
        encoded: Mapping[tuple[str, str], Sequence[Encoded]],
        progress: Progress,
    ) -> Training:
        from gpteval.score.metrics import score
        from gpteval.train.finetune import Finetuning, Saving

        task = self.job.task

        def dev_score() -> float:
            return score(task, self._predict(model, task, encoded, "dev"))[task.metrics[0]]

        finetuning = Finetuning(
            model,
            self.config.config,
            self.seed,
            autocast=self.machine.autocast,
            saving=Saving(self.unfinished, self.config.save_seconds),
            world=self.world,
        )
        selects = dev_score if (task.name, "dev") in self.data.rows else None
        return finetuning.fit(encoded[task.name, "train"], selects, self._title, progress)

    @property
    def _title(self) -> str:
        """What the progress bar shows: the task, and what tells this unit from the others."""
        label = self.transfer.label
        seed = f" seed {self.seed}" if len(self.config.seeds) > 1 else ""
        return f"{self.job.task.name}{f', {label}' if label else ''}{seed}"

    def _predict(
        self,
        model: TaskModel,
        task: Task,
        encoded: Mapping[tuple[str, str], Sequence[Encoded]],
        split: str,
        progress: Progress | None = None,
    ) -> list[Prediction]:
        from gpteval.train.predict import predict

        name = (task.name, split)
        began = time.perf_counter()
        predictions = predict(
            model,
            task,
            self.data.examples[name],
            encoded[name],
            autocast=self.machine.autocast,
            world=self.world,
            title=f"{self._title} · scoring {task.name} {split}",
            progress=progress,
        )
        self.evaluating += time.perf_counter() - began
        self.evaluated.add(encoded[name])
        return predictions

    def _account(self, model: TaskModel, training: Training) -> dict[str, Any]:
        """What the training and the predictions took: fields of every result."""
        from gpteval.compute.cost import finetuning_cost

        seconds = self.data.seconds | {"train": training.seconds, "evaluate": self.evaluating}
        machine, processes = self.machine, self.world.size
        return {
            "seconds": rounded(seconds),
            "cost": finetuning_cost(model.model, training, self.evaluated, machine, processes),
            "history": tuple(training.history),
        }
