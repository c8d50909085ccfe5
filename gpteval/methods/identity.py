"""What a unit's key is made of: everything its scores depend on, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gpteval.files import digest
from gpteval.plugins import registry
from gpteval.records import Mode
from gpteval.results import provenance
from gpteval.task import Example, Prompt, Task

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.model import Loaded

NUMBERS = 4
"""Raised whenever the same inputs give other numbers in one release (1: before keys had it)."""

DEFINES = ("name", "version", "kind", "metrics", "labels", "scale", "label_map", "rule")
"""Fields of a task that decide a score by themselves."""

SEEN = ("source", "example", "prompt", "train_task", "evaluate", "blind")
"""Fields whose effect is in a key already: what is made of the rows, on which task and split."""

SHOWN = ("groups", "aliases", "paper", "title", "licence", "citation")
"""Fields that decide no score."""


def key(
    mode: Mode,
    task: Task,
    learned: Task | None,
    contents: Mapping[str, str],
    settings: Mapping[str, Any],
) -> str:
    """Digest of everything the scores of a task depend on.

    Args:
        mode: How it is measured.
        task: Whose scores they are.
        learned: The task trained on; None where nothing is.
        contents: Split → `content` of the examples or prompts that were trained on or scored.
        settings: All else: model, machine, recipe, seed and the like; JSON values.
    """
    return digest(
        {
            "mode": mode,
            "code": [provenance.versions()["gpteval"], NUMBERS],
            "task": definition(task),
            "trained on": definition(learned) if learned else None,
            "examples": dict(contents),
            **settings,
        }
    )


def content(items: Iterable[Example | Prompt]) -> str:
    """SHA-256 of what a task makes of the rows of a split: texts, labels, ids, clusters."""
    total = hashlib.sha256()
    for item in items:
        total.update(ascii(item).encode())
    return total.hexdigest()


def definition(task: Task) -> dict[str, Any]:
    """What decides a task's scores beside its examples; strangers' versions among it."""
    fields = {name: getattr(task, name) for name in DEFINES}
    package_of, hook = registry().package_of, "gpteval_register_metrics"
    file = registry().file_digest(task.name)
    fields |= {"file": file} if file else {}
    return fields | {"measures": {name: package_of(hook, name) for name in task.metrics}}


def computed(loaded: Loaded, machine: Machine, processes: int = 1) -> dict[str, Any]:
    """The model, its family's version, and where it computes: dropout's masks and rounding."""
    return {
        "model": loaded.digest,
        "family": registry().package_of("gpteval_register_models", loaded.family),
        "device": machine.device.type,
        "precision": machine.precision,
        "processes": processes,
    }
