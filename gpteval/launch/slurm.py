"""Jobs of Slurm, an array of them, by submitit: each computes one unit.

What they may use is said by the variables that sbatch reads: SBATCH_PARTITION, SBATCH_TIMELIMIT,
SBATCH_GPUS and the like.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from gpteval.errors import ConfigError, GptevalError
from gpteval.files import remove
from gpteval.launch.pool import Job
from gpteval.launch.setup import Setup

MOST = 1000
"""Jobs of one array; Slurm's own limit is 1001 where nobody raised it."""


def refuse_absent() -> None:
    """Find out whether this machine can hand jobs to Slurm.

    Raises:
        ConfigError: A command of Slurm's is not there.
    """
    for name in ("sbatch", "srun", "squeue", "scancel"):
        if shutil.which(name) is None:
            raise ConfigError(
                f"--launch slurm: no {name} on this machine: give the command on one that hands "
                "jobs to Slurm"
            )


def compute(setup: str, order: str) -> str:
    """What a job does: `begin` and `work` of `gpteval.launch.worker`."""
    import msgspec

    from gpteval.launch.worker import begin, work
    from gpteval.methods.order import Outcome

    try:
        begin(setup)
    except GptevalError as error:
        return msgspec.json.encode(Outcome(failed=str(error))).decode()
    return work(order)


class SlurmJobs:
    """A pool without workers: Slurm starts each job where there is room."""

    def __init__(self, units: int) -> None:
        """`units` is how many there are; all are handed out at once, and wait with Slurm."""
        from submitit import SlurmExecutor

        self._folder = Path.cwd() / f"gpteval-slurm-{token_hex(4)}"
        self._executor = SlurmExecutor(self._folder)
        self._executor.update_parameters(job_name="gpteval", time=None)
        self._running: dict[Job, Any] = {}
        self._died = False

    def room(self) -> int:
        """As many as an array may have."""
        return MOST

    def send(self, orders: Sequence[str]) -> list[Job]:
        """Hand an array of jobs to Slurm."""
        import msgspec
        from submitit.core.utils import FailedJobError

        from gpteval.launch.queue import QueuedJob

        setup = msgspec.json.encode(Setup.of_this_process()).decode()
        try:
            handed = self._executor.map_array(compute, [setup] * len(orders), orders)
        except FailedJobError as error:
            said = " ".join(str(error).split())
            raise ConfigError(f"--launch slurm: sbatch refuses the jobs: {said:.300}") from None
        jobs = [Job(f"job {own.job_id}") for own in handed]
        queued = [QueuedJob(self._folder, own.job_id) for own in handed]
        self._running |= zip(jobs, queued, strict=True)
        return jobs

    def ended(self, seconds: float) -> list[tuple[Job, str | None]]:
        """Jobs that left an outcome, and those that Slurm says are over without one."""
        time.sleep(seconds)
        done = [job for job, own in self._running.items() if own.done()]
        return [(job, self._outcome(self._running.pop(job))) for job in done]

    def _outcome(self, job: Any) -> str | None:
        from submitit.core.utils import FailedJobError, UncompletedJobError

        try:
            outcome: str = job.result()
        except (FailedJobError, UncompletedJobError):
            self._died = True
            return None
        return outcome

    def withdraw(self) -> list[Job]:
        """Cancel the jobs that wait for room."""
        if self._running:
            next(iter(self._running.values())).watcher.update()
        waiting = [job for job, own in self._running.items() if own.state == "PENDING"]
        for job in waiting:
            self._running.pop(job).cancel(check=False)
        return waiting

    def close(self) -> None:
        """Cancel what is left; what jobs printed is kept where one died."""
        for own in self._running.values():
            own.cancel(check=False)
        self._running = {}
        if not self._died:
            remove(self._folder)
