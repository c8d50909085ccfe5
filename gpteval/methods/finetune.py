"""One fine-tuning of one model on one task with one seed, and the predictions of its splits."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval.methods.identity import computed, key
from gpteval.methods.job import JobData
from gpteval.methods.settings import RunConfig
from gpteval.methods.unit import Answers, SplitName, circumstances, rounded
from gpteval.plugins import registry
from gpteval.progress import Progress
from gpteval.records import Mode, Prediction
from gpteval.results import provenance
from gpteval.task import Label, Task
from gpteval.weights.transfer import EVERYTHING, Transfer, layers_of

if TYPE_CHECKING:
    from gpteval.compute.cost import Work
    from gpteval.encode.batch import Encoded
    from gpteval.methods.session import Session
    from gpteval.train.course import Course
    from gpteval.train.finetune import Finetuning, Saving, Training
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
        place: Path | None = None,
    ) -> None:
        """The loaded model is copied before training: every one begins with its weights.

        Args:
            data: Of the job.
            config: The run's.
            seed: Of fresh weights, order and masks.
            session: What the run's units share.
            transfer: What is kept of the loaded model.
            place: Directory that the fine-tuned model is kept in; None: it is not.
        """
        self.data, self.config, self.seed = data, config, seed
        self.job, self.loaded = data.job, data.loaded
        self.machine, self.world, self.transfer = session.machine, session.world, transfer
        self.place, self._session = place, session
        self._on_dev: list[Prediction] | None = None  # of the weights kept

    def seeded(self, seed: int) -> Finetune:
        """The same with another seed, its model not kept."""
        return Finetune(self.data, self.config, seed, self._session, self.transfer)

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
    def kept(self) -> bool:
        """Whether the fine-tuned model is in its place, or has none."""
        return self.check() if self.place else True

    def check(self) -> bool:
        """Whether the fine-tuned model is in its place, where it has one.

        Raises:
            GptevalError: It is not, and can't be written there (see `check_place`).
        """
        from gpteval.train.finetuned import check_place

        return self.place is not None and check_place(self.place, self.key(self.job.task))

    @property
    def settings(self) -> dict[str, Any]:
        """The recipe's, and what is kept of the pre-trained model unless it is everything."""
        return self.config.config.settings | self.transfer.setting

    def key(self, task: Task) -> str:
        """Digest of everything the scores of `task` depend on."""
        settings = {"config": self.settings, "seed": self.seed}
        drawn = self.config.config.dropout or self.config.config.classifier_dropout
        # Without dropout any number of processes has the losses of one.
        settings |= computed(self.loaded, self.machine, self.world.size if drawn else 1)
        return key(self.mode, task, self.job.task, self.data.contents(task), settings)

    def predict(self, progress: Progress) -> Answers:
        """Train, then predict every scored split."""
        from gpteval.compute.cost import Work

        model, self._on_dev = self.task_model(), None
        encoded = self.data.encoded(model.specials)
        training = self._train(model, encoded, progress)
        predictions = {}
        for task, split in self.scored:
            chose = self._selects and (task, split) == (self.job.task, "dev")
            # A training that goes on from a saved state has counted before what it answers again.
            work = Work() if chose else training.evaluated
            predictions[task.name, split] = (chose and self._on_dev) or self.answers(
                model, task, encoded, split, work, progress
            )
        facts = self._account(model, training)
        self._keep(model)
        return Answers(predictions, facts)

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
            "run_file": self.config.run_file,
            "data": self.data.record(task, split),
            **circumstances(self.loaded, self.machine),
        }

    def task_model(self) -> TaskModel:
        """A copy of the model with the task's head, as training begins."""
        import torch

        from gpteval.compute.device import compile_layers
        from gpteval.train.adapter import add_adapter
        from gpteval.train.checkpointing import checkpoint_layers
        from gpteval.train.head import TaskModel

        torch.manual_seed(self.seed)
        config = self.config.config
        model = TaskModel(
            self.transfer.model(self.loaded),
            self.job.task,
            config.classifier_dropout,
            pooling=config.pooling,
        )
        model.model.dropout = config.dropout
        if config.adapter == "lora":
            add_adapter(model.model, config)
        machine = self.machine
        if machine.device.type == "cuda":
            compile_layers(model, machine.precision, whole=not machine.forgets)
        if machine.forgets:
            checkpoint_layers(model.model, machine.autocast)
        # One that is to be split is moved block by block: the device may not hold all of it.
        return model if self.world.shard else model.to(machine.device)

    def _train(
        self,
        model: TaskModel,
        encoded: Mapping[tuple[str, str], Sequence[Encoded]],
        progress: Progress,
    ) -> Training:
        from gpteval.score.metrics import score
        from gpteval.train.finetune import Saving

        task = self.job.task

        def dev_score() -> float:
            evaluated = finetuning.done.evaluated  # what a saved state brought back, included
            predictions = self.answers(model, task, encoded, "dev", evaluated)
            found = score(task, predictions)[task.metrics[0]]
            if found > finetuning.best_score:
                self._on_dev = predictions
            return found

        finetuning = self.finetuning(model, Saving(self.unfinished, self.config.save_seconds))
        self._warn(self.memory(finetuning), progress)
        selects = dev_score if self._selects else None
        return finetuning.fit(encoded[task.name, "train"], selects, self.title, progress)

    @property
    def _selects(self) -> bool:
        """Whether development scores choose the weights that are kept."""
        return (self.job.task.name, "dev") in self.data.rows

    def finetuning(self, model: TaskModel, saving: Saving | None = None) -> Finetuning:
        """The training of a task model by this unit's recipe, not begun."""
        from gpteval.train.finetune import Finetuning

        return Finetuning(
            model,
            self.config.config,
            self.seed,
            autocast=self.machine.autocast,
            saving=saving,
            world=self.world,
            layer=layers_of(self.loaded),
        )

    def memory(self, finetuning: Finetuning) -> int:
        """Bytes held at most while it trains, as told from shapes: on a CPU by all of the process.

        Args:
            finetuning: Not begun.
        """
        from gpteval.train.memory import needed

        whole = sum(p.nbytes for p in finetuning.model.parameters())  # though it may be split now
        return self._session.held(whole) + needed(finetuning, self.course()).total

    def _warn(self, needed: int, progress: Progress) -> None:
        """Say so where the device has not as much memory.

        It is no error: what is told from shapes may be some way off, and a batch that does not fit
        is computed in smaller parts.
        """
        from gpteval.compute.memory import room

        there = room(self.machine.device)
        if there and needed > there:
            config = self.config.config
            thrifty = {
                "--gradient-checkpointing": self.machine.forgets,
                "--optimizer adamw-8bit": config.optimizer == "adamw-8bit",
                "--adapter lora": config.adapter == "lora",
            }
            advice = " or ".join(option for option, taken in thrifty.items() if not taken)
            progress.say(
                f"{self.title} needs about {needed / 1e9:.3g} GB of {there / 1e9:.3g}: "
                f"try {advice or 'a smaller model, or a machine with more'}"
            )

    def course(self) -> Course:
        """The updates that the training makes.

        Raises:
            TrainingError: The training split has no labelled rows.
        """
        from gpteval.train.course import Course

        split = self.encoded[self.job.task.name, "train"]
        return Course.of(split, self.config.config, self.seed)

    def passes(self, course: Course) -> dict[SplitName, int]:
        """How often each split is predicted: to choose weights, and for the results."""
        own = (self.job.task.name, "dev")
        passes = {(task.name, split): 1 for task, split in self.scored}
        if self._selects:  # the answers that chose the weights are those written
            passes[own] = sum(map(course.is_scored, range(1, course.total + 1)))
        return passes

    @property
    def encoded(self) -> Mapping[SplitName, Sequence[Encoded]]:
        """Every split as token trees, with the ids that the added tokens will have."""
        from gpteval.encode.examples import Specials

        return self.data.encoded(Specials.after(self.loaded.model.vocab_size))

    @property
    def title(self) -> str:
        """What people are told: the task, and what tells this unit from the others."""
        label = self.transfer.label
        seed = f" seed {self.seed}" if len(self.config.seeds) > 1 else ""
        return f"{self.job.task.name}{f', {label}' if label else ''}{seed}"

    def answers(
        self,
        model: TaskModel,
        task: Task,
        encoded: Mapping[tuple[str, str], Sequence[Encoded]],
        split: str,
        evaluated: Work,
        progress: Progress | None = None,
    ) -> list[Prediction]:
        """Predict one split, and count what that took."""
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
            title=f"{self.title} · scoring {task.name} {split}",
            progress=progress,
        )
        evaluated.seconds += time.perf_counter() - began
        evaluated.add(encoded[name])
        return predictions

    def _keep(self, model: TaskModel) -> None:
        """Write the fine-tuned model to its place, if it has one; the first process does."""
        from gpteval.compute.distributed import copy_whole
        from gpteval.train.adapter import merge_adapter
        from gpteval.train.finetuned import save_finetuned

        if self.place is None:
            return
        if self.world.shard:
            split, model = model, self.task_model()
            copy_whole(split, model)
        if not self.world.first:
            return
        merge_adapter(model.model)
        made = {
            **circumstances(self.loaded, self.machine),
            "recipe": self.config.recipe_name,
            "config": self.settings,
            "seed": self.seed,
            "versions": dict(provenance.versions()),
            "plugins": registry().versions(),
            "commit": provenance.commit(),
        }
        shared, key = self.data.share, self.key(self.job.task)
        save_finetuned(self.place, model, self.loaded, key=key, shared=shared, made=made)

    def _account(self, model: TaskModel, training: Training) -> dict[str, Any]:
        """What the training and the predictions took: fields of every result."""
        from gpteval.compute.cost import finetuning_cost

        evaluated = training.evaluated
        seconds = {"train": training.seconds, "evaluate": evaluated.seconds}
        machine, processes = self.machine, self.world.size
        return {
            "seconds": rounded(self.data.seconds | seconds),
            "cost": finetuning_cost(model.model, training, evaluated, machine, processes),
            "history": tuple(training.history),
        }
