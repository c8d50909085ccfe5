"""What `--launch` says: which engine computes the units of a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpteval.compute.processes import launched
from gpteval.errors import ConfigError
from gpteval.launch.driver import Drive
from gpteval.launch.pool import Pool
from gpteval.methods.order import Engine, Order, Outcome
from gpteval.progress import Progress

KINDS = "local:N for N processes of this machine, ray, ray:ADDRESS or slurm"

INSTALL = "pip install 'gpteval[{}]'"


@dataclass(frozen=True, slots=True)
class Launched:
    """An engine that opens a pool for every round of orders.

    Attributes:
        opened: Opens one for so many orders.
        here: Whether it is on this machine.
    """

    opened: Callable[[int], Pool]
    here: bool

    def complete(
        self, orders: Sequence[Order], progress: Progress, *, earlier: int
    ) -> list[Outcome]:
        """What came of the orders, one for each."""
        pool = self.opened(len(orders))
        try:
            return Drive(orders, pool, progress, earlier=earlier).outcomes()
        finally:
            pool.close()


def engine(launch: str) -> Engine:
    """The engine that computes the units of `run`, `score_zeroshot` or `score_baselines`.

    Args:
        launch: "local:4" for four processes of this machine, "ray" for Ray on it, "ray:ADDRESS" for
            a cluster of Ray's, "slurm" for jobs of Slurm.

    Raises:
        ConfigError: Another text, or what it needs is not there.
    """
    if launched():
        raise ConfigError(
            "torchrun shares each unit among processes, and --launch hands out whole ones: take "
            "one of them"
        )
    kind, colon, rest = launch.partition(":")
    if kind == "local" and rest.isascii() and rest.isdecimal() and int(rest):
        return Launched(lambda units: _local(min(int(rest), units)), here=True)
    if kind == "ray" and (rest or not colon):
        return _ray(rest)
    if launch == "slurm":
        return _slurm()
    raise ConfigError(f"--launch is {KINDS}, not {launch!r}")


def _local(count: int) -> Pool:
    from gpteval.launch.local import LocalWorkers, visible_gpus

    return LocalWorkers(count, visible_gpus())


def _ray(address: str) -> Engine:
    try:
        import ray  # noqa: F401
    except ImportError:
        raise ConfigError(f"--launch ray needs Ray: {INSTALL.format('ray')}") from None
    from gpteval.launch.ray import RayWorkers, refuse_unreachable

    refuse_unreachable(address)
    return Launched(lambda units: RayWorkers(address, units), here=not address)


def _slurm() -> Engine:
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise ConfigError(f"--launch slurm needs submitit: {INSTALL.format('slurm')}") from None
    from gpteval.launch.slurm import SlurmJobs, refuse_absent

    refuse_absent()
    return Launched(SlurmJobs, here=False)
