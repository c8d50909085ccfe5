"""Results that differ in their seed alone, put together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpteval.records import Result
from gpteval.task import Task


def by_seed(
    results: Iterable[Result], identity: Callable[[Result], Any]
) -> list[tuple[Result, ...]]:
    """Results of one identity together, one per seed, in the order the first was written.

    Args:
        results: As they were written; of an identity and seed written twice the later one counts.
        identity: What all seeds share: a JSON value.
    """
    groups: dict[str, dict[int, Result]] = {}
    for result in results:
        key = json.dumps(identity(result), sort_keys=True)
        groups.setdefault(key, {})[result.seed] = result
    return [tuple(seeds.values()) for seeds in groups.values()]


@dataclass(frozen=True, slots=True)
class Group:
    """The results of one task, split and setting, one per seed; `task` None if not installed."""

    results: tuple[Result, ...]
    task: Task | None

    @property
    def first(self) -> Result:
        """Any of them, for what all share."""
        return self.results[0]


def over_seeds(results: Iterable[Result], tasks: Mapping[str, Task]) -> list[Group]:
    """The groups of results, in the order in which the first of each was written.

    Args:
        results: As they were written; of a setting and seed scored twice the later one counts.
        tasks: Known tasks by name.
    """
    return [Group(seeds, tasks.get(seeds[0].task)) for seeds in by_seed(results, _measured)]


def _measured(r: Result) -> list[Any]:
    """What was measured, with what: all but the seed."""
    setting = [r.mode, r.model, r.model_digest, r.recipe, r.config, r.precision]
    return [r.task, r.version, r.split, r.data.digest, list(r.scores), setting]
