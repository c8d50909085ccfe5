"""A context in which linear layers are computed another way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class LinearMode(TorchFunctionMode, ABC):
    """A context that calls its own `linear` for torch's, and lets everything else through."""

    @abstractmethod
    def linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """(..., I), (O, I), (O,) → (..., O)."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What torch asks of a mode: to call `func`, or something else."""
        return (self.linear if func is F.linear else func)(*args, **(kwargs or {}))
