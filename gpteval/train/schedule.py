"""What an update does: at which rate, which layers, and whether it learns the task or the texts.

The paper's (§4.1) and ULMFiT's: Howard & Ruder 2018 (arXiv 1801.06146), §3.2 and §3.3 [H].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from gpteval.config import FinetuneConfig
from gpteval.errors import ConfigError

RATIO = 32
"""How much smaller the lowest rate of a slanted triangle is than its peak [H eq. 3]."""


def warmup_linear(step: int, total: int, warmup: float) -> float:
    """Factor of the peak rate: min(x / warmup, 1)·(1 − x) with x = step / total [C].

    Args:
        step: Updates made before this one: the first has the factor 0 and moves moments only, as
            OpenAI's does (without a warm-up 1); the last has 1 / total.
        total: Number of updates.
        warmup: Fraction of all updates in which the rate rises; 0 for none.
    """
    x = step / total
    return (min(x / warmup, 1.0) if warmup else 1.0) * (1 - x)


def slanted_triangular(step: int, total: int, cut: float) -> float:
    """Factor of the peak rate: from 1 / `RATIO` up to 1 and back, linearly both ways [H eq. 3].

    Args:
        step: Updates made before this one.
        total: Number of updates.
        cut: Fraction of all updates in which the rate rises; its whole part counts.
    """
    rising = int(total * cut)
    p = step / rising if step < rising else 1 - (step - rising) / max(1, total - rising)
    return (1 + p * (RATIO - 1)) / RATIO


FACTORS: dict[str, Callable[[int, int, float], float]] = {
    "linear": warmup_linear,
    "slanted": slanted_triangular,
}
"""By name of the setting `schedule`."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The updates of one fine-tuning: first those on the texts, if any, then those on the task.

    Attributes:
        config: The recipe.
        total: Number of updates.
    """

    config: FinetuneConfig
    total: int

    @property
    def per_epoch(self) -> int:
        """Updates of a pass over the training split."""
        return max(1, self.total // (self.config.lm_epochs + self.config.epochs))

    @property
    def on_texts(self) -> int:
        """Updates before the first on the task."""
        return self.config.lm_epochs * self.per_epoch

    def predicts(self, update: int) -> bool:
        """Whether an update, from 1, predicts tokens: beside the task, or in its place."""
        return self.config.lm_weight > 0 or update <= self.on_texts

    def stage(self, update: int) -> int:
        """Which stage an update, from 1, belongs to: those of one learn from and with the same.

        0 on the texts; on the task 1, or from 1 on by epochs where layers begin to learn one by
        one.
        """
        if update <= self.on_texts:
            return 0
        gradual = self.config.unfreeze != "at-once"
        return 1 + (update - self.on_texts - 1) // self.per_epoch * gradual

    def factor(self, update: int) -> float:
        """Of the peak rate at an update, from 1: each stage rises and falls by itself."""
        factor, border = FACTORS[self.config.schedule], self.on_texts
        if update <= border:
            return factor(update - 1, border, self.config.warmup)
        return factor(update - border - 1, self.total - border, self.config.warmup)

    def lowest(self, update: int, head: int) -> int:
        """The lowest layer that learns at an update, of those up to `head` [H §3.3]."""
        if self.config.unfreeze == "at-once" or update <= self.on_texts:
            return 0
        return max(0, head - (update - self.on_texts - 1) // self.per_epoch)


class Depths:
    """The layer of every parameter of a task model: embeddings 0, layers from 1, the head above."""

    def __init__(self, model: nn.Module, layer: Callable[[str], int] | None) -> None:
        """Of a `TaskModel`, by what its language model's family says.

        Raises:
            ConfigError: It doesn't tell layers apart.
        """
        if layer is None:
            raise ConfigError(
                "--layer-divisor and --unfreeze need a model whose layers are told apart: leave "
                "them out"
            )
        names = [name for name, _ in model.named_parameters()]
        below = {n: layer(n.removeprefix("model.")) for n in names if n.startswith("model.")}
        self.head = 1 + max(below.values())
        self._of = {name: below.get(name, self.head) for name in names}

    def __call__(self, name: str) -> int:
        """Of the parameter of that name."""
        return self._of[name]

    def learn_from(self, lowest: int, model: nn.Module) -> None:
        """Let the parameters of layers from `lowest` on learn, and no others."""
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(self(name) >= lowest)
