"""Which jobs Slurm still has, asked of its queue: that needs no accounting, which is often off.

It needs submitit: imported where jobs are handed to Slurm.
"""

from __future__ import annotations

import os

from submitit import SlurmJob
from submitit.slurm.slurm import SlurmInfoWatcher

LOOK = 10
"""Seconds between two questions about all jobs; one that left an outcome is seen at once."""

OVER = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"}
OVER |= {"PREEMPTED", "REVOKED", "TIMEOUT"}
"""States of jobs that won't run again; some minutes later the queue no longer has them."""


class Queue(SlurmInfoWatcher):  # type: ignore[misc]
    """The states of this user's jobs; a question that fails changes none of them."""

    def _make_command(self) -> list[str] | None:
        if not self._registered - self._finished:
            return None
        mine, all_states = f"--user={os.getuid()}", "--states=all"  # whatever variables of its say
        return ["squeue", "--noheader", "--array", mine, all_states, "--format=%i|%T"]

    def read_info(self, string: str | bytes) -> dict[str, dict[str, str]]:
        """The state of every job: COMPLETED where it is over, PENDING, or else RUNNING."""
        text = string if isinstance(string, str) else string.decode()
        there = dict(line.split("|") for line in text.split())
        return {job: {"State": _state(there.get(job))} for job in self._registered}


def _state(queued: str | None) -> str:
    if queued is None or queued in OVER:
        return "COMPLETED"
    return "PENDING" if queued == "PENDING" else "RUNNING"


class QueuedJob(SlurmJob[str]):  # type: ignore[misc]
    """A job whose state is that of the queue."""

    watcher = Queue(delay_s=LOOK)
