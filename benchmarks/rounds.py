"""How the benchmarks time: sides in turn in one process, or each in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import torch

from gpteval.compute.rounding import bf16_is_faster

Timed = Callable[[], float]
"""Does its work once; returns the seconds that count."""

Found = dict[str, float]
"""Seconds and peak memory in bytes of a side that ran alone."""


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(sides: Mapping[str, Timed], rounds: int) -> dict[str, list[float]]:
    """Seconds of every side in every round, the order turned each time."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            times[name].append(sides[name]())
    return times


def paired(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """How many times as long theirs took: the median of rounds, with its range."""
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return f"{median(ratios):.2f}x [{min(ratios):.2f}..{max(ratios):.2f}]"


def by_itself(script: str, *options: str) -> Found:
    """What a script says of one side that it runs in a process of its own."""
    command = [sys.executable, script, *options]
    found: Found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def introduce() -> None:
    """Say on stderr what the figures are measured on."""
    faster = "" if bf16_is_faster(torch.cpu.get_capabilities()) else "no "
    print(f"{torch.get_num_threads()} threads, a CPU {faster}faster in bfloat16", file=sys.stderr)


def tell(times: Sequence[float]) -> None:
    """Print the median seconds and the peak memory of this process, for `by_itself`."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": median(times), "memory": memory}))
