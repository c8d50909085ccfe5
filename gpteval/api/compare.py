"""Results held against each other: compared, browsed, blessed and checked; reads files only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval.api.shown import Shown
from gpteval.config import RESULTS, task_names
from gpteval.errors import ConfigError
from gpteval.paths import PathLike, user_path
from gpteval.results.baseline import Baseline, read_baseline, write_baseline
from gpteval.results.named import of_tasks
from gpteval.results.pairing import side
from gpteval.score.paired import RESAMPLES
from gpteval.studies import browse, flips
from gpteval.studies import check as checking
from gpteval.studies import compare as comparing
from gpteval.studies.check import Verdict, exit_code
from gpteval.studies.compare import Comparison
from gpteval.studies.gate_config import LISTS
from gpteval.studies.gate_config import settings as gate_settings

if TYPE_CHECKING:
    from gpteval.studies.browse import Said
    from gpteval.studies.flips import Flip

Names = str | Iterable[str]


class Compared(Comparison, Shown):
    """Two sides, compared."""

    __slots__ = ()

    def _json_rows(self) -> list[dict[str, Any]]:
        from gpteval.report.comparison import json_rows

        return json_rows(self)

    def _repr_markdown_(self) -> str:
        from gpteval.report.comparison import markdown

        return markdown(self)


class Verdicts(list[Verdict], Shown):
    """The verdicts of a check.

    Attributes:
        strict: Whether it fails where nothing can be told, too.
    """

    def __init__(self, verdicts: Iterable[Verdict], *, strict: bool) -> None:
        super().__init__(verdicts)
        self.strict = strict

    @property
    def code(self) -> int:
        """The exit code: 0 fine, 1 regressed, 3 cannot tell (strict), 4 not comparable."""
        return exit_code(self, strict=self.strict)

    def _json_rows(self) -> list[dict[str, Any]]:
        from gpteval.report.verdicts import json_values

        return json_values(self)

    def _repr_markdown_(self) -> str:
        from gpteval.report.verdicts import markdown

        return markdown(self, self.code)


def compare(
    first: PathLike, second: PathLike, tasks: Names | None = None, *, resamples: int = RESAMPLES
) -> Compared:
    """Compare two sides example by example: is the second better, by more than chance?

    Args:
        first: A results directory, or one with words after an "@" that choose within it: a model, a
            way of measuring, a recipe, a setting ("results@mini,finetune", "@tfidf").
        second: Likewise.
        tasks: Only these: names, groups and patterns; None for all.
        resamples: Of every task's examples.

    Raises:
        ResultError: A side has no results.
    """
    sides = [of_tasks(side(os.fspath(text)), tasks) for text in (first, second)]
    found = comparing.compare(*sides, resamples=resamples)
    return Compared(found.rows, found.unpaired, found.refused)


def diff(first: PathLike, second: PathLike, task: str, split: str | None = None) -> list[Flip]:
    """The examples that two sides answer differently, the surest first.

    Args:
        first: A side, as `compare` takes them.
        second: The other.
        task: Whose examples.
        split: Default: the last that both scored.

    Raises:
        ResultError: They have nothing of it in common.
    """
    return flips.flips(*flips.pair(os.fspath(first), os.fspath(second), task, split))


def show(
    result: PathLike, task: str | None = None, split: str | None = None, *, wrong: bool = False
) -> list[Said]:
    """What was said of every example of a result, the surest first.

    Args:
        result: A side with one result, as `compare` takes them.
        task: Its task, where there are several.
        split: Default: the last that was scored.
        wrong: Those alone that were answered wrongly; of numbers the largest errors come first.

    Raises:
        ResultError: There is no such result, or there are several.
    """
    return browse.said(browse.one(os.fspath(result), task, split), wrong=wrong)


def bless(results: PathLike, output: PathLike, tasks: Names | None = None) -> Baseline:
    """Write scores and answers to a baseline file, for `check`; what noise is known there stays.

    Args:
        results: A side, as `compare` takes them.
        output: The file.
        tasks: Only these; None for all.

    Returns:
        The baseline that was written.

    Raises:
        ResultError: There are no results, or the file can't be written.
    """
    from gpteval.results.provenance import commit

    path, measurements = user_path(output), of_tasks(side(os.fspath(results)), tasks)
    earlier = read_baseline(path) if path.exists() else Baseline(())
    read = [replace(m, answered=cache(m.answered)) for m in measurements]
    known = tuple(m if comparing.sound(m) else replace(m, files=None) for m in read)
    blessed = Baseline(known, earlier.noise, commit())
    write_baseline(path, blessed)
    return blessed


def check(results: PathLike = RESULTS, **settings: Any) -> Verdicts:
    """Hold results against a baseline.

    Args:
        results: A side, as `compare` takes them.
        settings: Fields of `CheckConfig`: baseline (the file), tasks, absolute, relative, alpha,
            strict, advisory, allow; those that are not given are read from gpteval.toml or
            pyproject.toml where the process runs.

    Returns:
        A verdict for everything in the baseline, and the exit code of `gpteval check`.

    Raises:
        ConfigError: No baseline is named, or a setting can't be used.
        ResultError: Results or baseline can't be read.
    """
    lists = {name: task_names(settings[name]) for name in LISTS if name in settings}
    place = {"baseline": os.fspath(settings["baseline"])} if "baseline" in settings else {}
    config = gate_settings(Path.cwd(), {**settings, **lists, **place})
    if not config.baseline:
        raise ConfigError("no baseline named: give --baseline, or set it in [tool.gpteval.check]")
    baseline = read_baseline(user_path(config.baseline))
    verdicts = checking.check(side(os.fspath(results)), baseline, config)
    return Verdicts(verdicts, strict=config.strict)
