"""Fine-tuning with one fixed recipe (paper §3.2, §4.1; openai/finetune-transformer-lm `train.py`).

An update reads a random batch, split by length for the hardware, whose parts' gradients add up to
the batch's (see `gpteval.train.gradients`). The weights with the best development score are the
ones kept.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from msgspec import convert
from torch import Tensor

from gpteval.compute.cost import Work
from gpteval.compute.distributed import World, like, share, shared
from gpteval.compute.prefetch import prefetch
from gpteval.compute.sharding import Sharded
from gpteval.config import FinetuneConfig
from gpteval.encode.batch import Batch, Encoded
from gpteval.errors import CheckpointError, ConfigError, TrainingError
from gpteval.progress import Progress, Silent
from gpteval.train.course import Course
from gpteval.train.gradients import Gradients
from gpteval.train.guard import RECENT, StepGuard
from gpteval.train.head import TaskModel
from gpteval.train.optimiser import adamw, clipped_step, gradient_norm, set_rate
from gpteval.train.schedule import Depths, Schedule
from gpteval.train.state import Cadence, load_state, save_state

BITS = {"adamw": 32, "adamw-8bit": 8}
"""Of a moment, by the optimiser's name."""


@dataclass
class Training(Work):
    """What a fine-tuning did.

    Attributes:
        resumed: Update from which an interrupted training resumed; 0 for none.
        recent: Losses of the last `RECENT` updates.
        history: One entry per development score: update, epoch, loss, score.
        evaluated: What was read for these scores, by whoever computes them, and in how long.
    """

    resumed: int = 0
    recent: list[float] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    evaluated: Work = field(default_factory=Work)


@dataclass(frozen=True, slots=True)
class Saving:
    """Where and how often an unfinished training is saved.

    Attributes:
        path: The file; deleted by the caller when the results are safe.
        seconds: Least time between two saves; a save that is slow itself is made more rarely.
    """

    path: Path
    seconds: float = 60.0


class Finetuning:
    """One fine-tuning of one task model.

    Attributes:
        best_score: On the development split, of the weights kept so far; −∞ before the first.
    """

    def __init__(
        self,
        model: TaskModel,
        config: FinetuneConfig,
        seed: int,
        *,
        autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
        saving: Saving | None = None,
        world: World | None = None,
        layer: Callable[[str], int] | None = None,
    ) -> None:
        """The model is trained in place, on the device it is on.

        Where the world shards, its weights are split, and moved to the world's device.

        Args:
            model: The same in all processes but for what is fresh in it: the first one's is taken.
            config: The recipe.
            seed: Of the order and, in several processes, of the dropout masks.
            autocast: Context to compute in.
            saving: Where the training is saved by the first process and gone on from by all.
            world: Processes that train it together; None for this one alone.
            layer: Name of a weight of the language model → its layer, as of its family.

        Raises:
            ConfigError: The recipe treats layers unlike, and nothing tells them apart.
        """
        self.model, self.config, self.seed = model, config, seed
        self.autocast, self.saving, self.world = autocast, saving, world or World()
        self.world.agree(model)
        if self.world.shard:
            model.sharded = Sharded(model, self.world, ["losses", "text_loss"])
        self.device = model.linear.weight.device
        self.lr = config.rate(model.model.width)
        apart = config.layer_divisor != 1 or config.unfreeze != "at-once"
        self._depths = Depths(model, layer) if apart else None
        self.optimiser = adamw(
            model,
            self.lr,
            config.weight_decay,
            self._depths,
            config.layer_divisor,
            bits=BITS[config.optimizer],
        )
        self.done = Training()
        self.gradients = Gradients(model, config, self.world, autocast)
        self.best_score, self._best = -math.inf, dict[str, Tensor]()
        self._cadence = Cadence(saving.seconds if saving else math.inf)
        self._unread = deque[StepGuard]()
        self._late = int(self.device.type == "cuda")  # updates whose figures may be unread

    def fit(
        self,
        train: Sequence[Encoded],
        dev_score: Callable[[], float] | None,
        title: str = "train",
        progress: Progress | None = None,
    ) -> Training:
        """Train for the recipe's epochs, then keep the best weights seen.

        Args:
            train: The training split.
            dev_score: The headline metric on the development split; None keeps the last weights.
            title: What the progress bar shows.
            progress: Told of every update.

        Raises:
            TrainingError: No labelled rows, or a loss that is not a number.
        """
        shown, course = progress or Silent(), Course.of(train, self.config, self.seed)
        self._resume()
        first = self.done.updates
        shown.begin(title, course.total, first)
        made = ((batch, self.gradients.parts(batch)) for batch in course.batches(first))
        with closing(prefetch(made)) as batches:
            for update, (batch, parts) in enumerate(batches, first + 1):
                self.update(batch, update, course.total, parts)
                shown.advance(1, f"loss {self.done.recent[-1]:.3f}" if self.done.recent else "")
                if dev_score and course.is_scored(update):
                    shown.advance(0, "scoring")
                    self._check(dev_score, update, course.epoch(update))
                self._save_when_due()
        self._read(late=0)
        shown.end()
        if self._best:
            self.model.load_state_dict(self._kept())
        return self.done

    def update(
        self,
        examples: Sequence[Encoded],
        update: int,
        total: int,
        parts: Sequence[Batch] | None = None,
    ) -> None:
        """One optimiser step on one batch.

        Args:
            examples: All of the batch.
            update: Which update of the training this is, from 1.
            total: How many there are.
            parts: This process's share of it, if made before.

        Raises:
            TrainingError: The loss or its gradient is NaN, or the loss a spike, far
                above the last ones; that update changed no weight. On a GPU it is the update
                before this one.
        """
        began = time.perf_counter()
        self.model.train()
        schedule = Schedule(self.config, total)
        self._begin(update, schedule)
        if self.world.size > 1:
            self.world.seed(self.seed, update)  # masks of its own, that a resumed run has again
        parts = self.gradients.parts(examples) if parts is None else parts
        loss = self.gradients.add(examples, parts)
        norm = gradient_norm(self.model)
        ids = ", ".join(e.id for e in examples[:5])
        where = f"at update {update} of {total} (examples {ids}, …)"
        figures = StepGuard(loss, norm, self.done.recent, where)
        clipped_step(self.optimiser, norm, self.config.clip, unless=figures.wrong)
        self.optimiser.zero_grad(set_to_none=True)
        self.done.learn(examples, predicts=schedule.predicts(update))
        self._unread.append(figures)
        self._read(self._late)
        self.done.seconds += time.perf_counter() - began

    def _begin(self, update: int, schedule: Schedule) -> None:
        """What an update learns from, which layers do, and at what rates."""
        texts = self.gradients.on_texts = update <= schedule.on_texts
        if schedule.on_texts and update == schedule.on_texts + 1:
            self.optimiser.state.clear()  # the task is another training
        if self._depths:
            self._depths.learn_from(schedule.lowest(update, self._depths.head), self.model)
        if schedule.on_texts:
            self.model.linear.requires_grad_(not texts)  # no other process may count it as 0
        set_rate(self.optimiser, self.lr * schedule.factor(update))

    def _read(self, late: int) -> None:
        """Read the figures of all updates but the last `late`; stop at one that was wrong."""
        while len(self._unread) > late:
            try:
                loss = self._unread.popleft().read()
            except TrainingError as error:
                raise TrainingError(f"{error}{self._last_good()}") from None
            self.done.recent = [*self.done.recent, loss][-RECENT:]

    def _last_good(self) -> str:
        """Where the training was saved last, as the end of a sentence."""
        if self.saving is None or not self.saving.path.is_file():
            return ""
        return f"; the state before is saved in {self.saving.path}"

    def _check(self, dev_score: Callable[[], float], update: int, epoch: float) -> None:
        """Take the development score and keep the weights if it is the best so far."""
        self._read(late=0)
        score, loss = dev_score(), self.done.recent[-1]
        self.done.history.append({"update": update, "epoch": epoch, "loss": loss, "score": score})
        if score > self.best_score:
            state = self.model.state_dict()
            self._best = {
                name: share(value).detach().to("cpu", copy=True) for name, value in state.items()
            }
            self.best_score = score

    def _kept(self) -> dict[str, Tensor]:
        """The best weights so far; of a sharded model as its own are."""
        own = self.model.state_dict()
        return {name: shared(tensor, own[name]) for name, tensor in self._best.items()}

    def _saves(self) -> bool:
        """Whether this process has to do with a save now."""
        due = self.world.first and self._cadence.due
        return self.world.sums(due)[0] > 0 if self.world.shard else due

    def _save_when_due(self) -> None:
        if self.saving is None or not self._saves():
            return
        self._read(late=0)
        best = self.best_score if self._best else None
        facts = {"done": asdict(self.done), "best": best}
        with self._cadence.saving():
            path, kept = self.saving.path, self._kept()
            save_state(path, self.model, self.optimiser, kept, facts, write=self.world.first)

    def _resume(self) -> None:
        """Resume from a saved state if there is one."""
        if self.saving and self.saving.path.is_file():
            self._load(self.saving.path)
        done = self.done.updates
        if self.world.sums(done)[0] != self.world.size * done:
            raise ConfigError(
                f"process {self.world.rank} would resume after update {done}, others elsewhere: "
                "name a --results directory that all machines share"
            )

    def _load(self, path: Path) -> None:
        """Take up a saved state."""
        best, facts = load_state(path, self.model, self.optimiser)
        own = self.model.state_dict()
        self._best = {name: share(like(tensor, own[name])).cpu() for name, tensor in best.items()}
        try:
            self.done = convert(facts["done"], Training)
            self.best_score = float(facts["best"]) if self._best else -math.inf
        except (LookupError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path} holds no account of a training ({error}): delete it to start over"
            ) from error
        self.done.resumed = self.done.updates
