"""Zero-shot: one model, nothing fine-tuned, asked every task by likelihood (paper §5).

A task says what to ask (`Task.prompt`); a task without a sensible question is left out and named,
never given a number. What is finished is not scored again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gpteval.config import ZeroshotConfig, task_names
from gpteval.errors import ConfigError
from gpteval.files import digest
from gpteval.methods.asked import Asked, paths_of
from gpteval.methods.job import circumstances
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.records import DataRecord, Prediction, Result
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.compute.cost import Work
    from gpteval.compute.device import Machine
    from gpteval.data.rows import Origin, SplitRows
    from gpteval.encode.prompts import EncodedPrompt
    from gpteval.model import Loaded, Model
    from gpteval.results.store import ResultStore

ALL = "all"
RECIPE = "zero-shot"


def score_zeroshot(
    tasks: str | Iterable[str] = ALL, *, progress: Progress | None = None, **settings: Any
) -> list[Result]:
    """Score one model on the headline split of every task asked for, without fine-tuning.

    Args:
        tasks: Names or groups, as a list or joined by commas; "all": every task with a heuristic.
        progress: Told where the scoring stands.
        settings: Fields of `ZeroshotConfig`: model, data_dir, sample, limit, results, compute,
            untrained.

    Returns:
        A result per task, earlier finished ones among them.

    Raises:
        GptevalError: Anything the user can mend, before the first task begins where possible.
    """
    return execute(ZeroshotConfig(tasks=task_names(tasks), **settings), progress or Silent())


def execute(config: ZeroshotConfig, progress: Progress) -> list[Result]:
    """Find the model, check every row, then score task by task."""
    tasks, _ = scorable(config.tasks)
    # torch is imported from here on, when every name is known to be right.
    from gpteval.compute.device import resolve
    from gpteval.data.rows import origin
    from gpteval.results.store import ResultStore
    from gpteval.weights.load import load_model

    machine = resolve(config.compute)
    began = time.perf_counter()
    loaded = load_model(config.model_reference)
    rows_from = origin(config.data_dir, config.sample)
    rows = {task.name: read(task, rows_from, config.limit) for task in tasks}
    loading = time.perf_counter() - began
    store = ResultStore(config.results_directory)
    results: list[Result] = []
    for task in tasks:
        scoring = Scoring(task, rows[task.name], loaded, config, machine)
        scoring.seconds["load"] = loading
        results += store.finished(scoring.key) or scoring.execute(store, progress)
    registry().run_finished(results)
    return results


def scorable(names: Sequence[str]) -> tuple[list[Task], list[str]]:
    """The tasks of these names that have a heuristic, and the names of the others.

    Args:
        names: Task names, package/names, groups, or "all": every task there is.

    Raises:
        UnknownNameError: A name that nobody registered.
        ConfigError: None of them has a heuristic.
    """
    every = list(registry().tasks().values())
    chosen = every if ALL in names else registry().select(names)
    able = [task for task in chosen if task.prompt is not None]
    if not able:
        known = [t.name for t in every if t.prompt is not None]
        raise ConfigError(
            f"no likelihood heuristic is known for {', '.join(t.name for t in chosen)}: "
            f"take some of {', '.join(known)}, or see `gpteval baselines --help`"
        )
    return able, [task.name for task in chosen if task not in able]


def read(task: Task, rows_from: Origin, limit: int | None) -> dict[str, SplitRows]:
    """Rows of the headline split, and before it of the training split where a threshold is fitted.

    Raises:
        DataError: A split that is not there, or a row that can't be read.
    """
    from gpteval.data.rows import load_split, scored_splits

    wanted = ("train",) if task.rule == "threshold" else ()
    headline = scored_splits(task, rows_from)[-1]
    return {split: load_split(task, split, rows_from, limit) for split in (*wanted, headline)}


class Scoring:
    """One task, scored with one model."""

    def __init__(
        self,
        task: Task,
        rows: Mapping[str, SplitRows],
        loaded: Loaded,
        config: ZeroshotConfig,
        machine: Machine,
    ) -> None:
        """`rows` as `read` gives them: the last split is the scored one."""
        self.task, self.rows, self.loaded = task, rows, loaded
        self.config, self.machine = config, machine
        self.split = list(rows)[-1]
        self.seconds: dict[str, float] = {}

    @property
    def key(self) -> str:
        """Digest of everything the scores depend on."""
        from gpteval.score.heuristics import VERSION

        return digest(
            {
                "mode": "zeroshot",
                "task": [self.task.name, self.task.version, VERSION],
                "model": self.loaded.digest,
                "rows": self._digest,
                "precision": self.machine.precision,
                "untrained": self.config.untrained,
            }
        )

    def execute(self, store: ResultStore, progress: Progress) -> list[Result]:
        """Score, and put the result on disk."""
        from gpteval.compute.cost import Work

        began = time.perf_counter()
        model = self.loaded.model
        asked = Asked(self.task, self.rows, self.loaded.tokenizer, model.context)
        self._tell_alike(asked.encoded[self.split], progress)
        self.seconds["encode"] = time.perf_counter() - began
        began = time.perf_counter()
        read = Work()
        predictions, settings = asked.answers(model, self.machine, progress, read)
        self.seconds["evaluate"] = time.perf_counter() - began
        began = time.perf_counter()
        baselines = self._baselines(asked, predictions, progress)
        self.seconds["baselines"] = time.perf_counter() - began
        path = store.write_predictions(self.key, self.task.name, self.split, predictions)
        record = {
            "config": {"rule": self.task.rule, **settings},
            "baselines": baselines,
            "predictions": path,
            "seconds": {phase: round(spent, 3) for phase, spent in self.seconds.items()},
            "cost": self._cost(read, asked.encoded),
        }
        results = [self._result(predictions, record)]
        store.append(results)
        return results

    def _baselines(
        self, asked: Asked, predictions: Sequence[Prediction], progress: Progress
    ) -> dict[str, dict[str, float]]:
        """Majority, random, the untrained model, and for reading tests the sliding window."""
        from gpteval.score.chance import baselines
        from gpteval.score.heuristics import scores_of
        from gpteval.score.metrics import score
        from gpteval.score.sliding_window import sliding_window

        prompts = asked.prompts[self.split]
        found = baselines(self.task, asked.train_labels, predictions)
        model = untrained(self.loaded) if self.config.untrained else None
        if model is not None:
            guesses, _ = asked.answers(model, self.machine, progress, note=" · untrained")
            found["untrained"] = scores_of(self.task, guesses)
        if self.task.kind == "choose" and all(prompt.passage for prompt in prompts):
            pairs = zip(predictions, prompts, strict=True)
            windows = [replace(p, prediction=sliding_window(prompt)) for p, prompt in pairs]
            found["sliding_window"] = score(self.task, windows)
        return found

    def _cost(self, read: Work, encoded: Mapping[str, Sequence[EncodedPrompt]]) -> dict[str, float]:
        """What scoring the model took, its untrained shape not counted."""
        from gpteval.compute.cost import forward_flops, peak_memory

        paths = [path for prompts in encoded.values() for path in paths_of(prompts)]
        scored = sum(len(path.tokens) - path.begin for path in paths)
        return {
            "evaluated_tokens": read.tokens,
            "evaluated_tokens_read": read.tokens_read,
            "scored": scored,
            "evaluate_flops": forward_flops(self.loaded.model, read.tokens, read.keys, scored),
            "peak_memory_bytes": peak_memory(self.machine.device),
        }

    def _tell_alike(self, encoded: Sequence[EncodedPrompt], progress: Progress) -> None:
        """Official sets have such rows (RACE's test three): they count, and are named."""
        alike = [prompt.id for prompt in encoded if prompt.alike]
        if alike:
            more = f" (and {len(alike) - 1} more)" if len(alike) > 1 else ""
            progress.say(
                f"{self.task.name} {self.split}: example {alike[0]} has two candidates that are "
                f"the same to this model{more}; of equals the first is chosen"
            )

    @property
    def _digest(self) -> str:
        return digest({split: rows.digest for split, rows in self.rows.items()})

    def _data(self) -> DataRecord:
        scored, train = self.rows[self.split], self.rows.get("train")
        return DataRecord(
            origin=scored.origin.kind,
            digest=self._digest,
            rows=len(scored.rows),
            official=scored.official,
            complete=all(rows.complete for rows in self.rows.values()),
            train_rows=len(train.rows) if train else 0,
            train_official=train.official if train else 0,
            left_out=scored.left_out,
            limit=self.config.limit or 0,
        )

    def _result(self, predictions: list[Prediction], record: Mapping[str, Any]) -> Result:
        from gpteval.score.heuristics import scores_of
        from gpteval.score.statistics import interval

        return Result(
            key=self.key,
            task=self.task.name,
            version=self.task.version,
            mode="zeroshot",
            split=self.split,
            n=len(predictions),
            scores=scores_of(self.task, predictions),
            interval=interval(self.task, predictions),
            recipe=RECIPE,
            changed={},
            seed=0,
            data=self._data(),
            degenerate=len({p.prediction for p in predictions}) == 1,
            **circumstances(self.loaded, self.machine),
            **record,
        )


def untrained(loaded: Loaded) -> Model | None:
    """A model of the same shape with random weights; None where its family can't build one."""
    import torch

    family = registry().models().get(str(loaded.details.get("family")))
    if family is None or family.build is None:
        return None
    torch.manual_seed(0)
    return family.build(loaded.model.config())
