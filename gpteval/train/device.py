"""Where and how precisely to compute: `Compute` as the user wrote it, made real by torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from gpteval.config import Compute
from gpteval.errors import ConfigError

AVAILABLE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}
"""The kinds of device, best first."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A device and the precision of its arithmetic.

    Attributes:
        device: torch's device.
        precision: "fp32", or "bf16": matrix products in bfloat16, weights and sums in float32.
    """

    device: torch.device
    precision: str

    def autocast(self) -> AbstractContextManager[None]:
        """A fresh context in which the forward pass runs at this precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def resolve(compute: Compute) -> Machine:
    """The device and precision that `compute` asks for.

    Raises:
        ConfigError: A device that torch doesn't know, or that this machine doesn't have.
    """
    name = compute.device
    if name == "auto":
        name = next(kind for kind, available in AVAILABLE.items() if available())
    kind, _, number = name.partition(":")
    if kind not in AVAILABLE or (number and not number.isdecimal()):
        raise ConfigError(f"device is {', '.join(AVAILABLE)} or auto, not {compute.device!r}")
    if not AVAILABLE[kind]() or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        raise ConfigError(f"device {name!r} is not there on this machine: try --device auto")
    auto = "bf16" if kind == "cuda" else "fp32"
    return Machine(torch.device(name), auto if compute.precision == "auto" else compute.precision)
