"""One training in several processes, as `torchrun` starts them (torch.distributed).

Every process computes its share of every batch, and gradients are added up over all of them, so
that an update is the one a single process would make. A process that was started alone forms no
group and computes as ever. Where `World.shard` is set, the weights are split among the processes
too, for models that one device can't hold (FSDP2); else each has all of them
(DistributedDataParallel).

torch's modules of sharded tensors take a second or two to import, and so are imported where they
are needed; a tensor or module is known to be sharded by what it can do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NoReturn

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gpteval.compute.device import Machine
from gpteval.compute.processes import launched, local_rank
from gpteval.errors import ConfigError

PATIENCE = timedelta(hours=6)
"""How long a process waits for the others: the first one may have a corpus to encode."""

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
"""Device → what carries tensors between processes."""

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a training, seen from one of them.

    Attributes:
        rank: Number of this process, from 0.
        size: How many there are.
        device: Where this one computes.
        shard: Whether each holds a share of the weights instead of all.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU
    shard: bool = False

    @property
    def first(self) -> bool:
        """Whether this is the one process that writes files and speaks."""
        return self.rank == 0

    def sums(self, *values: float) -> list[float]:
        """Each value summed over all processes."""
        return list(self.total(torch.tensor(values, dtype=torch.float64)).tolist())

    def most(self, *values: float) -> list[float]:
        """The largest of each value over all processes."""
        if self.size == 1:
            return list(values)
        largest = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return list(largest.tolist())

    def total(self, tensor: Tensor) -> Tensor:
        """A tensor summed over all processes, on the device it came from."""
        if self.size == 1:
            return tensor
        total = tensor.to(self.device, copy=True)
        dist.all_reduce(total)
        return total.to(tensor.device)

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Sum tensors on this world's device over all processes, each in its place."""
        if self.size > 1:
            for exchange in [dist.all_reduce(tensor, async_op=True) for tensor in tensors]:
                exchange.wait()

    def agree(self, module: nn.Module) -> None:
        """Give `module`, on this world's device or a CPU, the first process's weights."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                sent = tensor.to(self.device)
                dist.broadcast(sent, src=0)
                tensor.copy_(sent)

    def wait(self) -> None:
        """Until all processes are here."""
        self.sums(0.0)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process runs the block before the others do: they find what it wrote."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def seed(self, *numbers: int) -> None:
        """Seed torch from numbers and the rank: each process draws dropout masks of its own."""
        state = np.random.SeedSequence([*numbers, self.rank]).generate_state(1, np.uint64)
        torch.manual_seed(int(state[0]))

    def distribute(self, module: nn.Module) -> nn.Module:
        """Have `module` average its gradients over all processes while they are computed.

        Args:
            module: On this process's device. Where the world shards, the weights of each block
                (see `blocks`) are gathered when it is their turn, all other weights together; and
                it may lie on a CPU, from where each block is moved when it is cut.
        """
        if self.shard:
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard

            mesh = init_device_mesh(self.device.type, (self.size,))
            for block in blocks(module):
                fully_shard(block, mesh=mesh)
            fully_shard(module, mesh=mesh)
            return module
        if self.size == 1:
            return module
        ids = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids, gradient_as_bucket_view=True)


def join(machine: Machine, *, shard: bool = False) -> tuple[World, Machine]:
    """Meet the processes that `torchrun` started with this one, if it did.

    Args:
        machine: A device of the kind to use; on GPUs each process takes that of its local rank.
        shard: Split the weights among the processes.

    Returns:
        The world, and the machine with this process's own device.

    Raises:
        ConfigError: `shard` without torchrun, or a device that processes can't share work on.
    """
    if not launched():
        if shard:
            raise ConfigError(
                "--shard splits a model among processes: start it with "
                "torchrun --nproc-per-node 2 -m gpteval …"
            )
        return World(device=machine.device), machine
    kind = machine.device.type
    if kind not in BACKENDS:
        raise ConfigError(f"torchrun works on {' and '.join(BACKENDS)}, not on {kind}")
    if kind == "cuda":
        local = local_rank()
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"process {local} of this machine has no GPU of its own, there are "
                f"{torch.cuda.device_count()}: lower --nproc-per-node, or use --device cpu"
            )
        machine = replace(machine, device=torch.device("cuda", local))
        torch.cuda.set_device(machine.device)
    if not dist.is_initialized():
        dist.init_process_group(BACKENDS[kind], timeout=PATIENCE)
    return World(dist.get_rank(), dist.get_world_size(), machine.device, shard), machine


def leave(code: int) -> NoReturn:
    """End this process, one of several, with an exit code; without clearing up the interpreter.

    gloo's threads may hold on to a tensor for a moment after its exchange is over. One that then
    finds the interpreter on its way out aborts the process, and torchrun calls a run failed that
    went well (pytorch issue 190489); and once DistributedDataParallel was used nothing ends them.
    """
    # After an error others may wait for an exchange that never comes, and so would this.
    if not code and dist.is_initialized():
        dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def accumulating(module: nn.Module, *, last: bool) -> Iterator[None]:
    """Exchange gradients only in the last of several backward passes of one update."""
    sharded: Any = module
    if hasattr(sharded, "set_requires_gradient_sync"):
        sharded.set_requires_gradient_sync(last)
    if isinstance(module, DistributedDataParallel) and not last:
        with module.no_sync():
            yield
    else:
        yield


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """What stands in the ModuleLists of a module that are in no other one."""
    for child in module.children():
        yield from child.children() if isinstance(child, nn.ModuleList) else blocks(child)


def whole(tensor: Tensor) -> Tensor:
    """A tensor of which each process may hold a share, put together; all have to ask for it."""
    shared: Any = tensor
    gathered: Tensor = shared.full_tensor() if hasattr(shared, "full_tensor") else tensor
    return gathered


def copy_whole(split: nn.Module, other: nn.Module) -> None:
    """Give another module of the same shape all weights of a split one; every process does."""
    weights = other.state_dict()
    for name, tensor in split.state_dict().items():
        weights[name].copy_(whole(tensor))


def share(tensor: Tensor) -> Tensor:
    """This process's share of a tensor that is shared out; else all of it."""
    shared: Any = tensor
    own: Tensor = shared.to_local() if hasattr(shared, "to_local") else tensor
    return own


def shared(own: Tensor, other: Any) -> Tensor:
    """The tensor of which this process holds a share, if `other` is shared out; else that share."""
    if not hasattr(other, "device_mesh"):
        return own
    from torch.distributed.tensor import DTensor

    place = {"device_mesh": other.device_mesh, "placements": other.placements}
    size = {"shape": other.shape, "stride": other.stride()}
    tensor: Tensor = DTensor.from_local(own.to(other.device), **place, **size, run_check=False)
    return tensor


def like(tensor: Tensor, other: Any) -> Tensor:
    """This process's share of a whole tensor, if `other` is shared out; else all of it."""
    if not hasattr(other, "device_mesh"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    mesh, places = other.device_mesh, other.placements
    cut = distribute_tensor(tensor.to(other.device), mesh, places, src_data_rank=None)
    return shared(share(cut).clone(), other)  # a copy: the whole tensor may go


def whole_norm(norm: Tensor, tensors: Iterable[Tensor]) -> Tensor:
    """The norm of tensors from that of this process's shares of them, if they are shared out."""
    if not any(hasattr(tensor, "device_mesh") for tensor in tensors):
        return norm
    square = norm.double().square()
    dist.all_reduce(square)
    return square.sqrt().to(norm.dtype)
