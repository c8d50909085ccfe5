"""What a fine-tuning cost: arithmetic, memory, and how much of the machine it used.

FLOPs are those the work needs, counted as is usual (a multiplication and an addition are two):

    forward  = 2·M·tokens + 4·D·A·keys + 2·D·V·predicted
    training = 3 · forward - 2·F·tokens        evaluation = forward, nothing predicted

M: parameters of the matrices that every token passes; F: of those that an adapter lies beside,
which are frozen and have no gradient (nor has the output layer then); D: width; V: vocabulary;
A: attention layers; tokens: each shared token once; keys: over all tokens, the tokens each one
sees; predicted: tokens whose prediction enters the language-model loss. Norms, activations, the
task head, the optimiser and recomputation are left out; a layer that is yet to be unfrozen counts.
A model that unfolds token trees or pads them computes more than is counted, and its utilisation is
lower for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gpteval.encode.batch import Encoded

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.model import Model

SQUARE = {"cpu": 1024, "cuda": 8192, "mps": 4096}
"""Rows of the matrices whose product is the ceiling: large enough to keep the device busy."""

BOTH = 3
"""Forward passes that a forward and a backward pass cost as much as."""

PRODUCTS = 8
"""How many products are timed; the fastest counts."""


@dataclass
class Work:
    """What a model read.

    Attributes:
        tokens: Tokens computed, shared ones once.
        tokens_read: Tokens of all sequences, as separate sequences would have cost.
        keys: Over all tokens computed, how many tokens each one sees.
        predicted: Tokens whose prediction entered the language-model loss.
        updates: Optimiser steps taken.
        seconds: Time spent in them.
    """

    tokens: int = 0
    tokens_read: int = 0
    keys: int = 0
    predicted: int = 0
    updates: int = 0
    seconds: float = 0.0

    def add(self, examples: Iterable[Encoded]) -> None:
        """Count examples once more."""
        for example in examples:
            self.tokens += len(example.tree.tokens)
            self.tokens_read += example.tree.tokens_read
            self.keys += example.tree.keys

    def learn(self, examples: Sequence[Encoded], *, predicts: bool) -> None:
        """Count an update on examples.

        Args:
            examples: Its whole batch.
            predicts: Whether their tokens enter a language-model loss: all but where paths begin.
        """
        self.updates += 1
        self.add(examples)
        if predicts:
            self.predicted += sum(len(e.tree.parents) - e.tree.parents.count(-1) for e in examples)

    def flops(self, model: Model) -> int:
        """FLOPs of its forward passes, by the module's formula."""
        return forward_flops(model, self.tokens, self.keys, self.predicted)


def finetuning_cost(
    model: Model, training: Work, evaluated: Work, machine: Machine, processes: int = 1
) -> dict[str, float]:
    """The cost on record of a fine-tuning and of the predictions made with it.

    Returns:
        processes; updates; tokens, tokens_read (as separate sequences) and predicted, of the
        training; evaluated_tokens, evaluated_tokens_read; train_flops, evaluate_flops; ceiling
        (FLOP/s of a matrix product, as many at once as there are processes); utilisation (of the
        ceiling, while updating); peak_memory_bytes of this process.
    """
    flops = training_flops(model, training)
    ceiling = processes * matmul_ceiling(machine.device, machine.precision)
    return {
        "processes": processes,
        "updates": training.updates,
        "tokens": training.tokens,
        "tokens_read": training.tokens_read,
        "predicted": training.predicted,
        "evaluated_tokens": evaluated.tokens,
        "evaluated_tokens_read": evaluated.tokens_read,
        "train_flops": flops,
        "evaluate_flops": evaluated.flops(model),
        "ceiling": round(ceiling),
        "utilisation": round(flops / training.seconds / ceiling, 4),
        "peak_memory_bytes": peak_memory(machine.device),
    }


def training_flops(model: Model, work: Work) -> int:
    """FLOPs of forward and backward passes; beside an adapter weights have no gradient.

    Args:
        model: The language model, as it is trained.
        work: What it read.
    """
    beside: list[Any] = [m for m in model.modules() if hasattr(m, "get_base_layer")]
    if not beside:
        return BOTH * work.flops(model)
    frozen = sum(int(m.get_base_layer().weight.numel()) for m in beside) * work.tokens
    return BOTH * work.flops(model) - 2 * (frozen + model.width * model.vocab_size * work.predicted)


def forward_flops(model: Model, tokens: int, keys: int, predicted: int = 0) -> int:
    """FLOPs of forward passes, by the module's formula.

    Args:
        model: The language model.
        tokens: Tokens computed.
        keys: Over all of them, the tokens each one sees, itself included.
        predicted: Tokens for which logits are computed.
    """
    attended = 4 * model.width * attention_layers(model) * keys
    return (
        2 * matrix_parameters(model) * tokens
        + attended
        + 2 * model.width * model.vocab_size * predicted
    )


def matrix_parameters(model: Model) -> int:
    """Parameters of the matrices every token passes: of layers, but for embeddings and output."""
    return sum(
        parameter.numel()
        for module in model.modules()
        if not isinstance(module, nn.Embedding) and not any(module.children())
        for parameter in module.parameters(recurse=False)
        if parameter.ndim >= 2 and len(parameter) != model.vocab_size
    )


def attention_layers(model: nn.Module) -> int:
    """How many modules are called attention and hold none themselves; 0 for a recurrent model."""
    called = [module for module in model.modules() if _is_attention(module)]
    return sum(sum(map(_is_attention, module.modules())) == 1 for module in called)


def _is_attention(module: nn.Module) -> bool:
    return type(module).__name__.endswith("Attention")


@cache
def matmul_ceiling(device: torch.device, precision: str) -> float:
    """FLOP/s of the fastest of a few square matrix products, measured once per process.

    Args:
        device: Where to multiply.
        precision: "fp32" or "bf16".
    """
    size = SQUARE[device.type]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    matrix = torch.ones(size, size, dtype=dtype, device=device)
    fastest = float("inf")
    for _ in range(PRODUCTS):
        began = time.perf_counter()
        (matrix @ matrix)[0, 0].item()  # waits for the device
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * size**3 / fastest


def peak_memory(device: torch.device) -> int:
    """Most bytes held so far: on a GPU by this process's tensors, else by the whole process.

    0 where the system doesn't say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
