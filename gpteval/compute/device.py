"""Where and how precisely to compute: `Compute` as the user wrote it, made real by torch."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gpteval.compute.rounding import KeptWeights, RoundedProducts, bf16_is_faster
from gpteval.config import Compute, TrainingCompute, splits
from gpteval.errors import ConfigError

AVAILABLE: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
    "cpu": lambda: True,
}
"""The kinds of device, best first."""

ALLOCATOR = {-4: 0, -1: -1, -2: 1 << 28}
"""glibc's `mallopt`: M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD → no block is mapped by itself, none
is returned to the system (-1), and the heap grows by 256 MiB at a time."""

RETURNING = {-3: 1 << 20}
"""M_MMAP_THRESHOLD → what is larger is mapped by itself, whatever was freed before."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A device and the precision of its arithmetic.

    Attributes:
        device: torch's device.
        precision: "fp32", or "bf16": matrix products in bfloat16, weights and sums in float32.
            On a CPU that is no faster in bfloat16, linear layers round their operands to it.
        forgets: Whether states of layers are computed again in the backward pass, not kept.
    """

    device: torch.device
    precision: str
    forgets: bool = False

    def autocast(self) -> AbstractContextManager[object]:
        """A fresh context in which the forward pass runs at this precision."""
        if self._rounds:
            return RoundedProducts()
        halved = self.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=halved)

    def scoring(self) -> Callable[[], AbstractContextManager[object]]:
        """Makes contexts as `autocast` does, for a model that is only read.

        They share what the first has made of its weights on a CPU, in bf16.
        """
        if self.precision != "bf16" or self.device.type != "cpu":
            return self.autocast
        kept = KeptWeights(native=not self._rounds)

        @contextmanager
        def context() -> Iterator[None]:
            with nullcontext() if self._rounds else self.autocast(), kept:
                yield

        return context

    @property
    def _rounds(self) -> bool:
        """Whether bf16 is fp32 arithmetic on rounded operands here."""
        bf16_on_cpu = self.precision == "bf16" and self.device.type == "cpu"
        return bf16_on_cpu and not bf16_is_faster(torch.cpu.get_capabilities())


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
    if kind == "cpu":
        _ = return_freed_memory() if splits(compute) else keep_freed_memory()
        repeat_products()
    auto = "bf16" if kind == "cuda" else "fp32"
    precision = auto if compute.precision == "auto" else compute.precision
    forgets = isinstance(compute, TrainingCompute) and compute.gradient_checkpointing
    return Machine(torch.device(name), precision, forgets)


def compile_layers(
    model: nn.Module, precision: str, backend: str = "inductor", *, whole: bool = True
) -> None:
    """Have torch compile what the layers of a model compute.

    Of a layer with a method `token_wise`, that; of a model with `one_call_layers`, these layers
    whole, in bf16, where attention is one call whatever the batch. Elsewhere attention over token
    trees stays as it is: its shapes are new in every batch, and each would be compiled afresh. The
    number of tokens is left open and all layers share one graph. What can't be compiled on this
    machine is computed as before.

    Args:
        model: The model, changed in place; modules with neither method are left alone.
        precision: "fp32" or "bf16".
        backend: torch.compile's.
        whole: Whether layers may be compiled whole, not what is computed again.
    """
    torch._dynamo.config.suppress_errors = True
    for module in model.modules():
        layer: Any = module
        if hasattr(layer, "token_wise"):
            layer.token_wise = torch.compile(layer.token_wise, dynamic=True, backend=backend)
        if whole and hasattr(layer, "one_call_layers") and precision == "bf16":
            for own in layer.one_call_layers():
                own.compile(dynamic=True, backend=backend)


def repeat_products() -> None:
    """Have MKL give the same bits for the same product whenever it is asked, on one kind of CPU.

    It promises that only in its mode "conditional numerical reproducibility", which it takes up
    with its first product: no model is to be loaded before. A mode that the user chose stays. No
    difference in speed was seen.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO")


def keep_freed_memory() -> bool:
    """Have this process keep the memory of freed tensors for the next ones, with glibc on Linux.

    By default glibc gives every freed tensor above 32 MiB, and the top of the heap, back to the
    system; each step of a training then pays for the same pages again, with a fifth to a third of
    its time. The price is memory: what is freed stays, with holes between blocks of different
    sizes, by which the peak may be a quarter higher.

    Returns:
        Whether the allocator took the settings; other systems' allocators are left alone.
    """
    return _allocator_takes(ALLOCATOR)


def return_freed_memory() -> bool:
    """Have this process return the memory of every freed tensor above 1 MiB at once, likewise.

    For a model that is split among processes, whose blocks are put together and freed in turn: of
    a GPT of 100 million parameters the holes between them took 2.7 GB, more than splitting saves.

    Returns:
        Whether the allocator took the settings.
    """
    return _allocator_takes(RETURNING)


def _allocator_takes(settings: Mapping[int, int]) -> bool:
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())
