"""Units computed by Ray: on this machine, and on a cluster of two nodes.

Ray is not installed with `.[dev]`: `pip install -c constraints.txt -e '.[ray]'`.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from launched import Heard, lasting, small

import gpteval
from gpteval.errors import ConfigError
from gpteval.launch.ray import HERE
from gpteval.progress import Standing
from gpteval.results.store import ResultStore

pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")


@pytest.fixture
def asked(tiny_directory: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as this process: sums are rounded alike
    return small(tiny_directory)


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:1", "no.such.host.invalid:6379"])
def test_a_cluster_that_does_not_answer_is_one_line(address: str) -> None:
    with pytest.raises(ConfigError, match=f"--launch ray:{address}: ") as error:
        gpteval.engine(f"ray:{address}")
    assert "\n" not in str(error.value)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of two nodes of one core each, both on this machine."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # whoever runs this may have a token
    port = free_port()
    address = f"{HERE}:{port}"
    head = ["--head", f"--port={port}", "--include-dashboard=false"]
    with node(*head), node(f"--address={address}"):
        wait_for(address)
        yield address


AGENTS = (
    "dashboard-agent-grpc-port",
    "dashboard-agent-listen-port",
    "metrics-export-port",
    "runtime-env-agent-port",
)
"""Ports of processes that every node starts."""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind((HERE, 0))
        return int(found.getsockname()[1])


@contextmanager
def node(*words: str) -> Iterator[None]:
    """A node of a cluster: processes of its own, which end with it."""
    own = ["--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000"]
    # A node of a busy machine gives up waiting for ports that these would choose themselves.
    own += [f"--{name}={free_port()}" for name in AGENTS]
    own += [f"--node-ip-address={HERE}", "--disable-usage-stats", "--block"]
    with subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", *own, *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield
        finally:
            below = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            for child in below:
                with suppress(psutil.NoSuchProcess):
                    child.kill()


TOGETHER = """
import sys, time, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="error")
while ray.cluster_resources().get("CPU", 0) < 2:
    time.sleep(0.1)
"""


def wait_for(address: str) -> None:
    """Wait until both nodes are of the cluster."""
    host, _, port = address.partition(":")
    for _ in range(1200):
        with suppress(OSError):
            socket.create_connection((host, int(port)), 1).close()
            break
        time.sleep(0.1)
    subprocess.run([sys.executable, "-c", TOGETHER, address], check=True, timeout=300)


def test_a_cluster_of_two_nodes_leaves_what_one_process_does(
    asked: dict[str, Any], tmp_path: Path, cluster: str
) -> None:
    alone = gpteval.run("cola,sst2", **asked, results=tmp_path / "alone")
    heard, engine = Heard(), gpteval.engine(f"ray:{cluster}")
    found = gpteval.run(
        "cola,sst2", **asked, results=tmp_path / "ray", engine=engine, progress=heard
    )
    assert lasting(found, tmp_path / "ray") == lasting(alone, tmp_path / "alone")
    assert {where.partition(" on ")[0] for where in heard.where} == {"worker 1", "worker 2"}


def test_ray_on_this_machine_replaces_an_actor_that_was_killed(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    alone = gpteval.run("cola", **asked, results=tmp_path / "alone")
    killer, engine = ActorKiller(), gpteval.engine("ray")
    found = gpteval.run("cola", **asked, results=tmp_path / "ray", engine=engine, progress=killer)
    assert killer.killed and any("died; another goes on" in line for line in killer.said)
    assert lasting(found, tmp_path / "ray") == lasting(alone, tmp_path / "alone")
    counted = Counter((r.key, r.split) for r in ResultStore(tmp_path / "ray").read())
    assert set(counted.values()) == {1}


class ActorKiller(Heard):
    """Kills one actor of the Ray that this process started."""

    killed = False

    def units(self, standing: Standing, *, over: bool = False) -> None:
        super().units(standing, over=over)
        if not self.killed and standing.running:
            below = psutil.Process().children(recursive=True)
            actor = next(process for process in below if "ray::Actor" in process.cmdline()[0])
            actor.kill()
            self.killed = True
