"""Gradient checkpointing: what a layer's backward pass needs is computed again when it is needed.

Between the passes only what each layer was given is kept (Chen et al. 2016, arXiv 1604.06174): a
third more arithmetic, and the states of one layer at a time. Random numbers are drawn again as they
were, so that every gradient is what it would have been, to the last bit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gpteval.compute.distributed import blocks
from gpteval.errors import ConfigError

Context = Callable[[], AbstractContextManager[object]]


class Recomputed:
    """The forward pass of a layer, which forgets what its backward pass needs.

    Attributes:
        forgets: Whether it does; else it is the layer's own.
    """

    def __init__(self, forward: Callable[..., Any], autocast: Context) -> None:
        self.forgets = True
        self._forward, self._autocast = forward, autocast

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the layer's own."""
        if not self.forgets:
            return self._forward(*args, **kwargs)
        before = [copy.copy(given) for given in (*args, *kwargs.values()) if _changes(given)]
        passes = 0

        def layer(*args: Any, **kwargs: Any) -> Any:
            nonlocal passes
            passes += 1
            if passes > 1:  # what keeps something, as a dropout does its numbers, as it was
                then = iter([copy.copy(own) for own in before])
                args = tuple(next(then) if _changes(given) else given for given in args)
                kwargs = {n: next(then) if _changes(g) else g for n, g in kwargs.items()}
            return self._forward(*args, **kwargs)

        return checkpoint(layer, *args, use_reentrant=False, context_fn=self._contexts, **kwargs)

    def _contexts(self) -> tuple[AbstractContextManager[object], AbstractContextManager[object]]:
        """Of the first pass, which is in its caller's, and of the second."""
        return nullcontext(), self._autocast()


def _changes(given: Any) -> bool:
    """Whether it is an object with attributes: a call may change them."""
    return hasattr(given, "__dict__") and not isinstance(given, Tensor)


def checkpoint_layers(model: nn.Module, autocast: Context = nullcontext) -> None:
    """Have every layer of a model forget what its backward pass needs, and compute it again.

    Args:
        model: Changed in place. Its layers are the members of its ModuleLists.
        autocast: Context that the model computes in.

    Raises:
        ConfigError: It has no such list.
    """
    layers = list(blocks(model))
    if not layers:
        raise ConfigError("--gradient-checkpointing needs a model of several layers: leave it out")
    for layer in layers:
        own: Any = layer
        own.forward = Recomputed(layer.forward, autocast)


@contextmanager
def keeping(model: nn.Module) -> Iterator[int]:
    """Nothing is forgotten in the block; it is told how many layers otherwise do."""
    forwards = [m.forward for m in model.modules() if isinstance(m.forward, Recomputed)]
    for forward in forwards:
        forward.forgets = False
    try:
        yield len(forwards)
    finally:
        for forward in forwards:
            forward.forgets = True
