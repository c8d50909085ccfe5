"""A module whose weights are split among processes (FSDP2), which make every pass together.

In a pass each process sends its share of a block's weights when it is that block's turn, and gets
its share of the gradient's sum. One that left a pass in the middle would leave the others waiting:
where memory runs out in one process, it makes the exchanges that are left without computing
anything, and then all of them forget that pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gpteval.compute.distributed import World
from gpteval.compute.memory import too_large, tried

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange of a pass.

    Attributes:
        gathers: Whether it puts weights together; else it sums gradients and shares them out.
        sent, received: How many numbers go out of this process, and how many it gets.
        dtype: Their type.
    """

    gathers: bool
    sent: int
    received: int
    dtype: torch.dtype


class Sharded:
    """A module that this process holds a share of, as one of several."""

    def __init__(self, module: nn.Module, world: World, methods: Sequence[str]) -> None:
        """Split the module's weights, in place; every process does.

        Args:
            module: With all its weights; see `World.distribute`.
            world: The processes.
            methods: Those beside `forward` that begin a pass over the whole module.
        """
        from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

        self.world = world
        self._made: list[Exchange] = []
        self._known: dict[str, list[Exchange]] = {}
        root: Any = world.distribute(module)
        self._module = root
        gather: Any = _AllGather(self._made)
        scatter: Any = _ReduceScatter(self._made)
        for name in methods:
            register_fsdp_forward_method(module, name)
        for part in module.modules():
            if isinstance(part, FSDPModule):
                part.set_gradient_divide_factor(1.0)  # a sum, where the default is a mean,
                part.set_force_sum_reduction_for_comms(True)  # which gloo can make
                part.set_custom_all_gather(gather)
                part.set_custom_reduce_scatter(scatter)
        # Every pass is to make the same exchanges, whatever came before it and whatever it reads.
        root.set_reshard_after_forward(True, recurse=False)
        root.set_reduce_scatter_unused_params(True)

    def attempt(
        self, kind: str, compute: Callable[[], Found], small: Callable[[], object]
    ) -> tuple[Found | None, bool]:
        """Make a pass; every process makes one of the same kind.

        Args:
            kind: Passes of one kind make the same exchanges.
            compute: The pass.
            small: One of that kind that needs little memory and leaves nothing behind, made once,
                to see its exchanges.

        Returns:
            What is computed, or None where memory ran out here; and whether it did nowhere. If it
            did, what is computed is worth nothing, and so are all gradients.
        """
        if kind not in self._known:
            with torch.random.fork_rng([self.world.device] if self._on_gpu else []):
                self._made.clear()
                small()
            self._known[kind] = self._made.copy()
        self._made.clear()
        found = tried(compute)
        if found is None:
            # Of weights that are whole at the moment too: else they would have them the next time.
            self._module.zero_grad(set_to_none=True)
            self.begin_again()
            for exchange in self._known[kind][len(self._made) :]:
                self._stand_in(exchange)
        (ran_out,) = self.world.most(found is None)
        return found, not ran_out

    def in_parts(
        self,
        groups: Sequence[list[Item]],
        compute: Callable[[list[Item]], Found],
        told: Callable[[Item], str],
        spare: Item,
    ) -> Iterator[tuple[list[Item], Found]]:
        """As `gpteval.compute.memory.in_parts`; every process makes as many passes.

        Args:
            groups: This process's, none of them empty.
            compute: What to do with a group: a pass without gradients.
            told: An item as an error names it.
            spare: A small item, for what counts nothing.

        Raises:
            TrainingError: One item alone does not fit, here or elsewhere.
        """
        waiting = list(groups)[::-1]
        while self.world.most(len(waiting))[0]:
            group = waiting.pop() if waiting else []
            run, small = partial(compute, group or [spare]), partial(compute, [spare])
            found, fits = self.attempt("read", run, small)
            if found is not None and fits:
                if group:
                    yield group, found
                continue
            alone = told((group or [spare])[0]) if found is None and len(group) < 2 else ""
            if names := self._said(alone):
                raise too_large(names[0])
            middle = len(group) // 2 if found is None else 0
            waiting += [part for part in (group[middle:], group[:middle]) if part]

    def begin_again(self) -> None:
        """Forget a pass that was broken off."""
        self._module.reset_iter_state()

    @property
    def _on_gpu(self) -> bool:
        return self.world.device.type == "cuda"

    def _said(self, word: str) -> list[str]:
        """What the processes say that say anything."""
        words = [""] * self.world.size
        dist.all_gather_object(words, word)
        return [word for word in words if word]

    def _stand_in(self, exchange: Exchange) -> None:
        """Make an exchange so that the others can go on, with numbers that are worth nothing."""
        device = self.world.device
        sent = torch.zeros(exchange.sent, dtype=exchange.dtype, device=device)
        received = torch.empty(exchange.received, dtype=exchange.dtype, device=device)
        if exchange.gathers:
            dist.all_gather_single(received, sent)
        else:
            dist.reduce_scatter_single(received, sent)


class _Noting:
    """Makes the exchanges of a module, and notes them."""

    def __init__(self, made: list[Exchange]) -> None:
        self._made = made

    def allocate(self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Room for what an exchange reads or writes."""
        return torch.empty(*size, dtype=dtype, device=device)

    def note(self, output: Tensor, input: Tensor, *, gathers: bool) -> None:
        """An exchange was made."""
        self._made.append(Exchange(gathers, input.numel(), output.numel(), input.dtype))


class _AllGather(_Noting):
    def __call__(
        self,
        output_tensor: Tensor,
        input_tensor: Tensor,
        group: dist.ProcessGroup,
        async_op: bool = False,
    ) -> dist.Work | None:
        work: dist.Work | None = dist.all_gather_single(
            output_tensor, input_tensor, group, async_op
        )
        self.note(output_tensor, input_tensor, gathers=True)
        return work


class _ReduceScatter(_Noting):
    def __call__(
        self,
        output_tensor: Tensor,
        input_tensor: Tensor,
        group: dist.ProcessGroup,
        op: Any,
        async_op: bool = False,
    ) -> dist.Work | None:
        work: dist.Work | None = dist.reduce_scatter_single(
            output_tensor, input_tensor, op, group, async_op
        )
        self.note(output_tensor, input_tensor, gathers=False)
        return work
