"""What stands beside what: results over seeds, the paper's figures, and the marks on them.

A figure of the paper stands beside ours only where metric and data-set version match; it is
subtracted only where the split does too and all of its rows were scored. Scores are in percent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from gpteval.plugins import registry
from gpteval.records import Mode, Result
from gpteval.results.seeds import Group, over_seeds
from gpteval.task import PaperScore, Suite, Task

MOST_PARTS = 20
"""Slices of a split that a table shows; of more, only those with a published figure."""

MEAN = "macro mean"
"""What the mean of a suite is called that has no published one."""

HALVES: tuple[tuple[Mode, ...], ...] = (("finetune",), ("zeroshot", "probe", "baseline"))
"""Modes whose rows stand together; within a task in the order of the modes."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Why a score is not simply a score: a word for the table, the facts for its footnote."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the leaderboard; scores in percent.

    Attributes:
        task, metric, split: What was scored; `metric` may be metric/part.
        n: Examples of the whole split; None for a part.
        headline: The task's first metric over the whole split; further lines of the task follow.
        scores: One per seed.
        interval: 95 % interval over the examples (medians of the seeds' bounds), headline only;
            None where one of the seeds has none.
        majority: The best constant answer.
        paper: GPT-1's figure, where it may stand beside ours.
        comparable: Whether it may be subtracted.
        marks: In a fixed order.
        result: One of the results behind the row, for model, recipe and mode.
        suite: Whether it is the mean of a suite, whose name stands for the task's.
    """

    task: str
    metric: str
    split: str
    n: int | None
    headline: bool
    scores: tuple[float, ...]
    interval: tuple[float, float] | None
    majority: float | None
    paper: PaperScore | None
    comparable: bool
    marks: tuple[Mark, ...]
    result: Result
    suite: bool = False

    @property
    def score(self) -> float:
        """Median over seeds."""
        return median(self.scores)

    @property
    def difference(self) -> float | None:
        """Ours less the paper's, of the rounded figures, so that the table adds up."""
        if not self.paper or not self.comparable:
            return None
        return round(round(self.score, 1) - self.paper.score, 1)


def standings(
    results: Iterable[Result],
    tasks: Mapping[str, Task] | None = None,
    *,
    all_splits: bool = False,
) -> list[Row]:
    """The leaderboard's rows: fine-tuned scores, then zero-shot ones with baselines among them.

    In each half tasks stand in the order they are registered, the means of suites last.

    Args:
        results: As they were written; of a setting and seed scored twice the later one counts.
        tasks: Known tasks, by default the installed ones; others' results show without figures.
        all_splits: Show every scored split, not only a run's headline split (the last it scored,
            with its other half: dev and dev_mismatched).
    """
    tasks = registry().tasks() if tasks is None else tasks
    kept = [result for result in results if not result.private]
    everything = over_seeds(kept if all_splits else _headline_splits(kept), tasks)
    order = {name: place for place, name in enumerate(tasks)}
    modes_in_order = [mode for half in HALVES for mode in half]
    everything.sort(
        key=lambda g: (
            order.get(g.first.task, len(order)),
            g.first.task,
            modes_in_order.index(g.first.mode),
            _half(g.first.split),
        )
    )
    rows: list[Row] = []
    for modes in HALVES:
        groups = [group for group in everything if group.first.mode in modes]
        rows += [row for group in groups for row in _task_rows(group)]
        rows += [row for suite in averaged() for row in _suite_rows(suite, groups)]
    return rows


def averaged() -> list[Suite]:
    """The suites whose mean is a row of the leaderboard."""
    return [suite for suite in registry().suites().values() if not suite.table]


def _headline_splits(results: Sequence[Result]) -> list[Result]:
    """Those of each run's headline split: a run's splits share a key, and it is written last."""
    last = {(result.key, result.task): result.split for result in results}
    return [r for r in results if base_split(r.split) == base_split(last[r.key, r.task])]


def base_split(split: str) -> str:
    """The split that a half belongs to: dev of dev_mismatched."""
    return split.partition("_")[0]


def _half(split: str) -> str:
    """_mismatched of dev_mismatched, "" of dev."""
    return split.removeprefix(base_split(split))


def _task_rows(group: Group) -> list[Row]:
    """The headline metric, its parts in the paper's order, then the other metrics."""
    names = list(group.first.scores)
    first, *others = [name for name in names if "/" not in name]
    published = [p.metric for p in group.task.paper] if group.task else []
    parts = [name for name in names if name.startswith(f"{first}/")]
    parts.sort(key=lambda name: published.index(name) if name in published else len(published))
    if len(parts) > MOST_PARTS:
        parts = [name for name in parts if name in published]
    return [_row(group, name, headline=name == first) for name in [first, *parts, *others]]


def _row(group: Group, metric: str, *, headline: bool) -> Row:
    r = group.first
    majority = r.baselines.get("majority", {}).get(metric)
    paper = next((p for p in _published(group, metric) if not p.data), None)
    return Row(
        task=r.task,
        metric=metric,
        split=r.split,
        n=None if "/" in metric else r.n,
        headline=headline,
        scores=tuple(100 * x.scores[metric] for x in group.results),
        interval=_interval(group) if headline else None,
        majority=None if majority is None else 100 * majority,
        paper=paper,
        comparable=paper is not None and paper.split == r.split and r.data.complete,
        marks=_marks(group, metric),
        result=r,
    )


def _interval(group: Group) -> tuple[float, float] | None:
    given = [r.interval for r in group.results if r.interval is not None]
    if len(given) < len(group.results):
        return None
    lows, highs = zip(*given, strict=True)
    return 100 * median(lows), 100 * median(highs)


def _published(group: Group, metric: str) -> list[PaperScore]:
    """The paper's figures of that metric and half of the split, that very split's first."""
    r = group.first
    if not group.task or r.data.origin == "sample" or r.mode != "finetune":
        return []
    published = [
        p for p in group.task.paper if p.metric == metric and _half(p.split) == _half(r.split)
    ]
    return sorted(published, key=lambda p: p.split != r.split)


def _marks(group: Group, metric: str) -> tuple[Mark, ...]:
    r = group.first
    marks = [Mark("sample")] if r.data.origin == "sample" else []
    if r.mode != "finetune":
        marks.append(Mark({"zeroshot": "zero-shot"}.get(r.mode, r.mode)))
    if r.data.limit:
        marks.append(Mark("limit", f"{r.data.limit}"))
    elif not r.data.complete:
        marks.append(Mark("cut", _missing(r)))
    if r.changed:
        marks.append(Mark("changed", ", ".join(f"{k} {v}" for k, v in r.changed.items())))
    if r.mode == "finetune" and r.split == "dev" and len(r.history) > 1:
        marks.append(Mark("chosen"))
    constant = sum(result.degenerate for result in group.results)
    if constant and not _is_variant(group, metric):
        some = constant < len(group.results)
        marks.append(Mark("constant", f"{constant} of {len(group.results)} seeds" if some else ""))
    if group.task and group.task.version != r.version:
        marks.append(Mark("old", f"version {r.version}, installed is {group.task.version}"))
    other = [f"{p.score} on {p.data}, {p.split}" for p in _published(group, metric) if p.data]
    if other:
        marks.append(Mark("†", ", ".join(other)))
    return tuple(marks)


def _is_variant(group: Group, metric: str) -> bool:
    """Whether other answers than the recorded ones are scored: zero-shot, normalised otherwise."""
    named = group.task.metrics if group.task else (metric,)
    return group.first.mode == "zeroshot" and metric.partition("/")[0] not in named


def _missing(result: Result) -> str:
    data = result.data
    reasons = []
    if data.train_rows != data.train_official:
        reasons.append(f"{data.train_rows} of {data.train_official} train rows")
    if data.rows != data.official:
        reasons.append(f"{data.rows} of {data.official} {result.split} rows")
    return ", ".join(reasons) or "selection rows are missing"


def _suite_rows(suite: Suite, groups: Iterable[Group]) -> list[Row]:
    """The suite's mean of every model and setting, over the seeds that have all its members."""
    entrants: dict[str, dict[int, dict[tuple[str, str], Group]]] = {}
    for group in groups:
        r = group.first
        if r.task in suite.members and set(suite.members[r.task]) <= set(r.scores):
            sample = r.data.origin == "sample"
            setting = [r.mode, r.model, r.model_digest, r.recipe, r.changed, r.data.limit, sample]
            seeds = entrants.setdefault(json.dumps([setting, base_split(r.split)]), {})
            for result in group.results:
                seeds.setdefault(result.seed, {})[r.task, r.split] = group
    rows = []
    for seeds in entrants.values():
        whole = {n: g for n, g in seeds.items() if {task for task, _ in g} == set(suite.members)}
        if whole:
            rows.append(_suite_row(suite, whole))
    return rows


def _suite_row(suite: Suite, seeds: Mapping[int, Mapping[tuple[str, str], Group]]) -> Row:
    groups = list(next(iter(seeds.values())).values())
    r = groups[0].first
    marks = [Mark(m.name) for g in groups for m in _marks(g, "")]
    complete = not any(m.name in ("cut", "limit") for m in marks)
    beside = r.data.origin != "sample" and r.mode == "finetune"
    published = suite.published if beside else ()
    marks += [Mark("†", f"{p.score} on {p.data}, {p.split}") for p in published if p.data]
    paper = next((p for p in published if not p.data), None)
    return Row(
        task=suite.name,
        metric=next((p.metric for p in suite.published), MEAN),
        split=base_split(r.split),
        n=sum(g.first.n for g in groups),
        headline=True,
        scores=tuple(
            _mean(suite, ((g.first.task, _of_seed(g, seed)) for g in members.values()))
            for seed, members in seeds.items()
        ),
        interval=None,
        majority=_mean(suite, ((g.first.task, g.first.baselines["majority"]) for g in groups)),
        paper=paper,
        comparable=paper is not None and complete and base_split(r.split) == paper.split,
        marks=tuple(dict.fromkeys(marks)),
        result=r,
        suite=True,
    )


def _of_seed(group: Group, seed: int) -> Mapping[str, float]:
    return next(r.scores for r in group.results if r.seed == seed)


def _mean(suite: Suite, scored: Iterable[tuple[str, Mapping[str, float]]]) -> float:
    """Mean over tasks, each the mean over its splits and metrics, in percent."""
    means: dict[str, list[float]] = {}
    for task, scores in scored:
        metrics = suite.members[task]
        means.setdefault(task, []).append(fmean(scores[metric] for metric in metrics))
    return 100 * fmean(fmean(own) for own in means.values())
