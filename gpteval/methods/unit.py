"""One unit of work: one measurement of one model, made once, scored and written in one place.

Fine-tuning, zero-shot scoring and linear baselines are three ways to make predictions; what comes
before (is it finished?) and after (scores, baselines, the record) is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gpteval.files import digest, remove_partial
from gpteval.methods.identity import NUMBERS
from gpteval.plugins import registry
from gpteval.progress import Progress
from gpteval.records import DataRecord, Mode, Prediction, Result
from gpteval.results import provenance
from gpteval.task import Label, Task

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.compute.distributed import World
    from gpteval.data.rows import SplitRows
    from gpteval.model import Loaded
    from gpteval.results.store import ResultStore

BASELINE = "baseline"
"""What stands as the recipe of a result without a language model."""

SplitName = tuple[str, str]
"""Task name and split."""

Baselines = dict[str, dict[str, float]]
"""Baseline → metric → fraction."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a unit predicted.

    Attributes:
        predictions: Of every scored split, in file order.
        facts: Fields of the results that are known only now: seconds, cost, config and the like.
        baselines: Further baselines of the scored splits, beside majority and random.
    """

    predictions: Mapping[SplitName, list[Prediction]]
    facts: Mapping[str, Any]
    baselines: Mapping[SplitName, Baselines] = field(default_factory=dict)


class Unit(Protocol):
    """One measurement: everything it depends on is in its keys."""

    mode: Mode

    @property
    def world(self) -> World | None:
        """The processes that make it together, each calling `complete`; None: this one alone."""

    @property
    def scored(self) -> Sequence[tuple[Task, str]]:
        """Tasks and splits it predicts, a task's headline split last.

        What has no labels is predicted and not scored.
        """

    @property
    def train_labels(self) -> Sequence[Label]:
        """Gold labels it may learn from: the majority baseline is their best constant."""

    @property
    def unfinished(self) -> Path | None:
        """Where its state is saved until its results are; None where it saves none."""

    @property
    def kept(self) -> bool:
        """Whether all else that it is asked to leave beside results is there."""

    def key(self, task: Task) -> str:
        """Digest of everything the scores of one of its tasks depend on."""

    def predict(self, progress: Progress) -> Answers:
        """Do the work; in every process of its world."""

    def scores(self, task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Metric → fraction of one split's predictions."""

    def facts(self, task: Task, split: str) -> Mapping[str, Any]:
        """Fields of a result that are known beforehand: model, recipe, data and the like."""


def complete(
    unit: Unit, store: ResultStore, progress: Progress, *, again: bool = False
) -> list[Result]:
    """The results of exactly this unit that are in the store; else those it makes now.

    With `again` it makes them whatever is there; the earlier ones stand until they are replaced.

    Of several processes of a world the first one decides, and the others return none; of several
    commands that come to the same unit one makes it, and the others wait for its results.
    """
    world = unit.world
    first = world is None or world.first
    if not first:
        return _made(unit, store, progress, first=False, again=again)
    (task, _), *_ = unit.scored
    busy = f"{task.name}: another process is at it; waiting for its results"
    with store.claimed(unit.key(task), lambda: progress.say(busy)):
        return _made(unit, store, progress, first=True, again=again)


def _made(
    unit: Unit, store: ResultStore, progress: Progress, *, first: bool, again: bool
) -> list[Result]:
    world = unit.world
    earlier = finished(unit, store) if first else []
    done = bool(earlier) and unit.kept and not again
    if again:
        _forget(unit, first)  # before the others look for a state to resume from
    if world.sums(done)[0] if world else done:
        _forget(unit, first)  # a kill may have come just before
        return earlier
    if earlier and not again:
        progress.say(f"{earlier[0].task}: finished before, but not all of it is there: made again")
    provenance.commit()  # of the code that computes: the checkout may move on meanwhile
    answers = unit.predict(progress)
    if not first:
        return []
    results = [_result(unit, store, answers, task, split) for task, split in unit.scored]
    known = _known(unit, store)
    store.put([(known.get((result.task, result.split)), result) for result in results])
    _forget(unit, first)
    return results


def finished(unit: Unit, store: ResultStore) -> list[Result]:
    """Earlier results of exactly this unit; empty unless every scored split has one."""
    earlier = _known(unit, store)
    wanted = [(task.name, split) for task, split in unit.scored]
    return [earlier[name] for name in wanted] if all(name in earlier for name in wanted) else []


def _known(unit: Unit, store: ResultStore) -> dict[SplitName, Result]:
    """Earlier results of exactly this unit, by split."""
    keys = dict.fromkeys(unit.key(task) for task, _ in unit.scored)
    return {(r.task, r.split): r for key in keys for r in store.finished(key)}


def _forget(unit: Unit, first: bool) -> None:
    """Let go of the saved state of a unit whose results are safe."""
    if first and unit.unfinished:
        unit.unfinished.unlink(missing_ok=True)
        remove_partial(unit.unfinished.parent, unit.unfinished.name)


def _result(unit: Unit, store: ResultStore, answers: Answers, task: Task, split: str) -> Result:
    """Write the predictions of one split, and account for them."""
    from gpteval.score.gate import check

    name = (task.name, split)
    predictions, key = answers.predictions[name], unit.key(task)
    check(task, split, predictions)
    fields = {**unit.facts(task, split), **answers.facts}
    return Result(
        key=key,
        task=task.name,
        version=task.version,
        mode=unit.mode,
        split=split,
        n=len(predictions),
        degenerate=len({p.prediction for p in predictions}) == 1,
        predictions=store.write_predictions(key, task.name, split, predictions),
        versions={**provenance.versions(), "numbers": str(NUMBERS)},
        plugins=registry().versions(),
        commit=provenance.commit(),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        **_scored(unit, task, predictions, answers.baselines.get(name, {})),
        **fields,
    )


def _scored(
    unit: Unit, task: Task, predictions: Sequence[Prediction], beside: Baselines
) -> dict[str, Any]:
    """Scores, interval and baselines; none where the labels are private."""
    from gpteval.score.chance import baselines
    from gpteval.score.statistics import interval

    if all(p.label is None for p in predictions):
        return {"scores": {}, "interval": None, "baselines": {}}
    return {
        "scores": unit.scores(task, predictions),
        "interval": interval(task, predictions),
        "baselines": baselines(task, unit.train_labels, predictions) | beside,
    }


def rows_digest(splits: Mapping[str, SplitRows]) -> str:
    """Digest of the rows of splits by name, but for those that decide no score."""
    return digest({name: rows.digest for name, rows in splits.items() if not rows.private})


def data_record(
    scored: SplitRows, train: SplitRows | None, digest: str, limit: int | None
) -> DataRecord:
    """What a score was measured on: the rows scored and those trained on, if any."""
    return DataRecord(
        origin=scored.origin.kind,
        digest=digest,
        rows=len(scored.rows),
        official=scored.official,
        complete=scored.complete and (train is None or train.complete),
        train_rows=len(train.rows) if train else 0,
        train_official=train.official if train else 0,
        left_out=scored.left_out,
        limit=limit or 0,
    )


def circumstances(loaded: Loaded, machine: Machine) -> dict[str, Any]:
    """Fields of every result of a language model: which one, and where it computed."""
    return {
        "model": loaded.reference,
        "model_digest": loaded.digest,
        "parameters": sum(p.numel() for p in loaded.model.parameters()),
        "device": machine.device.type,
        "precision": machine.precision,
    }


def without_model(name: str, identity: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of every result of a baseline that has no language model: which one, how it is set."""
    return {
        "recipe": BASELINE,
        "config": dict(config),
        "changed": {},
        "seed": 0,
        "model": name,
        "model_digest": identity,
        "device": "cpu",
        "precision": "fp64",
        "cost": {},
    }


def rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds by phase, as they are put on record."""
    return {phase: round(spent, 3) for phase, spent in seconds.items()}
