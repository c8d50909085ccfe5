"""Units computed several at once are those computed one after another, whatever dies meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from fabricated import result
from launched import lasting

import gpteval
from gpteval import Compute, Table
from gpteval.cli.main import cli
from gpteval.errors import ConfigError
from gpteval.launch.driver import Drive
from gpteval.launch.pool import Job
from gpteval.methods.order import Order, Outcome, Shape, expected
from gpteval.methods.outcome import Results
from gpteval.plugins import registry
from gpteval.progress import Silent, Standing
from gpteval.records import Result
from gpteval.results.store import ResultStore


@pytest.fixture
def settings(tiny_directory: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as this process: sums are rounded alike
    model = {"model": str(tiny_directory), "compute": Compute(device="cpu")}
    return {**model, "sample": True, "limit": 24}


@pytest.mark.parametrize("launch", ["local:0", "local:x", "local", "local:-1", "cluster"])
def test_an_engine_that_there_is_not_is_one_line(launch: str) -> None:
    done = CliRunner().invoke(cli, ["run", "--tasks", "rte", "--sample", "--launch", launch])
    assert isinstance(done.exception, ConfigError)
    assert "--launch is local:N" in str(done.exception)


def test_torchrun_and_launch_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    with pytest.raises(ConfigError, match="torchrun"):
        gpteval.engine("local:2")


def test_a_task_that_no_worker_has_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("text,label\nfine,1\nbad,0\n")
    files = {"train": "own.csv", "dev": "own.csv"}
    labels = {"0": "no", "1": "yes"}
    task = Table(name="own", text="text", labels=labels, files=files).task(tmp_path)
    with pytest.raises(ConfigError, match=r"'own' was given as a value.*--task-file"):
        gpteval.run(task, **settings | {"sample": False}, engine=gpteval.engine("local:1"))
    registry.cache_clear()  # which knows the task now


def test_two_workers_leave_what_one_process_does(settings: dict[str, Any], tmp_path: Path) -> None:
    asked = {**settings, "seeds": (0, 1), "changes": {"epochs": 1}}
    alone = gpteval.run("cola,sst2", **asked, results=tmp_path / "alone")
    engine = gpteval.engine("local:2")
    shared = gpteval.run("cola,sst2", **asked, results=tmp_path / "shared", engine=engine)
    assert lasting(shared, tmp_path / "shared") == lasting(alone, tmp_path / "alone")
    assert not (tmp_path / "shared" / "records.jsonl").exists()
    again = gpteval.run("cola,sst2", **asked, results=tmp_path / "shared")
    assert again == shared  # found finished, without an engine too
    assert gpteval.verify_results(tmp_path / "shared") == []


def test_zeroshot_and_baselines_are_launched_too(roomy_directory: Path, tmp_path: Path) -> None:
    asked = ["zeroshot", "--tasks", "copa,cola", "--sample", "--limit", "8", "--device", "cpu"]
    asked += ["--model", str(roomy_directory), "--results"]
    for more in ([], ["--launch", "local:2"]):
        place = str(tmp_path / f"{len(more)}")
        assert CliRunner().invoke(cli, [*asked, place, *more]).exit_code == 0
    alone, shared = (sorted_results(tmp_path / name) for name in ("0", "2"))
    assert len(alone) >= 5
    assert lasting(shared, tmp_path / "2") == lasting(alone, tmp_path / "0")


def sorted_results(directory: Path) -> list[Result]:
    return sorted(ResultStore(directory).read(), key=lambda r: (r.key, r.split))


class Killer(Silent):
    """Kills a random worker every now and then."""

    def __init__(self, kills: int) -> None:
        self.left, self.said, self.draw = kills, list[str](), random.Random(0)
        self.next = time.monotonic()

    def units(self, standing: Standing, *, over: bool = False) -> None:
        workers = multiprocessing.active_children()
        if self.left and workers and standing.running and time.monotonic() > self.next:
            os.kill(self.draw.choice(workers).pid or 0, signal.SIGKILL)
            self.left -= 1
            self.next = time.monotonic() + self.draw.uniform(0, 2)

    def say(self, line: str) -> None:
        self.said.append(line)


def test_what_killed_workers_had_begun_is_done_by_others(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    asked = {**settings, "seeds": range(3), "changes": {"epochs": 4}, "save_seconds": 0}
    alone = gpteval.run("cola", **asked, results=tmp_path / "alone")
    killer, engine = Killer(3), gpteval.engine("local:2")
    found = gpteval.run(
        "cola", **asked, results=tmp_path / "killed", engine=engine, progress=killer
    )
    assert killer.left == 0
    told = [line for line in killer.said if "died; another goes on" in line]
    assert 1 <= len(told) <= 3  # one that was killed while it was idle lost nothing
    assert lasting(found, tmp_path / "killed") == lasting(alone, tmp_path / "alone")
    counted = Counter((r.key, r.task, r.split) for r in ResultStore(tmp_path / "killed").read())
    assert set(counted.values()) == {1} and len(counted) == len(alone)
    assert not (tmp_path / "killed" / "unfinished").exists()


def test_a_unit_that_fails_for_a_reason_of_its_own_fails_alone(
    tiny_directory: Path, tmp_path: Path
) -> None:
    asked = ["run", "--tasks", "cola,sst2", "--sample", "--limit", "24", "--epochs", "1"]
    asked += ["--model", str(tiny_directory), "--device", "cpu"]
    asked += ["--results", str(tmp_path / "results")]
    done = CliRunner().invoke(cli, [*asked, "--launch", "local:1"])
    assert done.exit_code == 0
    key = next(r.key for r in ResultStore(tmp_path / "results").read() if r.task == "cola")
    shatter(tmp_path / "results", key)
    again = CliRunner().invoke(cli, [*asked, "--launch", "local:1"])
    assert again.exit_code == 1
    assert "gpteval: cola has no result: " in again.stderr
    assert "holds no unfinished training" in again.stderr
    assert {r.task for r in ResultStore(tmp_path / "results").read()} == {"sst2"}


def shatter(directory: Path, key: str) -> None:
    """Have a unit look begun, by a state that is none."""
    (directory / "records" / f"{key}.jsonl").unlink()
    (directory / "unfinished").mkdir(exist_ok=True)
    (directory / "unfinished" / f"{key[:16]}.safetensors").write_bytes(b"no state")


def command(model: Path, results: Path, *more: str) -> list[str]:
    words = [sys.executable, "-m", "gpteval", "run", "--tasks", "cola", "--sample", "--limit", "24"]
    words += ["--model", str(model), "--device", "cpu", "--results", str(results)]
    return [*words, "--epochs", "2", "--seeds", "3", "--launch", "local:1", *more]


def interruptible() -> None:
    """What a shell starts in the background ignores interrupts, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_command_finishes_what_is_begun_and_goes_on_when_given_again(
    tiny_directory: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    with subprocess.Popen(
        command(tiny_directory, results), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=interruptible,  # noqa: PLW1509
    ) as process:  # fmt: skip
        while not list(results.glob("unfinished/*.lock")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "nothing more is handed out, cola seed" in said
    assert "the same command resumes" in said
    first = ResultStore(results).read()
    assert 2 <= len(first) < 6  # the splits of what was begun
    subprocess.run(command(tiny_directory, results), check=True, capture_output=True)
    found = ResultStore(results).read()
    assert len(found) == 6 and all(own in found for own in first)


class Recorded:
    """A pool that notes in which order it is given what, and gives back nothing but that."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.jobs: list[Job] = []

    def room(self) -> int:
        return 1 - len(self.jobs)

    def send(self, orders: Any) -> list[Job]:
        self.names += [msgspec.json.decode(order, type=Order).name for order in orders]
        self.jobs = [Job("here") for _ in orders]
        return list(self.jobs)

    def ended(self, seconds: float) -> list[tuple[Job, str | None]]:
        jobs, self.jobs = self.jobs, []
        return [(job, msgspec.json.encode(Outcome()).decode()) for job in jobs]

    def withdraw(self) -> list[Job]:
        return []

    def close(self) -> None:
        pass


def test_the_longest_unit_is_handed_out_first() -> None:
    pool = Recorded()
    orders = [Order(str(size), "finetune", {}, {}, size) for size in (2.0, 9.0, 1.0, 5.0)]
    outcomes = Drive(orders, pool, Silent(), earlier=0).outcomes()
    assert pool.names == ["9.0", "5.0", "2.0", "1.0"]
    assert outcomes == [Outcome()] * 4


def test_what_was_measured_takes_as_long_again_and_the_rest_as_its_text_says() -> None:
    known = result("rte", seconds={"train": 30.0, "evaluate": 10.0}, config={"epochs": 3})
    shape = Shape.of(known)
    other = shape._replace(task="cola")
    assert expected([known], [(shape, 20.0), (other, 5.0)]) == [40.0, 10.0]
    assert expected([], [(shape, 20.0), (other, 5.0)]) == [20.0, 5.0]
    longer = replace(known, seconds={"train": 60.0})
    assert expected([known, longer], [(shape, 20.0)]) == [60.0]


def test_an_order_is_the_same_after_json() -> None:
    order = Order("rte seed 1", "finetune", {"tasks": ["rte"]}, {"layers": None, "seed": 1}, 2.5)
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


def test_results_of_a_command_whose_units_all_failed_are_none() -> None:
    from gpteval.methods.outcome import Asked

    asked = Asked(["rte"], Silent())
    asked.take("rte seed 1", "it can't be", {}, {})
    assert asked.results([]).left_out == {"rte seed 1": "it can't be"} != Results().left_out
    with pytest.raises(gpteval.GptevalError, match="it can't be"):
        asked.refuse_none([])
