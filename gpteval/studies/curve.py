"""Zero-shot scores along a pre-training (paper, figure 2 right).

Every checkpoint of a run is scored without fine-tuning. A score is normalised: 0 is a random guess,
1 the best result before GPT-1. The samples are easier than the sets those results were measured on:
there 1 is a perfect score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gpteval.errors import ConfigError
from gpteval.methods.settings import ZeroshotConfig
from gpteval.methods.zeroshot import execute, scorable
from gpteval.paths import PathLike, folders, user_path
from gpteval.plugins import registry
from gpteval.progress import Progress
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.records import Result

SNAPSHOTS = "checkpoints"
"""Where `gpteval pretrain --snapshots` puts them, below its output directory."""


class Checkpoint(NamedTuple):
    """A model saved along a pre-training: updates made, tokens trained on, where it lies."""

    update: int
    tokens: int
    path: Path


@dataclass(frozen=True, slots=True)
class Point:
    """One task's score at one checkpoint.

    Attributes:
        run: The directory asked for.
        checkpoint, update, tokens: The model.
        task, metric, split, n, complete: What was scored, on how many examples, and whether those
            are all.
        score, interval: Fraction (Matthews' correlation from -1) and its 95 % interval.
        guess: Score of a random guess, normalised to 0.
        best, of: Score normalised to 1, and whose it is.
        normalised, normalised_interval: Where score and interval lie between the two.
        key: Of the result, in the store.
    """

    run: str
    checkpoint: str
    update: int
    tokens: int
    task: str
    metric: str
    split: str
    n: int
    complete: bool
    score: float
    interval: tuple[float, float] | None
    guess: float
    best: float
    of: str
    normalised: float
    normalised_interval: tuple[float, float] | None
    key: str


def points(
    runs: Sequence[PathLike], config: ZeroshotConfig, progress: Progress
) -> tuple[list[Point], dict[str, str]]:
    """Score every checkpoint of every run; what is finished is not scored again.

    Args:
        runs: Directories of checkpoints, or of `gpteval pretrain --output` with some kept.
        config: Tasks, rows, and the store; its model is replaced by each checkpoint.
        progress: Told where it stands.

    Returns:
        The points, run by run; and the tasks of a group whose data can't be used → reason.

    Raises:
        GptevalError: Anything the user can mend, before the first is scored where possible.
    """
    scored, left_out = list[Point](), dict[str, str]()
    tasks = normalisable(config)
    places = map(user_path, runs)
    pairs = [(str(run), checkpoint) for run in places for checkpoint in checkpoints(run)]
    for number, (run, checkpoint) in enumerate(pairs, start=1):
        progress.say(f"{checkpoint.path} ({number} of {len(pairs)})")
        model = replace(config, model=str(checkpoint.path), untrained=False)
        results = execute(model, progress, tasks)
        scored += [_point(run, checkpoint, result) for result in results]
        left_out |= results.left_out
    return scored, left_out


def normalisable(config: ZeroshotConfig) -> list[Task]:
    """The tasks asked for that have a heuristic and a score to be normalised to 1.

    Raises:
        ConfigError: There is none.
    """
    able, _ = scorable(config.tasks)
    guessed = [task for task in able if registry().metric(task.metrics[0]).chance]
    tasks = [task for task in guessed if config.sample or best_before(task) is not None]
    if not tasks:
        raise ConfigError(
            f"no result from before GPT-1 is known for {', '.join(t.name for t in able)}, so there "
            "is nothing to normalise by: take other tasks"
        )
    return tasks


def best_before(task: Task) -> float | None:
    """The best earlier result by the task's headline metric, as a fraction, if one is known."""
    known = [
        round(score.best_before / 100, 6)
        for score in task.paper
        if score.metric == task.metrics[0] and score.best_before is not None
        if not score.data
    ]
    return known[0] if known else None


def checkpoints(run: Path) -> list[Checkpoint]:
    """Checkpoints in a directory, by update.

    Raises:
        ConfigError: There are none, or two of one update.
    """
    directory = run / SNAPSHOTS if (run / SNAPSHOTS).is_dir() else run
    checkpoints = sorted(
        checkpoint for p in folders(directory) if (checkpoint := _checkpoint(p)) is not None
    )
    if not checkpoints:
        raise ConfigError(
            f"no checkpoints of a pre-training in {directory}: make some with "
            "`gpteval pretrain BOOKS --output OUTPUT --snapshots 10`, then name OUTPUT"
        )
    for first, second in pairwise(checkpoints):
        if first.update == second.update:
            raise ConfigError(
                f"{first.path} and {second.path} are both of update {first.update}: keep the "
                "checkpoints of one run in a directory"
            )
    return checkpoints


def _checkpoint(folder: Path) -> Checkpoint | None:
    """None where it is no checkpoint of a pre-training."""
    from gpteval.weights.checkpoint import CONFIG, read_config

    if not (folder / CONFIG).is_file():
        return None
    made = read_config(folder).get("pretraining")
    if not isinstance(made, dict) or not isinstance(made.get("update"), int):
        return None
    return Checkpoint(made["update"], int(made.get("tokens", 0)), folder)


def _point(run: str, checkpoint: Checkpoint, result: Result) -> Point:
    task = registry().tasks()[result.task]
    metric = task.metrics[0]
    sample = result.data.origin == "sample"
    earlier = None if sample else best_before(task)
    guess, best = result.baselines["random"][metric], 1.0 if earlier is None else earlier

    def normalised(score: float) -> float:
        return round((score - guess) / (best - guess), 6)

    bounds = result.interval
    return Point(
        run=run,
        checkpoint=str(checkpoint.path),
        update=checkpoint.update,
        tokens=checkpoint.tokens,
        task=task.name,
        metric=metric,
        split=result.split,
        n=result.n,
        complete=result.data.complete,
        score=result.scores[metric],
        interval=bounds,
        guess=guess,
        best=best,
        of="a perfect score" if earlier is None else "the best before GPT-1",
        normalised=normalised(result.scores[metric]),
        normalised_interval=bounds and (normalised(bounds[0]), normalised(bounds[1])),
        key=result.key,
    )
