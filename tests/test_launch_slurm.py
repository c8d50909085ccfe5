"""Units computed by jobs of Slurm, by a scheduler that runs processes."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import stub_slurm
from launched import Heard, lasting, small

import gpteval
from gpteval.errors import ConfigError
from gpteval.progress import Standing


@pytest.fixture
def asked(tiny_directory: Path) -> dict[str, Any]:
    return small(tiny_directory)


@pytest.mark.parametrize(("launch", "module"), [("ray", "ray"), ("slurm", "submitit")])
def test_an_engine_that_is_not_installed_is_named(
    launch: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'gpteval\[{launch}\]'"):
        gpteval.engine(launch)


def test_slurm_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no sbatch on this machine"):
        gpteval.engine("slurm")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a scheduler."""
    stub_slurm.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as this process: sums are rounded alike
    monkeypatch.setenv("STUB_SLURM", str(tmp_path / "jobs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "jobs"


class JobKiller(Heard):
    """Kills one job of Slurm's that runs."""

    def __init__(self, jobs: Path) -> None:
        super().__init__()
        self.jobs, self.killed = jobs, ""

    def units(self, standing: Standing, *, over: bool = False) -> None:
        super().units(standing, over=over)
        for job in () if self.killed else self.jobs.glob("*_*"):
            state, *process = job.read_text().split()
            if state == "RUNNING":
                os.killpg(int(process[0]), signal.SIGKILL)
                self.killed = job.name
                return


def test_jobs_of_slurm_leave_what_one_process_does(
    asked: dict[str, Any], tmp_path: Path, slurm: Path
) -> None:
    alone = gpteval.run("cola,sst2", **asked, results=tmp_path / "alone")
    killer, engine = JobKiller(slurm), gpteval.engine("slurm")
    found = gpteval.run(
        "cola,sst2", **asked, results=tmp_path / "slurm", engine=engine, progress=killer
    )
    assert f"job {killer.killed} died; another goes on" in "\n".join(killer.said)
    assert lasting(found, tmp_path / "slurm") == lasting(alone, tmp_path / "alone")
    script = (slurm / "array-1" / "script").read_text()
    assert "#SBATCH --array=0-3%4" in script and "--time" not in script
    assert "submitit.core._submit" in script


class Interrupting(Heard):
    """Interrupts the command once jobs run."""

    asked = False

    def units(self, standing: Standing, *, over: bool = False) -> None:
        super().units(standing, over=over)
        if not self.asked and any(p.read_text() != "PENDING" for p in Path().glob("jobs/*_*")):
            self.asked = True
            signal.raise_signal(signal.SIGINT)


def test_an_interruption_takes_back_the_jobs_that_wait(
    asked: dict[str, Any], tmp_path: Path, slurm: Path
) -> None:
    heard, results = Interrupting(), tmp_path / "results"
    with pytest.raises(KeyboardInterrupt):
        gpteval.run(
            "cola,sst2", **asked, results=results, engine=gpteval.engine("slurm"), progress=heard
        )
    assert "interrupted: nothing more is handed out" in "\n".join(heard.said)
    states = [path.read_text() for path in slurm.glob("*_*")]
    assert states.count("CANCELLED") == 4 - stub_slurm.AT_ONCE


def printed(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


@pytest.fixture
def real_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that is this machine alone: its jobs see the test's directory."""
    if shutil.which("sbatch") is None:
        pytest.skip("no Slurm on this machine")
    if set(printed("sinfo", "-h", "-N", "-o", "%n").split()) != {platform.node().partition(".")[0]}:
        pytest.skip("no Slurm that runs on this machine alone")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as this process: sums are rounded alike
    monkeypatch.chdir(tmp_path)


class JobEnder(Heard):
    """Has Slurm send one job that runs a signal which ends it."""

    ended = ""

    def units(self, standing: Standing, *, over: bool = False) -> None:
        super().units(standing, over=over)
        if not self.ended:
            jobs = printed(
                "squeue", "-h", "--array", "-n", "gpteval", "-t", "R", "-o", "%i"
            ).split()
            for job in jobs[:1]:  # as soon as it has begun, which squeue says before
                sent = subprocess.run(["scancel", "--signal=ABRT", job], check=False)
                self.ended = "" if sent.returncode else job


def test_jobs_of_a_real_slurm_leave_what_one_process_does(
    asked: dict[str, Any], tmp_path: Path, real_slurm: None
) -> None:
    alone = gpteval.run("cola,sst2", **asked, results=tmp_path / "alone")
    ender, engine = JobEnder(), gpteval.engine("slurm")
    found = gpteval.run(
        "cola,sst2", **asked, results=tmp_path / "slurm", engine=engine, progress=ender
    )
    assert f"job {ender.ended} died; another goes on" in "\n".join(ender.said)
    assert lasting(found, tmp_path / "slurm") == lasting(alone, tmp_path / "alone")
