"""The updates of one fine-tuning before any is made: how many, and what each of them reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpteval.compute.cost import Work
from gpteval.config import FinetuneConfig
from gpteval.encode.batch import Encoded
from gpteval.encode.batching import epoch_order
from gpteval.errors import TrainingError
from gpteval.train.schedule import Schedule

EARLY_CHECKS = (1000, 2000, 4000, 8000, 16000, 32000)
"""Updates of the first epoch after which the development score is taken as well [C]."""


@dataclass(frozen=True, slots=True)
class Course:
    """The batches of a fine-tuning: first those on the texts, if any, then those on the task.

    Attributes:
        train: The labelled examples of the training split.
        config: The recipe.
        seed: Of the order.
    """

    train: Sequence[Encoded]
    config: FinetuneConfig
    seed: int

    @classmethod
    def of(cls, split: Sequence[Encoded], config: FinetuneConfig, seed: int) -> Course:
        """That of a training split.

        Raises:
            TrainingError: No row of it has a label.
        """
        train = [example for example in split if example.target]
        if not train:
            raise TrainingError("nothing to train on: the training split has no labelled rows")
        return cls(train, config, seed)

    @property
    def per_epoch(self) -> int:
        """Updates of a pass; the last partial batch is dropped [C]."""
        return max(1, len(self.train) // self.config.batch_size)

    @property
    def total(self) -> int:
        """Updates in all."""
        return self.per_epoch * (self.config.lm_epochs + self.config.epochs)

    @property
    def schedule(self) -> Schedule:
        """What each update learns from, which layers do, and at what rates."""
        return Schedule(self.config, self.total)

    def batches(self, done: int = 0) -> Iterator[list[Encoded]]:
        """The examples of every update after `done` of them, in order."""
        size = self.config.batch_size
        for update in range(done, self.total):
            epoch, place = divmod(update, self.per_epoch)
            if update == done or not place:
                order = epoch_order(len(self.train), self.seed, epoch)
            yield [self.train[i] for i in order[place * size : (place + 1) * size]]

    def is_scored(self, update: int) -> bool:
        """Whether the development score is taken after an update, from 1."""
        on_task = update - self.schedule.on_texts
        early = on_task <= self.per_epoch and on_task in EARLY_CHECKS
        return on_task > 0 and (early or update % self.per_epoch == 0)

    def work(self) -> dict[int, Work]:
        """Stage → what its updates read."""
        schedule, work = self.schedule, dict[int, Work]()
        for update, batch in enumerate(self.batches(), 1):
            own = work.setdefault(schedule.stage(update), Work())
            own.learn(batch, predicts=schedule.predicts(update))
        return work

    def stages(self) -> dict[int, range]:
        """Stage (see `Schedule.stage`) → its updates, from 1."""
        schedule, stages = self.schedule, dict[int, range]()
        for update in range(1, self.total + 1):
            stage = schedule.stage(update)
            stages[stage] = range(stages.get(stage, range(update, 0)).start, update + 1)
        return stages

    def epoch(self, update: int) -> float:
        """How many passes on the task there were after an update, from 1."""
        return (update - self.schedule.on_texts) / self.per_epoch
