"""Loss and gradient norm of an update, and whether a training can continue from them.

They are judged on the device that computed them, where a wrong one keeps the optimiser from its
step. So nobody has to wait for them: the CPU may read them when the next update is under way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gpteval.errors import TrainingError

RECENT = 100
"""Updates whose mean loss a divergence is measured against; before so many, there is none."""

SPIKE = 5.0
"""Nats above that mean at which a training has diverged: noise of batches stays far below."""


class StepGuard:
    """Loss and norm of one update, on their way to the CPU.

    Attributes:
        wrong: Whether the update may not be made, of no dimension, on the figures' device: loss or
            norm is not a number, or the loss is far above those before it.
    """

    def __init__(self, loss: Tensor, norm: Tensor, recent: Sequence[float], where: str) -> None:
        """Judge them.

        Args:
            loss: Of the whole batch, of no dimension.
            norm: Of the whole gradient, likewise.
            recent: Losses of the last updates, at most `RECENT`.
            where: The update and what it read, for the message.
        """
        mean = sum(recent) / len(recent) if len(recent) == RECENT else math.inf
        self.wrong = ~(loss.isfinite() & norm.isfinite() & (loss <= mean + SPIKE))
        values = torch.stack([loss, norm, self.wrong])
        self._values = values.to("cpu", non_blocking=values.is_cuda)
        self._arrived: Any = None
        if loss.is_cuda:
            self._arrived = torch.cuda.Event()
            self._arrived.record()
        self._mean, self._where = mean, where

    def read(self) -> float:
        """The loss, once it has arrived.

        Raises:
            TrainingError: The update was not made: what is wrong, and where.
        """
        if self._arrived:
            self._arrived.synchronize()
        loss, norm, wrong = self._values.tolist()
        if not wrong:
            return float(loss)
        what = unsound(loss, norm, self._mean, SPIKE)
        raise TrainingError(f"{what} {self._where}: lower --lr, or use --precision fp32")


def unsound(loss: float, norm: float, mean: float = math.inf, margin: float = 0.0) -> str:
    """Why an update may not stand, in words; "" where it may.

    Args:
        loss: Of the whole batch.
        norm: Of the whole gradient.
        mean: Of the losses before; infinite where there are too few.
        margin: Nats above that mean at which a loss is a spike.
    """
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    if not math.isfinite(norm):
        return f"the norm of the gradient is {norm}"
    if loss > mean + margin:
        return f"the loss leapt to {loss:.3f} from a mean of {mean:.3f}"
    return ""
