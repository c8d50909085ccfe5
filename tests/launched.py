"""What tests of launched units share: what is asked, who listens, and what every way leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gpteval import Compute
from gpteval.progress import Silent, Standing
from gpteval.records import Result
from gpteval.results.store import ResultStore

MADE = {"seconds", "time", "utilisation", "ceiling", "peak_memory_bytes", "cost"}


def lasting(results: list[Result], directory: Path) -> list[Any]:
    """Results, with their predictions, but for what is measured of the machine."""
    store, found = ResultStore(directory), []
    for own in results:
        facts = {k: v for k, v in msgspec.to_builtins(own).items() if k not in MADE}
        found.append((facts, store.read_predictions(own)))
    return found


def small(model: Path) -> dict[str, Any]:
    """Settings of four units that take a second each."""
    asked = {"model": str(model), "compute": Compute(device="cpu")}
    return {**asked, "sample": True, "limit": 24, "seeds": (0, 1), "changes": {"epochs": 1}}


class Heard(Silent):
    """What is said, and who was at which unit."""

    def __init__(self) -> None:
        self.said, self.where = list[str](), set[str]()

    def say(self, line: str) -> None:
        self.said.append(line)

    def units(self, standing: Standing, *, over: bool = False) -> None:
        self.where |= {unit.where for unit in standing.running}
