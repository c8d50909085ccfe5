"""Workers that are actors of Ray: of one that is started on this machine, or of a cluster."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from concurrent.futures import Future

from gpteval.errors import ConfigError, GptevalError
from gpteval.launch.pool import Worker, Workers
from gpteval.launch.setup import Setup

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_agent_register_timeout_ms": "300000",  # on a busy machine its processes start slowly
}
"""Variables that Ray reads when it is imported or started."""

HERE = "127.0.0.2"
"""The address of a Ray that is nobody else's: no other machine reaches it.

For 127.0.0.1 Ray takes the address that others reach.
"""

PATIENCE = 5.0
"""Seconds in which a cluster has to take a connection."""

BEGINNING = 120.0
"""Seconds in which workers have to begin; those that a full cluster has no room for are done
without."""


def refuse_unreachable(address: str) -> None:
    """Find out whether anything listens at an address of a cluster; "" and "auto" name none.

    Raises:
        ConfigError: It is none, or nobody answers.
    """
    if address in ("", "auto"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(
            f"--launch ray:{address}: an address is HOST:PORT, as `ray start` says it"
        )
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except OSError as error:
        raise ConfigError(
            f"--launch ray:{address}: nothing answers there ({error.strerror or error}): start the "
            "cluster with `ray start --head`, or name its address"
        ) from None


class RayWorkers(Workers):
    """Actors, each with one GPU where the cluster has GPUs and one core where it has none."""

    def __init__(self, address: str, most: int) -> None:
        """Start as many actors as there is room for, and `most` at most.

        Args:
            address: Of a cluster; "" starts Ray on this machine, for this command alone.
            most: There are no more units.
        """
        super().__init__()
        os.environ.update(QUIET)
        import ray
        from ray.exceptions import RayActorError

        self.died = (RayActorError,)
        self._connect(address)
        try:
            resources = ray.cluster_resources()
            gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
            share = cores // gpus if gpus else 1
            self._share = {"num_gpus": min(1, gpus), "num_cpus": max(1, share)}
            self.begin(max(1, min(most, gpus or cores)))
        except BaseException:
            ray.shutdown()
            raise

    def _connect(self, address: str) -> None:
        import ray

        quiet = {"include_dashboard": False, "_node_ip_address": HERE}
        try:
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level="error",
                **({} if address else quiet),
            )
        except Exception as error:  # Ray raises this very class where a node is slow to start
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(f"--launch ray: Ray can't be started or reached ({first})") from None

    def started(self, names: Sequence[str]) -> list[Worker]:
        """Actors that have begun."""
        import msgspec
        import ray
        from ray.exceptions import RayActorError, RayTaskError

        setup = msgspec.json.encode(Setup.of_this_process()).decode()
        actor = ray.remote(Actor).options(max_restarts=0, **self._share)
        begun = {}
        for name in names:
            handle = actor.remote()
            begun[handle.begin.remote(setup)] = name, handle
        ready, waiting = ray.wait([*begun], num_returns=len(begun), timeout=BEGINNING)
        for reference in waiting:
            ray.kill(begun[reference][1])
        workers: list[Worker] = []
        for reference in ready:
            name, handle = begun[reference]
            try:
                node = ray.get(reference)
            except RayActorError:
                workers += self.started([name])
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, GptevalError) else error from None
            else:
                workers.append(Worker(f"{name.partition(' on ')[0]} on {node}", handle))
        if not workers and not self._busy and not self._idle:
            raise GptevalError(f"no worker of Ray could begin in {BEGINNING:.0f} s: is it full?")
        return workers

    def submit(self, worker: Worker, order: str) -> Future[str]:
        """Send the order to the actor."""
        future: Future[str] = worker.handle.work.remote(order).future()
        return future

    def end(self, worker: Worker) -> None:
        """Kill the actor."""
        import ray

        ray.kill(worker.handle)

    def close(self) -> None:
        """End all actors, and what Ray started for this command."""
        import ray

        super().close()
        ray.shutdown()


class Actor:
    """A worker, as Ray has it."""

    def begin(self, setup: str) -> str:
        """As `gpteval.launch.worker.begin`; the name of the machine."""
        from gpteval.launch.worker import begin

        begin(setup)
        return socket.gethostname()

    def work(self, order: str) -> str:
        """As `gpteval.launch.worker.work`."""
        from gpteval.launch.worker import work

        return work(order)
