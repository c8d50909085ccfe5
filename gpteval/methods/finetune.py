"""One fine-tuning of one model on one task with one seed, and the scores of its splits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval.config import RunConfig
from gpteval.files import digest
from gpteval.methods.job import JobData, circumstances, scores_of
from gpteval.progress import Progress
from gpteval.records import Prediction, Result
from gpteval.task import Task
from gpteval.weights.transfer import EVERYTHING, Transfer

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.compute.distributed import World
    from gpteval.results.store import ResultStore
    from gpteval.train.finetune import Training
    from gpteval.train.head import TaskModel


class Fitting:
    """One job with one seed, in one process or several that each do their share."""

    def __init__(
        self,
        data: JobData,
        config: RunConfig,
        seed: int,
        machine: Machine,
        transfer: Transfer = EVERYTHING,
        world: World | None = None,
    ) -> None:
        """The loaded model is copied before training: every fitting begins with its weights."""
        from gpteval.compute.cost import Work
        from gpteval.compute.distributed import World

        self.data, self.config, self.seed, self.machine = data, config, seed, machine
        self.job, self.loaded = data.job, data.loaded
        self.transfer, self.world = transfer, world or World()
        self.evaluated = Work()
        self.evaluating = 0.0

    def results(self, store: ResultStore, progress: Progress) -> list[Result]:
        """Those of exactly this fitting that are in the store; else those it makes now.

        In several processes the first one decides, and the others return none.
        """
        found = self.finished(store) if self.world.first else []
        if self.world.sums(len(found))[0]:
            self._unfinished.unlink(missing_ok=True)  # a kill may have come just before
            return found
        return self.execute(store, progress)

    def finished(self, store: ResultStore) -> list[Result]:
        """Earlier results of exactly this fitting; empty unless every scored split has one."""
        found = {
            (result.task, result.split): result
            for task in {task.name: task for task, _ in self.job.scored}.values()
            for result in store.finished(self.key(task))
        }
        wanted = [(task.name, split) for task, split in self.job.scored]
        return [found[name] for name in wanted] if all(name in found for name in wanted) else []

    def execute(self, store: ResultStore, progress: Progress) -> list[Result]:
        """Train, predict every scored split, and put the results on disk."""
        model = self._task_model()
        training = self._train(model, progress)
        predicted = [(*scored, self._predict(model, *scored)) for scored in self.job.scored]
        if not self.world.first:
            return []
        record = self._record(model, training)
        results = []
        for task, split, predictions in predicted:
            path = store.write_predictions(self.key(task), task.name, split, predictions)
            results.append(self._result(task, split, predictions, path, record))
        store.append(results)
        self._unfinished.unlink(missing_ok=True)
        return results

    @property
    def settings(self) -> dict[str, Any]:
        """The recipe's, and what is kept of the pre-trained model unless it is everything."""
        return self.config.config.settings | self.transfer.setting

    @property
    def _unfinished(self) -> Path:
        """Where the training is saved until its results are."""
        directory = self.config.results_directory / "unfinished"
        return directory / f"{self.key(self.job.task)[:16]}.safetensors"

    def key(self, task: Task) -> str:
        """Digest of everything the scores of `task` depend on."""
        return digest(
            {
                "mode": "finetune",
                "task": [task.name, task.version],
                "trained on": [self.job.task.name, self.job.task.version],
                "model": self.loaded.digest,
                "rows": self.data.digest(task),
                "config": self.settings,
                "precision": self.machine.precision,
                "seed": self.seed,
            }
        )

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

    def _train(self, model: TaskModel, progress: Progress) -> Training:
        from gpteval.score.metrics import score
        from gpteval.train.finetune import Finetuning, Saving

        task = self.job.task

        def dev_score() -> float:
            return score(task, self._predict(model, task, "dev"))[task.metrics[0]]

        finetuning = Finetuning(
            model,
            self.config.config,
            self.seed,
            autocast=self.machine.autocast,
            saving=Saving(self._unfinished, self.config.save_seconds),
            world=self.world,
        )
        rows = self.data.encoded[task.name, "train"]
        selects = dev_score if (task.name, "dev") in self.data.rows else None
        return finetuning.fit(rows, selects, self._title, progress)

    @property
    def _title(self) -> str:
        """What the progress bar shows: the task, and what tells this fitting from the others."""
        label = self.transfer.label
        seed = f" seed {self.seed}" if len(self.config.seeds) > 1 else ""
        return f"{self.job.task.name}{f', {label}' if label else ''}{seed}"

    def _predict(self, model: TaskModel, task: Task, split: str) -> list[Prediction]:
        from gpteval.train.predict import predict

        name = (task.name, split)
        examples, encoded = self.data.examples[name], self.data.encoded[name]
        began = time.perf_counter()
        autocast = self.machine.autocast
        found = predict(model, task, examples, encoded, autocast=autocast, world=self.world)
        self.evaluating += time.perf_counter() - began
        self.evaluated.add(encoded)
        return found

    def _record(self, model: TaskModel, training: Training) -> dict[str, Any]:
        """What the training and the predictions took: fields of every result."""
        from gpteval.compute.cost import finetuning_cost

        seconds = self.data.seconds | {"train": training.seconds, "evaluate": self.evaluating}
        machine, processes = self.machine, self.world.size
        return {
            "seconds": {phase: round(spent, 3) for phase, spent in seconds.items()},
            "cost": finetuning_cost(model.model, training, self.evaluated, machine, processes),
            "history": tuple(training.history),
        }

    def _result(
        self,
        task: Task,
        split: str,
        predictions: list[Prediction],
        path: str,
        record: dict[str, Any],
    ) -> Result:
        changed = self.config.config.changed("paper")
        return Result(
            key=self.key(task),
            mode="finetune",
            split=split,
            recipe=self.config.recipe_name,
            config=self.settings,
            changed=changed | self.transfer.setting,
            seed=self.seed,
            data=self.data.record(task, split),
            predictions=path,
            **scores_of(task, self.data.train_labels, predictions),
            **circumstances(self.loaded, self.machine),
            **record,
        )
