"""Fine-tuning with one fixed recipe (paper §3.2, §4.1; openai/finetune-transformer-lm `train.py`).

An update reads a random batch, split by length for the hardware, whose parts' gradients add up to
the batch's. The weights with the best development score are the ones kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from gpteval.config import FinetuneConfig
from gpteval.encode.batch import Batch, Encoded
from gpteval.encode.batching import epoch_order, micro_batches
from gpteval.errors import CheckpointError, TrainingError
from gpteval.progress import Progress, Silent
from gpteval.records import misfit
from gpteval.score.head import TaskModel
from gpteval.train.optimiser import adamw, clipped_step, gradient_norm, set_rate, warmup_linear
from gpteval.train.state import load_state, save_state

EARLY_CHECKS = (1000, 2000, 4000, 8000, 16000, 32000)
"""Updates of the first epoch after which the development score is taken as well [C]."""

RECENT = 100
"""Updates whose mean loss a divergence is measured against; before so many, there is none."""

LEAP = 5.0
"""Nats above that mean at which a training has diverged: noise of batches stays far below."""

TRAINING_TOKENS = {"cpu": 4096, "cuda": 32768, "mps": 8192}
"""Tokens of one forward and backward pass; larger batches are split."""


@dataclass
class Training:
    """What a fine-tuning did.

    Attributes:
        updates: Optimiser steps taken.
        tokens: Tokens computed, shared ones once.
        tokens_read: Tokens of all sequences, as separate sequences would have cost.
        keys: Over all tokens computed, how many tokens each one sees.
        predicted: Tokens whose prediction entered the language-model loss.
        seconds: Time spent in updates.
        resumed: Update from which an interrupted training went on; 0 for none.
        recent: Losses of the last `RECENT` updates.
        history: One entry per development score: update, epoch, loss, score.
    """

    updates: int = 0
    tokens: int = 0
    tokens_read: int = 0
    keys: int = 0
    predicted: int = 0
    seconds: float = 0.0
    resumed: int = 0
    recent: list[float] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)


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
    """One fine-tuning of one task model."""

    def __init__(
        self,
        model: TaskModel,
        config: FinetuneConfig,
        seed: int,
        *,
        autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
        saving: Saving | None = None,
        progress: Progress | None = None,
    ) -> None:
        """The model is trained in place, on the device it is on."""
        self.model, self.config, self.seed = model, config, seed
        self.autocast, self.saving, self.progress = autocast, saving, progress or Silent()
        self.device = model.linear.weight.device
        self.optimiser = adamw(model, config.lr, config.weight_decay)
        self.done = Training()
        self.most_tokens = TRAINING_TOKENS[self.device.type]
        self._best_score, self._best = -math.inf, dict[str, Tensor]()
        self._saved = time.monotonic()
        self._pause = saving.seconds if saving else math.inf

    def fit(
        self, train: Sequence[Encoded], dev_score: Callable[[], float] | None, title: str = "train"
    ) -> Training:
        """Train for the recipe's epochs, then keep the best weights seen.

        Args:
            train: The training split.
            dev_score: The headline metric on the development split; None keeps the last weights.
            title: What the progress bar shows.

        Raises:
            TrainingError: No labelled rows, or a loss that is not a number.
        """
        train = [e for e in train if e.target]
        if not train:
            raise TrainingError("nothing to train on: the training split has no labelled rows")
        size = self.config.batch_size
        per_epoch = max(1, len(train) // size)  # the last partial batch is dropped [C]
        total = per_epoch * self.config.epochs
        self._resume()
        self.progress.begin(title, total)
        self.progress.advance(self.done.resumed)
        order, order_of = [0], -1
        for update in range(self.done.updates + 1, total + 1):
            epoch, place = divmod(update - 1, per_epoch)
            if epoch != order_of:
                order, order_of = epoch_order(len(train), self.seed, epoch), epoch
            batch = [train[i] for i in order[place * size : (place + 1) * size]]
            loss = self.update(batch, update, total)
            self.progress.advance(1, f"loss {loss:.3f}")
            if dev_score and (place == per_epoch - 1 or (not epoch and update in EARLY_CHECKS)):
                self._check(dev_score(), update, update / per_epoch, loss)
            self._save_when_due()
        self.progress.end()
        if self._best:
            self.model.load_state_dict(self._best)
        return self.done

    def update(self, examples: Sequence[Encoded], update: int, total: int) -> float:
        """One optimiser step on one batch.

        Args:
            examples: All of the batch.
            update: Which update of the training this is, from 1.
            total: How many there are.

        Returns:
            The batch's whole loss.

        Raises:
            TrainingError: The loss or its gradient is not a number, or the loss has leapt far
                above the last ones; the weights are as before.
        """
        began = time.perf_counter()
        self.model.train()
        set_rate(self.optimiser, self.config.lr * warmup_linear(update, total, self.config.warmup))
        loss = self._gradients(examples)
        norm = gradient_norm(self.model)
        wrong = self._wrong(loss, norm.item())
        if wrong:
            ids = ", ".join(e.id for e in examples[:5])
            raise TrainingError(
                f"{wrong} at update {update} of {total} "
                f"(examples {ids}, …): lower --lr, or use --precision fp32{self._last_good()}"
            )
        clipped_step(self.optimiser, norm, self.config.clip)
        self.optimiser.zero_grad(set_to_none=True)
        self._count(examples)
        self.done.recent = [*self.done.recent, loss][-RECENT:]
        self.done.seconds += time.perf_counter() - began
        return loss

    def _wrong(self, loss: float, norm: float) -> str:
        """Why training can't go on from this loss and gradient norm; "" where it can."""
        recent = self.done.recent
        mean = sum(recent) / max(1, len(recent))
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not math.isfinite(norm):
            return f"the norm of the gradient is {norm}"
        if len(recent) == RECENT and loss > mean + LEAP:
            return f"the loss leapt to {loss:.3f} from a mean of {mean:.3f}"
        return ""

    def _last_good(self) -> str:
        """Where the training was saved last, as the end of a sentence."""
        if self.saving is None or not self.saving.path.is_file():
            return ""
        return f"; the state before is saved in {self.saving.path}"

    def _gradients(self, examples: Sequence[Encoded]) -> float:
        """Gradients of one batch; where memory runs out, in smaller parts from then on."""
        while True:
            try:
                parts = micro_batches(examples, self.model.linear.out_features, self.most_tokens)
                return sum(self._backward(part) for part in parts)
            except torch.OutOfMemoryError:
                if len(parts) == len(examples):
                    raise TrainingError(
                        f"one example alone ({parts[0].ids[0]}, {len(parts[0].tokens)} tokens) "
                        "does not fit in memory: use a smaller model, or --device cpu"
                    ) from None
                self.optimiser.zero_grad(set_to_none=True)
                self.most_tokens = max(len(part.tokens) for part in parts) // 2

    def _backward(self, part: Batch) -> float:
        with self.autocast():
            task_loss, lm_loss = self.model.losses(part.to(self.device), self.config.lm_weight)
        loss = task_loss + self.config.lm_weight * lm_loss
        torch.autograd.backward(loss)
        return loss.item()

    def _count(self, examples: Sequence[Encoded]) -> None:
        self.done.updates += 1
        for example in examples:
            tree = example.tree
            self.done.tokens += len(tree.tokens)
            self.done.tokens_read += tree.tokens_read
            self.done.keys += tree.keys
            if self.config.lm_weight:
                self.done.predicted += sum(parent >= 0 for parent in tree.parents)

    def _check(self, score: float, update: int, epoch: float, loss: float) -> None:
        """Note the development score and keep the weights if it is the best so far."""
        self.done.history.append({"update": update, "epoch": epoch, "loss": loss, "score": score})
        if score > self._best_score:
            state = self.model.state_dict()
            self._best = {
                name: value.detach().to("cpu", copy=True) for name, value in state.items()
            }
            self._best_score = score

    def _save_when_due(self) -> None:
        if self.saving is None or time.monotonic() - self._saved < self._pause:
            return
        facts = {"done": asdict(self.done), "best": self._best_score}
        began = time.monotonic()
        save_state(self.saving.path, self.model, self.optimiser, self._best, facts)
        self._saved = time.monotonic()
        self._pause = max(self.saving.seconds, 20 * (self._saved - began))

    def _resume(self) -> None:
        """Go on from a saved state if there is one."""
        if self.saving is None or not self.saving.path.is_file():
            return
        self._best, facts = load_state(self.saving.path, self.model, self.optimiser)
        try:
            self.done, self._best_score = Training(**facts["done"]), float(facts["best"])
            wrong = misfit(self.done)
        except (LookupError, TypeError, ValueError) as error:
            wrong = str(error)
        if wrong:
            raise CheckpointError(
                f"{self.saving.path} holds no account of a training ({wrong}): delete it to start "
                "over"
            )
        self.done.resumed = self.done.updates
