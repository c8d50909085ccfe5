"""Two sides compared: task by task, and the means of suites; reads files only.

Every score is taken from the answers, and held to the one on record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gpteval.errors import GptevalError, ResultError
from gpteval.plugins import registry
from gpteval.results.baseline import Noise
from gpteval.results.entrants import TRAINED
from gpteval.results.pairing import Answered, Measurement, Pair, mismatches, paired
from gpteval.score.difference import Difference, holm, mean_difference
from gpteval.score.mcnemar import LEVEL
from gpteval.score.paired import RESAMPLES, Paired
from gpteval.score.resampling import Answers
from gpteval.task import Suite, Task


class IncomparableError(GptevalError):
    """Two measurements that can't be held against each other.

    Attributes:
        kind: What differs, in one word.
    """

    def __init__(self, kind: str, reason: str) -> None:
        """`reason` says what differs, and what to do."""
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Row:
    """One task and metric of a comparison, or the mean of a suite.

    Attributes:
        task, split, metric: What was measured; a suite's name stands for the task's.
        first, second: What is compared; of a suite, one of its members' measurements.
        difference: Second less first.
        adjusted: Its p, corrected for the number of tasks; None for a further metric.
        mismatches: What differs beside the entrants: kind → both values.
        suite: Whether it is a suite's mean.
    """

    task: str
    split: str
    metric: str
    first: Measurement
    second: Measurement
    difference: Difference
    adjusted: float | None
    mismatches: Mapping[str, str] = field(default_factory=dict)
    suite: bool = False

    @property
    def seeds_unknown(self) -> bool:
        """Whether training's own noise is in the difference, and nobody knows how much."""
        trained = TRAINED in (self.first.mode, self.second.mode)
        return trained and self.difference.seeds is None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows, and what could not be compared.

    Attributes:
        rows: Task by task, the headline metric first; then the suites.
        unpaired: Measurements that have no counterpart: of the first side, of the second.
        refused: Task, split and reason of those that can't be compared, or of which several match.
    """

    rows: tuple[Row, ...]
    unpaired: tuple[Pair, ...]
    refused: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class _Match:
    first: Measurement
    second: Measurement
    metrics: tuple[str, ...]
    runs: Paired


def compare(
    first: Sequence[Measurement], second: Sequence[Measurement], *, resamples: int = RESAMPLES
) -> Comparison:
    """Compare two sides: what has a counterpart, by every metric of its task.

    Args:
        first: One side.
        second: The other.
        resamples: Of every task's examples.
    """
    matches: list[_Match] = []
    refused: list[tuple[str, str, str]] = []
    pairs = in_order(paired(first, second))
    level = (1 - LEVEL) / max(sum(None not in pair for pair in pairs), 1)
    for one, other in pairs:
        if one and other:
            try:
                metrics = shared_metrics(one, other)
                runs = matched(one, other, metrics, resamples, level)
                matches.append(_Match(one, other, metrics, runs))
            except (IncomparableError, ResultError) as error:
                refused.append((*one.where, str(error)))
    rows = [row for match in matches for row in _rows(match)]
    headlines = [place for place, row in enumerate(rows) if row.adjusted is not None]
    corrected = holm([rows[place].difference.p for place in headlines])
    for place, p in zip(headlines, corrected, strict=True):
        rows[place] = replace(rows[place], adjusted=p)
    unpaired = [pair for pair in pairs if None in pair]
    several = _several(unpaired)
    refused += [(*where, reason) for where, reason in several.items()]
    alone = tuple(pair for pair in unpaired if _where(pair) not in several)
    return Comparison((*rows, *_suites(matches)), alone, tuple(refused))


def _several(unpaired: Sequence[Pair]) -> dict[tuple[str, str], str]:
    """Task and split that both sides have, but one or both in several settings → how to choose."""
    told: dict[tuple[str, str], str] = {}
    for where in dict.fromkeys(map(_where, unpaired)):
        pairs = [pair for pair in unpaired if _where(pair) == where]
        sides = [[pair[place] for pair in pairs if pair[place]] for place in (0, 1)]
        if all(sides):
            told[where] = "; ".join(
                f"{len(side)} entrants or settings of the {name} side match"
                f"{': choose one with ' * bool(_choices(side))}{' or '.join(_choices(side))}"
                for name, side in zip(("first", "second"), sides, strict=True)
                if len(side) > 1
            )
    return told


def _choices(side: Sequence[Measurement | None]) -> list[str]:
    """What to add to a side's words for each of several measurements: best a word of its own.

    One of which another has all the words, and more, can't be chosen so.
    """
    words = [m.words for m in side if m]
    common, choices = set.intersection(*words), list[str]()
    for number, own in enumerate(words):
        others = [*words[:number], *words[number + 1 :]]
        unique = sorted(own.difference(*others), key=lambda word: ("=" in word, word))
        if not any(own <= other for other in others):
            choices.append("".join(f",{word}" for word in unique[:1] or sorted(own - common)))
    return choices


def _where(pair: Pair) -> tuple[str, str]:
    first, second = pair
    measurement = first or second
    assert measurement is not None  # a pair has one
    return measurement.where


def in_order(pairs: Iterable[Pair]) -> list[Pair]:
    """Pairs in the order in which their tasks are registered."""
    order = {name: place for place, name in enumerate(registry().tasks())}

    def place(pair: Pair) -> tuple[int, str, str]:
        task, split = _where(pair)
        return order.get(task, len(order)), task, split

    return sorted(pairs, key=place)


def matched(
    first: Measurement,
    second: Measurement,
    metrics: Sequence[str],
    resamples: int,
    level: float,
    noise: Mapping[str, Noise] | None = None,
) -> Paired:
    """The runs of two measurements, example by example.

    Args:
        first: One side.
        second: The other.
        metrics: Names of those to compare by, all on record for both.
        resamples: Of the examples.
        level: Which p has to be told from larger ones.
        noise: Metric → what is known beforehand of its seeds.

    Raises:
        IncomparableError: They were scored on different examples, or their answers don't give
            the scores on record.
    """
    task = installed(first)
    answers = joined(first.answered(), second.answered())
    runs = Paired(
        task,
        metrics,
        answers,
        len(first.scores),
        noise=noise or {},
        resamples=resamples,
        level=level,
    )
    recorded = [*first.scores.values(), *second.scores.values()]
    for name in metrics:
        for scores, measured in zip(recorded, runs.observed(name), strict=True):
            if abs(scores[name] - measured) > 1e-6:
                raise IncomparableError(
                    "score",
                    f"the answers give a {name} of {measured:.6g}, on record is "
                    f"{scores[name]:.6g}: see `gpteval results verify`",
                )
    return runs


def sound(measurement: Measurement) -> bool:
    """Whether its answers give the scores on record."""
    try:
        metrics = shared_metrics(measurement, measurement)
        matched(measurement, measurement, metrics, 0, 1 - LEVEL)
    except (IncomparableError, ResultError):
        return False
    return True


def installed(measurement: Measurement) -> Task:
    """The task that was measured.

    Raises:
        IncomparableError: No installed package has it.
    """
    task = registry().tasks().get(measurement.task)
    if task is None:
        raise IncomparableError("task", "no installed package offers this task: install it")
    return task


def shared_metrics(first: Measurement, second: Measurement) -> tuple[str, ...]:
    """The task's metrics that both sides have on record, the headline first.

    Raises:
        IncomparableError: The headline is not among them.
    """
    metrics = installed(first).metrics
    both = tuple(m for m in metrics if m in first.metrics and m in second.metrics)
    if both[:1] != metrics[:1]:
        raise IncomparableError(
            "metric", f"{metrics[0]} is not on record for both: see `gpteval rescore`"
        )
    return both


def joined(first: Answered, second: Answered) -> Answers:
    """The answers of both sides to the examples they share, which are all of them.

    Raises:
        IncomparableError: The examples, their gold labels or their clusters are not the same.
    """
    if first.examples != second.examples:
        raise IncomparableError("examples", _differing(first, second))
    known = first if first.ids else second
    if None in known.labels:
        raise IncomparableError("labels", "there are no gold labels to score by")
    return Answers(known.labels, known.clusters, [*first.given, *second.given])


def _differing(first: Answered, second: Answered) -> str:
    if not (first.ids and second.ids):
        return "the examples or their gold labels are not those of the baseline"
    here, there = (
        dict(zip(first.ids, first.labels, strict=True)),
        dict(zip(second.ids, second.labels, strict=True)),
    )
    if here.keys() != there.keys():
        return f"{len(here.keys() ^ there.keys())} examples were scored on one side alone"
    other = sum(here[name] != there[name] for name in here)
    return f"{other} gold labels differ" if other else "the clusters of the examples differ"


def _rows(match: _Match) -> list[Row]:
    one, other = match.first, match.second
    apart = mismatches(one, other)
    return [
        Row(*one.where, name, one, other, difference, None if place else difference.p, apart)
        for place, name in enumerate(match.metrics)
        for difference in [match.runs.difference([name])]
    ]


def averaged() -> list[Suite]:
    """Suites whose mean says something by itself."""
    return [suite for suite in registry().suites().values() if not suite.table]


def _suites(matches: Sequence[_Match]) -> list[Row]:
    """The means of every suite that both sides have whole, for each pair of entrants."""
    rows = []
    for suite in averaged():
        groups: dict[tuple[str, str, str], list[_Match]] = {}
        for match in matches:
            if set(suite.members.get(match.first.task, ("",))) <= set(match.metrics):
                half = match.first.split.partition("_")[0]
                groups.setdefault((match.first.entrant, match.second.entrant, half), []).append(
                    match
                )
        for (*_, split), group in groups.items():
            if {match.first.task for match in group} == set(suite.members):
                one, other = group[0].first, group[0].second
                mean = _suite_difference(suite, group)
                rows.append(Row(suite.name, split, "mean", one, other, mean, mean.p, suite=True))
    return rows


def _suite_difference(suite: Suite, group: Iterable[_Match]) -> Difference:
    """Mean over tasks, each the mean over its splits, each the mean over its metrics."""
    tasks: dict[str, list[Difference]] = {}
    for match in group:
        metrics = suite.members[match.first.task]
        tasks.setdefault(match.first.task, []).append(match.runs.difference(metrics))
    return mean_difference([mean_difference(own) for own in tasks.values()])
