"""One model in pre-training: an update, what it measures, and what it needs to resume (paper §4.1).

Shape letters: S windows of L + 1 tokens, of which L are predicted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gpteval.compute.cost import matmul_ceiling
from gpteval.compute.device import Machine, compile_layers
from gpteval.compute.distributed import World, accumulating, whole
from gpteval.compute.memory import too_large, tried
from gpteval.config import PretrainConfig
from gpteval.corpus.tokens import TokenFile
from gpteval.corpus.windows import Windows
from gpteval.errors import ConfigError, TrainingError
from gpteval.pretrain.bits_per_byte import Objective
from gpteval.results.provenance import commit, versions
from gpteval.train.checkpointing import checkpoint_layers
from gpteval.train.guard import RECENT, unsound
from gpteval.train.optimiser import adamw, clipped_step, gradient_norm, set_rate, warmup_cosine

if TYPE_CHECKING:
    from gpteval.model import Model

POINTS = 200
"""Points of the training curve, spread evenly over the updates."""

PASS_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 32768}
"""Tokens of one forward and backward pass; larger batches are split."""

Monitor = Callable[["Model"], dict[str, float]]
"""Asks a model tasks: task → score. It may leave the model in evaluation mode."""

PFS_DAY = 1e15 * 86400
"""FLOPs of a machine that makes 10^15 a second for a day, the blog's unit."""


class Pretraining:
    """One model in training. All that changes lives in its attributes.

    Attributes:
        goal: What makes the loss of some windows, and what is measured.
        model, optimiser: The state: weights and Adam's moments.
        update: Updates made; the next one's windows follow from it.
        losses: Loss of every update since the last point of the curve.
        recent: Loss of the last `RECENT` updates.
        marks: Updates at which the curve has a point with the held-out loss, whatever the interval.
        seconds: Time of training so far, by the clock and in updates alone.
        pass_tokens: Tokens of one forward and backward pass; less where memory ran out.
        monitor: Scores the model where the held-out loss is measured; may be set, on the first
            process. The others wait for it in the exchange that comes next.
    """

    def __init__(
        self,
        objective: Objective,
        data: TokenFile,
        held_out: TokenFile | None,
        config: PretrainConfig,
        machine: Machine,
        world: World | None = None,
    ) -> None:
        """The objective's model is trained in place, on the machine's device.

        Raises:
            TrainingError: The corpus is shorter than one sequence.
            ConfigError: A batch has fewer sequences than there are processes.
        """
        self.world = world or World(device=machine.device)
        if config.batch_size < self.world.size:
            raise ConfigError(
                f"--batch-size {config.batch_size} can't be shared by {self.world.size} processes"
            )
        self.goal, self.model = objective, objective.model
        self.data, self.held_out = data, held_out
        self.config, self.machine = config, machine
        self.windows = Windows(data, config)
        self.commit = commit()  # of the code that trains: the checkout may move on meanwhile
        self._window_flops = objective.window_flops(config.context)
        model, apart = objective.model, self.world.shard and self.world.first
        self._whole = deepcopy(model).to("cpu") if apart else model
        if machine.device.type == "cuda":
            # Not the copy above: it is only saved.
            compile_layers(model, machine.precision, whole=not machine.forgets)
        if machine.forgets:
            checkpoint_layers(model, machine.autocast)
        self.objective = self.world.distribute(objective)
        self.optimiser = adamw(model, config.lr, config.weight_decay)
        self.update = 0
        self.losses, self.recent = list[float](), list[float]()
        self.marks = {config.updates}
        self.seconds = {"clock": 0.0, "updates": 0.0}
        self.pass_tokens = PASS_TOKENS[machine.device.type]
        self.monitor: Monitor | None = None

    def step(self) -> tuple[float, float, float]:
        """Make one update; returns its learning rate, loss and gradient norm.

        Raises:
            TrainingError: The loss or its gradient is not a number; the weights are as before.
        """
        began, config, update = time.perf_counter(), self.config, self.update + 1
        lr = config.lr * warmup_cosine(update, config.updates, config.warmup)
        set_rate(self.optimiser, lr)
        self.model.train()
        loss = self._gradients(self.windows.starts(update))
        gradient = gradient_norm(self.model)
        norm = gradient.item()
        if wrong := unsound(loss, norm):
            raise TrainingError(
                f"{wrong} {self.where(update)}: lower --lr, raise --warmup, or use --precision fp32"
            )
        clipped_step(self.optimiser, gradient, config.clip)
        self.optimiser.zero_grad(set_to_none=True)
        self.update = update
        self.losses.append(loss)
        self.recent = [*self.recent, loss][-RECENT:]
        self.seconds["updates"] += time.perf_counter() - began
        return lr, loss, norm

    def where(self, update: int) -> str:
        """An update and its windows, for messages."""
        places = self.windows.places(self.windows.starts(update))
        return f"at update {update} of {self.config.updates} ({places})"

    def spike(self, margin: float) -> None:
        """Stop where the last loss is far above those before it.

        Args:
            margin: Most nats above their mean; 0 for any.

        Raises:
            TrainingError: It is more.
        """
        if not margin or len(self.recent) < RECENT:
            return
        *before, last = self.recent
        if wrong := unsound(last, 0.0, sum(before) / len(before), margin):
            raise TrainingError(
                f"{wrong} {self.where(self.update)}: look at these texts, lower --lr, or resume "
                "with --spike 0"
            )

    def point(self, lr: float, norm: float) -> dict[str, Any]:
        """A point of the training curve at the last update; the losses since the last are let go.

        Returns:
            update; loss (nats per token, mean since the last point); lr; grad_norm (before
            clipping); tokens; flops; pfs_days; seconds; utilisation of the machine's matrix
            products in updates; where it is time for them, held_out_loss and bits_per_byte, and
            zero_shot, task → score.
        """
        config, windows = self.config, self.update * self.config.batch_size
        flops = windows * self._window_flops
        ceiling = matmul_ceiling(self.machine.device, self.machine.precision) * self.world.size
        loss, self.losses = sum(self.losses) / len(self.losses), []
        return {
            "update": self.update,
            "loss": loss,
            "lr": lr,
            "grad_norm": norm,
            "tokens": windows * config.context,
            "flops": flops,
            "pfs_days": flops / PFS_DAY,
            "utilisation": round(flops / self.seconds["updates"] / ceiling, 4),
            **(self._held_out() | self._zero_shot() if self._measures() else {}),
        }

    def due(self) -> bool:
        """Whether the curve has a point at this update."""
        every = max(1, self.config.updates // POINTS)
        return self.update % every == 0 or self._measures()

    def facts(self) -> dict[str, Any]:
        """All that decides the next update beside weights and moments; JSON values."""
        names = ("update", "losses", "recent", "seconds")
        return {name: getattr(self, name) for name in names}

    def go_on(self, facts: Mapping[str, Any]) -> None:
        """Take up what `facts` said."""
        self.update = int(facts["update"])
        self.losses, self.recent = list(facts["losses"]), list(facts["recent"])
        self.seconds = dict(facts["seconds"])

    def whole_model(self) -> Model:
        """The model with all its weights, on the first process; the others hand over theirs."""
        if self.world.shard:
            weights = {n: whole(t).cpu() for n, t in self.model.state_dict().items()}
            if self.world.first:
                self._whole.load_state_dict(weights)
        return self._whole

    def record(self) -> dict[str, Any]:
        """What a checkpoint says of its making; JSON values."""
        held_out = self.held_out.documents if self.held_out else ()
        return {
            "config": asdict(self.config),
            "documents": len(self.data.documents),
            "corpus_tokens": len(self.data.tokens),
            "corpus_bytes": self.data.documents.size,
            "corpus_digest": self.data.digest,
            "held_out": [d.name for d in held_out],
            "update": self.update,
            "device": str(self.machine.device),
            "processes": self.world.size,
            "precision": self.machine.precision,
            "commit": self.commit,
            "versions": dict(versions()),
        }

    def _gradients(self, starts: np.ndarray) -> float:
        """Gradients of one batch; returns its mean loss over all processes.

        Every process takes its share of the windows in as many parts as the others, so that they
        meet in every pass.
        """
        config, world = self.config, self.world
        own = self.windows.read(starts[world.rank :: world.size]).to(self.machine.device)
        most = math.ceil(config.batch_size / world.size)  # windows of one process
        while True:
            parts = math.ceil(most * config.context / self.pass_tokens)
            parts = min(parts, config.batch_size // world.size)
            # Others wait in every exchange: one of several processes can't begin again.
            compute = partial(self._summed, own.tensor_split(parts))
            total = tried(compute) if world.size == 1 else compute()
            if total is not None:
                return self.world.sums(total.item())[0]
            self.optimiser.zero_grad(set_to_none=True)
            if parts == len(own):
                raise too_large(f"a sequence of {config.context} tokens")
            self.pass_tokens = min(self.pass_tokens, len(own) // parts * config.context) // 2

    def _summed(self, parts: Sequence[Tensor]) -> Tensor:
        """Add the gradients of all windows of this process, part by part; returns their loss."""
        # Dropout follows from the update, so that a training that resumes needs no generator.
        self.world.seed(self.config.seed, self.update + 1)
        total = torch.zeros((), device=self.machine.device)
        for number, piece in enumerate(parts, 1):
            with accumulating(self.objective, last=number == len(parts)):
                total += self._backward(piece)
        return total

    def _backward(self, windows: Tensor) -> Tensor:
        """Add the gradient of windows (S, L + 1) that are part of a batch; returns their share."""
        with self.machine.autocast():
            total: Tensor = self.objective(list(windows))
        loss = total / (self.config.batch_size * self.config.context)
        # Gradients are averaged over processes, but each has its own summand of the loss.
        torch.autograd.backward(loss * self.world.size)
        return loss.detach()  # read once per update: a GPU is not waited for in between

    def _measures(self) -> bool:
        """Whether it is time to read the held-out documents, and to monitor."""
        every = self.config.evaluate
        return self.update in self.marks or bool(every and self.update % every == 0)

    def _zero_shot(self) -> dict[str, dict[str, float]]:
        """What the monitor says of the model, which trains on as it was."""
        if self.monitor is None:
            return {}
        mode = self.model.training
        scores = self.monitor(self.model)
        self.model.train(mode)
        return {"zero_shot": scores}

    def _held_out(self) -> dict[str, float]:
        """What the objective measures on documents that were held out, if there are any."""
        if self.held_out is None:
            return {}
        return self.goal.held_out(self.held_out, self.config.context, self.world, self.objective)
