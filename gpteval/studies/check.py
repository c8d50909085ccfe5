"""A gate: results held against a blessed baseline, a verdict for every task.

A drop of up to the tolerance is accepted. REGRESSED says that the true drop is larger, HELD that
the true difference is no larger in either direction, IMPROVED that the true gain is larger; each
is said only where the data exclude the contrary, HELD also where every answer is the same. Of all
tasks together, one that changed by no more than its tolerance is called REGRESSED or IMPROVED in
at most `alpha` of the checks (Holm). What the data leave open is UNDERPOWERED.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Literal

from gpteval.config import option
from gpteval.errors import ResultError
from gpteval.results.baseline import Baseline, Noise
from gpteval.results.entrants import TRAINED
from gpteval.results.pairing import Measurement, mismatches, paired
from gpteval.score.difference import Difference, holm
from gpteval.studies.compare import (
    IncomparableError,
    in_order,
    matched,
    shared_metrics,
)

Word = Literal["REGRESSED", "HELD", "IMPROVED", "UNDERPOWERED", "MISSING", "INCOMPARABLE"]

RESAMPLES = 2000
"""A standard error is known to 2 % by so many, and a gate is quick."""

FINE, WORSE, UNKNOWN, NO_PAIR = 0, 1, 3, 4
"""Exit codes beside 2, a mistake of the user's."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What drop is accepted: one that exceeds neither, or only one of the two.

    Attributes:
        absolute: As a fraction of 1: 0.01 is a point.
        relative: As a fraction of the baseline's score.
    """

    absolute: float = 0.01
    relative: float = 0.0

    def of(self, score: float) -> float:
        """The drop from this score that is accepted."""
        return max(self.absolute, self.relative * abs(score))


@dataclass(frozen=True, slots=True)
class CheckConfig:
    """How a check decides: `[tool.gpteval.check]` of pyproject.toml, or `[check]` of gpteval.toml.

    Attributes:
        tolerances: Metric → its own tolerance; all others have `absolute` and `relative`.
    """

    baseline: str = option("", "File that `gpteval bless` wrote.")
    tasks: tuple[str, ...] = option((), "Only these: names and groups.")
    absolute: float = option(0.01, "Drop that is accepted, as a fraction of 1.", least=0, most=1)
    relative: float = option(
        0.0, "The same as a fraction of the baseline's score; both must be exceeded.", least=0
    )
    alpha: float = option(0.05, "Share of checks in error, all tasks together.", above=0, below=1)
    strict: bool = option(False, "Fail where nothing can be told, and where a task is missing.")
    advisory: tuple[str, ...] = option((), "Tasks that are told of and fail nothing.")
    allow: tuple[str, ...] = option((), "Differences to accept: version, data, recipe, code.")
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)

    def tolerance(self, metric: str) -> Tolerance:
        """Of one metric."""
        return self.tolerances.get(metric, Tolerance(self.absolute, self.relative))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one task and split.

    Attributes:
        task, split, entrant, metric: What was measured.
        word: The verdict.
        reason: What it rests on, or what to do.
        blocking: Whether it counts for the exit code.
        tolerance: The drop that is accepted.
        level: p of one task by itself at which it is called regressed, were it the only one.
        runs: How many of the baseline and of the results.
        difference: Results less baseline; None where they could not be compared.
        adjusted: p of a difference within the tolerance, corrected for the number of tasks.
        needed: Examples that would give another verdict than UNDERPOWERED on a difference of this
            size; None where it is as large as the tolerance, and for other verdicts.
        seeds_needed: Runs of each side that it takes too; None where those there are will do.
    """

    task: str
    split: str
    entrant: str
    metric: str
    word: Word
    reason: str = ""
    blocking: bool = True
    tolerance: float = 0.0
    level: float = 0.05
    runs: tuple[int, int] = (0, 0)
    difference: Difference | None = None
    adjusted: float | None = None
    needed: int | None = None
    seeds_needed: int | None = None

    @property
    def detectable(self) -> float | None:
        """The smallest true drop that would be found in four of five checks."""
        found = self.difference
        return found.detectable(self.level, self.tolerance) if found else None

    @property
    def code(self) -> int:
        """The exit code by itself, were all blocking and nothing left open."""
        codes = {"REGRESSED": WORSE, "INCOMPARABLE": NO_PAIR}
        open_words = ("UNDERPOWERED", "MISSING")
        return codes.get(self.word, UNKNOWN if self.word in open_words else FINE)


def check(
    candidate: Sequence[Measurement],
    baseline: Baseline,
    config: CheckConfig,
    *,
    resamples: int = RESAMPLES,
) -> list[Verdict]:
    """The verdict of every measurement in the baseline.

    Args:
        candidate: The results to judge.
        baseline: What they are held against.
        config: How.
        resamples: Of every task's examples.
    """
    from gpteval.plugins import registry

    names = {task.name for task in registry().select(config.tasks)} if config.tasks else None
    pairs = in_order(paired(baseline.measurements, candidate, modes=True))
    asked = [(one, other) for one, other in pairs if one and (names is None or one.task in names)]
    level = config.alpha / max(sum(other is not None for _, other in asked), 1)
    verdicts = [_compared(one, other, baseline, config, resamples, level) for one, other in asked]
    return [_explained(verdict) for verdict in decided(verdicts, config.alpha)]


def _compared(
    one: Measurement,
    other: Measurement | None,
    baseline: Baseline,
    config: CheckConfig,
    resamples: int,
    level: float,
) -> Verdict:
    """A verdict that is still to be decided where the two could be compared and differ."""
    blocking = one.task not in config.advisory
    bare = Verdict(*one.where, one.entrant, one.metrics[0], "MISSING", blocking=blocking)
    if other is None:
        return replace(bare, reason="no results of it: run the task")
    apart = {k: v for k, v in mismatches(one, other).items() if k not in (*config.allow, "metric")}
    if apart:
        told = "; ".join(f"{kind}: {values}" for kind, values in apart.items())
        advice = f"run the baseline again, or --allow {','.join(apart)}"
        return replace(bare, word="INCOMPARABLE", reason=f"{told}: {advice}")
    try:
        metric = shared_metrics(one, other)[0]
        known = baseline.noise.get("/".join((*one.where, metric)))
        noise = {metric: known} if known and one.mode == TRAINED else {}
        same, difference = _measured(one, other, metric, noise, resamples, level)
    except (IncomparableError, ResultError) as error:
        kind = error.kind if isinstance(error, IncomparableError) else "predictions"
        return replace(bare, word="INCOMPARABLE", reason=f"{kind}: {error}")
    return replace(
        bare,
        word="HELD" if same else "UNDERPOWERED",
        metric=metric,
        tolerance=config.tolerance(metric).of(difference.first),
        runs=(len(one.scores), len(other.scores)),
        difference=difference,
        reason="every answer is the same" if same else _seeds(one, difference),
    )


def _measured(
    one: Measurement,
    other: Measurement,
    metric: str,
    noise: Mapping[str, Noise],
    resamples: int,
    level: float,
) -> tuple[bool, Difference]:
    """Whether every answer is the same, and the difference."""
    if _unchanged(one, other):
        score = fmean(scores[metric] for scores in one.scores.values())
        return True, Difference(score, score, 0.0, one.n, one.clusters)
    runs = matched(one, other, [metric], resamples, level, noise)
    if runs.identical:
        return True, runs.no_difference(metric)
    return False, runs.difference([metric])


def _unchanged(blessed: Measurement, other: Measurement) -> bool:
    """Whether scores and files of predictions are still the same: then all that follows is."""
    if blessed.files and blessed.clusters and other.files and blessed.scores == other.scores:
        return blessed.files() == other.files()
    return False


def _seeds(measurement: Measurement, difference: Difference) -> str:
    if measurement.mode == TRAINED and difference.seeds is None:
        return "one run: what another seed would do is not known (more seeds, or gpteval noise)"
    return ""


def decided(verdicts: Sequence[Verdict], alpha: float) -> list[Verdict]:
    """The same with their words, all tasks' differences judged together."""
    places = [place for place, verdict in enumerate(verdicts) if verdict.difference]
    made = list(verdicts)
    family = [made[place] for place in places]
    beyond = [_difference(own).p_beyond(own.tolerance) for own in family]
    for place, p in zip(places, holm(beyond), strict=True):
        made[place] = _decided(made[place], p, alpha, len(places))
    return made


def _decided(verdict: Verdict, p: float, alpha: float, tasks: int) -> Verdict:
    difference, tolerance = _difference(verdict), verdict.tolerance
    word = verdict.word  # HELD, where every answer is the same
    if p <= alpha:
        word = "REGRESSED" if difference.value < 0 else "IMPROVED"
    elif abs(difference.value) <= tolerance:
        low, high = difference.interval(1 - alpha)
        word = "HELD" if -tolerance <= low and high <= tolerance else word
    return replace(verdict, word=word, adjusted=p, level=alpha / tasks)


def _explained(verdict: Verdict) -> Verdict:
    """The same with what stands in the way of a verdict, and what number would give one."""
    if verdict.word != "UNDERPOWERED":
        return verdict
    difference, tolerance = _difference(verdict), verdict.tolerance
    needed, seeds = difference.to_settle(verdict.level, tolerance), None
    if needed is None:
        runs = difference.runs_to_settle(verdict.level, tolerance, verdict.runs)
        seeds, needed = runs or (None, None)
    reasons = [verdict.reason, _direction(difference, tolerance)]
    if needed is None:
        on_it = "no number of examples would tell, for the difference is as large as the tolerance"
        reasons.append(on_it)
    reason = "; ".join(filter(None, reasons))
    return replace(verdict, reason=reason, needed=needed, seeds_needed=seeds)


def _direction(difference: Difference, tolerance: float) -> str:
    """What is known of the difference, where chance alone does not explain it."""
    low, high = difference.interval()
    if low <= 0 <= high:
        return ""
    size = "perhaps by less than the tolerance" if tolerance else "of several tasks, by chance"
    return f"{'lower' if high < 0 else 'higher'}, {size}"


def _difference(verdict: Verdict) -> Difference:
    assert verdict.difference is not None
    return verdict.difference


def exit_code(verdicts: Sequence[Verdict], *, strict: bool) -> int:
    """What a shell is told: 1 regressed, 4 not comparable, 3 cannot tell (strict), else 0."""
    codes = {verdict.code for verdict in verdicts if verdict.blocking}
    order = (WORSE, NO_PAIR, *((UNKNOWN,) if strict else ()))
    return next((code for code in order if code in codes), FINE)
