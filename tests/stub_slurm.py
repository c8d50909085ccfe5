"""A scheduler that takes Slurm's command lines and runs the jobs of an array as processes.

It is installed under the names of Slurm's commands (`install`); `STUB_SLURM` is its directory. Two
jobs run at a time, the others wait.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = ("sbatch", "srun", "squeue", "scancel")
AT_ONCE = 2


def install(place: Path) -> None:
    """Put commands into a directory."""
    place.mkdir()
    for name in COMMANDS:
        (place / name).write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        (place / name).chmod(0o755)


def states() -> Path:
    """Where each job has a file with its state and, while it runs, its process."""
    return Path(os.environ["STUB_SLURM"])


def state(job: str) -> list[str]:
    """The state of a job, and its process."""
    return (states() / job).read_text().split()


def put(job: str, *words: object) -> None:
    partial = states() / f".{job}"
    partial.write_text(" ".join(map(str, words)))
    partial.replace(states() / job)


def sbatch(script: str) -> None:
    """Take a script, and leave somebody behind who runs it."""
    text, number = Path(script).read_text(), 1
    while True:
        try:
            (states() / f"array-{number}").mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            break
    (states() / f"array-{number}" / "script").write_text(text)
    array = re.search(r"^#SBATCH --array=0-(\d+)%", text, re.MULTILINE)
    jobs = [f"{number}_{n}" for n in range(int(array[1]) + 1)] if array else [str(number)]
    for job in jobs:
        put(job, "PENDING")
    subprocess.Popen(
        [sys.executable, __file__, "runner", script, *jobs], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    print(f"Submitted batch job {number}")


def runner(script: str, *jobs: str) -> None:
    """Run the jobs of an array, some at a time."""
    waiting, running = list(jobs), dict[str, subprocess.Popen[bytes]]()
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            job = waiting.pop(0)
            if state(job)[0] == "PENDING":
                running[job] = started(script, job)
                put(job, "RUNNING", running[job].pid)
        for job, process in list(running.items()):
            if process.poll() is not None:
                del running[job]
                put(job, "FAILED" if process.returncode else "COMPLETED")
        time.sleep(0.05)


def started(script: str, job: str) -> subprocess.Popen[bytes]:
    """One job, in the environment that Slurm gives it."""
    array, _, task = job.partition("_")
    own = {"JOB_ID": array, "PROCID": "0", "LOCALID": "0", "NODEID": "0", "NTASKS": "1"}
    own |= {"JOB_NUM_NODES": "1", "JOB_NODELIST": os.uname().nodename}
    own |= {"ARRAY_JOB_ID": array, "ARRAY_TASK_ID": task} if task else {}
    given = {f"SLURM_{name}": text for name, text in own.items()}
    command = ["bash", "-c", Path(script).read_text()]
    return subprocess.Popen(command, env={**os.environ, **given}, start_new_session=True)


def srun(*words: str) -> None:
    """Become the command, with its output where it is to go."""
    places, given = {"%j": "JOB_ID", "%A": "ARRAY_JOB_ID", "%a": "ARRAY_TASK_ID"}, list(words)
    while given[0].startswith("--"):
        option = given.pop(0)
        if option in ("--output", "--error"):
            name = given.pop(0).replace("%t", "0")
            for mark, variable in places.items():
                name = name.replace(mark, os.environ.get(f"SLURM_{variable}", ""))
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), 1 if option == "--output" else 2)
    os.execvp(given[0], given)


def squeue(*words: str) -> None:
    """The jobs that wait or run: those that are over, Slurm has forgotten."""
    assert {"--array", "--states=all", "--format=%i|%T"} < set(words)
    for path in sorted(states().glob("[0-9]*")):
        known = state(path.name)[0]
        if known in ("PENDING", "RUNNING"):
            print(f"{path.name}|{known}")


def scancel(*words: str) -> None:
    """End jobs, and have those that wait never begin."""
    for job in words:
        known = state(job)
        if known[0] == "PENDING":
            put(job, "CANCELLED")
        elif known[0] == "RUNNING":
            os.killpg(int(known[1]), signal.SIGKILL)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
