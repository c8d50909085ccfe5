"""Zero-shot: one model, nothing fine-tuned, asked every task by likelihood (paper §5).

A task says what to ask (`Task.prompt`); a task without a sensible question is left out and named,
never given a number. What is finished is not scored again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gpteval.data.examples import prompts_of
from gpteval.errors import ConfigError
from gpteval.files import digest
from gpteval.methods.identity import computed, content, key
from gpteval.methods.job import length
from gpteval.methods.order import (
    Engine,
    Order,
    Sent,
    Shape,
    carried,
    refuse_unsendable,
    sent_config,
    sized,
)
from gpteval.methods.outcome import Asked, Results
from gpteval.methods.questions import Questions, asked_splits
from gpteval.methods.settings import ZeroshotConfig, settled
from gpteval.methods.unit import (
    Answers,
    Baselines,
    circumstances,
    complete,
    data_record,
    finished,
    rounded,
)
from gpteval.naming import ALL
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.records import Mode, Prediction, Result
from gpteval.task import Label, Prompt, Task

if TYPE_CHECKING:
    from gpteval.compute.cost import Work
    from gpteval.data.rows import SplitRows
    from gpteval.encode.prompts import EncodedPrompt
    from gpteval.methods.session import Session
    from gpteval.model import Loaded
    from gpteval.results.store import ResultStore

RECIPE = "zero-shot"


def score_zeroshot(
    tasks: str | Task | Iterable[str | Task] = ALL,
    *,
    progress: Progress | None = None,
    engine: Engine | None = None,
    **settings: Any,
) -> Results:
    """Score one model on the headline split of every task asked for, without fine-tuning.

    Args:
        tasks: Names or groups, as a list or joined by commas; "all": every task with a heuristic.
        progress: Told where the scoring stands.
        engine: Computes the units elsewhere, several at once; None: one after another, here.
        settings: Fields of `ZeroshotConfig`: model, data_dir, sample, limit, force, results,
            compute, untrained.

    Returns:
        A result per task, earlier finished ones among them; `left_out` names the tasks of a group
        whose data can't be used.

    Raises:
        GptevalError: Anything the user can mend, before the first task begins where possible.
    """
    told = progress or Silent()
    results = execute(settled(ZeroshotConfig, tasks, settings), told, engine=engine)
    registry().run_finished(results)
    return results


def execute(
    config: ZeroshotConfig,
    progress: Progress,
    tasks: Sequence[Task] | None = None,
    engine: Engine | None = None,
) -> Results:
    """Find the model, check every row, then score task by task.

    Args:
        config: What to score.
        progress: Told where the scoring stands.
        tasks: Those of the tasks asked for that are scored; None for all that can be.
        engine: Who computes the units; None: this process.
    """
    tasks = scorable(config.tasks)[0] if tasks is None else tasks
    if engine is not None:
        refuse_unsendable(config, tasks)
    # torch is imported from here on, when every name is known to be right.
    from gpteval.methods.session import Session
    from gpteval.results.store import ResultStore

    session = Session(config)
    loaded = session.model(config.model_reference)
    store = ResultStore(config.results_directory)
    asked = Asked(config.tasks, progress, skip_missing=config.skip_missing)
    store.prepare()
    units: list[Zeroshot] = []
    for task in tasks:
        with asked.attempt(task):
            unit = Zeroshot(task, loaded, config, session)
            if config.force or not finished(unit, store):
                unit.check()
            units.append(unit)
    asked.refuse_none(units)
    if engine is not None:
        return asked.results(carried(_sent(units, store), engine, store, asked, again=config.force))
    sizes = [sum(map(length, unit.rows.values())) for unit in units]
    results: list[Result] = []
    for number in range(1, len(sizes) + 1):
        progress.part(number, sizes)
        unit = units.pop(0)
        with asked.attempt(unit.task):
            results += complete(unit, store, progress, again=config.force)
        session.forget((unit.task.name, split) for split in unit.rows)
    asked.refuse_none(results)
    return asked.results(results)


def _sent(units: Sequence[Zeroshot], store: ResultStore) -> list[Sent]:
    """The units of a scoring as orders."""
    orders, shapes = list[Sent](), list[tuple[Shape, float]]()
    for unit in units:
        name, facts = unit.task.name, unit.facts(unit.task, unit.split)
        order = Order(name, unit.mode, sent_config(unit.config), {"task": name})
        orders.append(Sent(order, unit))
        where, data = facts["device"], facts["data"]
        shape = Shape(unit.mode, name, where, facts["parameters"], data.origin, data.limit, 0)
        shapes.append((shape, sum(map(length, unit.rows.values()))))
    return sized(orders, shapes, store)


def scorable(names: Sequence[str]) -> tuple[list[Task], list[str]]:
    """The tasks of these names that have a heuristic, and the names of the others.

    Args:
        names: Task names, package/names, groups, or "all".

    Raises:
        UnknownNameError: A name that nobody registered.
        ConfigError: None of them has a heuristic.
    """
    chosen = registry().select(names)
    able = [task for task in chosen if task.prompt is not None]
    if not able:
        known = [t.name for t in registry().tasks().values() if t.prompt is not None]
        raise ConfigError(
            f"no likelihood heuristic is known for {', '.join(t.name for t in chosen)}: "
            f"take some of {', '.join(known)}, or see `gpteval baselines --help`"
        )
    return able, [task.name for task in chosen if task not in able]


class Zeroshot:
    """One task, asked of one model: a unit."""

    mode: Mode = "zeroshot"
    world = None
    unfinished = None
    kept = True

    def __init__(
        self, task: Task, loaded: Loaded, config: ZeroshotConfig, session: Session
    ) -> None:
        """Nothing is encoded before it is asked for."""
        self.task, self.loaded, self.config = task, loaded, config
        self.session, self.machine = session, session.machine
        splits = asked_splits(task, session.origin)
        self.rows: Mapping[str, SplitRows] = {name: session.rows(task, name) for name in splits}
        self.split = splits[-1]
        self.seconds = {"load": session.loading(self.rows.values())}
        self.train_labels: Sequence[Label] = ()

    @property
    def scored(self) -> Sequence[tuple[Task, str]]:
        """The task's headline split."""
        return ((self.task, self.split),)

    def key(self, task: Task) -> str:
        """Digest of everything the scores depend on."""
        from gpteval.score.heuristics import VERSION

        settings = {"heuristics": VERSION, "untrained": self.config.untrained}
        settings |= computed(self.loaded, self.machine)
        return key(self.mode, task, None, self._contents, settings)

    @cached_property
    def _contents(self) -> Mapping[str, str]:
        return {split: content(prompts) for split, prompts in self.prompts.items()}

    @cached_property
    def prompts(self) -> Mapping[str, list[Prompt]]:
        """Of every split that is asked, in file order."""
        return {split: prompts_of(self.task, rows) for split, rows in self.rows.items()}

    def check(self) -> None:
        """Find out whether every prompt can be read by the model.

        Raises:
            DataError: One that can't be, with task, split, file and line.
        """
        self._questions()  # not kept: other tasks come before it

    def _questions(self) -> Questions:
        """The prompts as the model reads them."""
        began = time.perf_counter()
        tokenizer, context = self.loaded.tokenizer, self.loaded.model.context
        questions = Questions(self.task, self.rows, self.prompts, self.split, tokenizer, context)
        self.seconds["encode"] = time.perf_counter() - began
        return questions

    def predict(self, progress: Progress) -> Answers:
        """Ask the model, and what stands beside it."""
        from gpteval.compute.cost import Work

        model, questions = self.loaded.model, self._questions()
        self.train_labels = questions.train_labels
        self._tell_alike(questions.trees[self.split].prompts, progress)
        began, read = time.perf_counter(), Work()
        predictions, settings = questions.answers(model, self.machine, progress, read)
        self.seconds["evaluate"] = time.perf_counter() - began
        cost = self._cost(read, questions.scored_tokens)  # before the untrained model is there
        began = time.perf_counter()
        baselines = self._baselines(questions, predictions, progress)
        self.seconds["baselines"] = time.perf_counter() - began
        facts = {
            "config": {"rule": self.task.rule, **settings},
            "seconds": rounded(self.seconds),
            "cost": cost,
        }
        name = (self.task.name, self.split)
        return Answers({name: predictions}, facts, {name: baselines})

    def scores(self, task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
        """The task's metrics, and the headline's variants."""
        from gpteval.score.heuristics import scores_of

        return scores_of(task, predictions)

    def facts(self, task: Task, split: str) -> Mapping[str, Any]:
        """Data and model."""
        scored, train = self.rows[split], self.rows.get("train")
        return {
            "recipe": RECIPE,
            "changed": {},
            "seed": 0,
            "data": data_record(scored, train, self._digest, self.config.limit),
            **circumstances(self.loaded, self.machine),
        }

    def _baselines(
        self, questions: Questions, predictions: Sequence[Prediction], progress: Progress
    ) -> Baselines:
        """The untrained model, and for reading tests the sliding window."""
        from gpteval.score.heuristics import scores_of
        from gpteval.score.metrics import score
        from gpteval.score.sliding_window import sliding_window

        prompts, baselines = questions.prompts[self.split], Baselines()
        model = self.session.untrained(self.loaded) if self.config.untrained else None
        if model is not None:
            guesses, _ = questions.answers(model, self.machine, progress, note=" · untrained")
            baselines["untrained"] = scores_of(self.task, guesses)
        if self.task.kind == "choose" and all(prompt.passage for prompt in prompts):
            pairs = zip(predictions, prompts, strict=True)
            windows = [replace(p, prediction=sliding_window(prompt)) for p, prompt in pairs]
            baselines["sliding_window"] = score(self.task, windows)
        return baselines

    def _cost(self, read: Work, scored: int) -> dict[str, float]:
        """What scoring the model took, its untrained shape not counted."""
        from gpteval.compute.cost import forward_flops

        return {
            "evaluated_tokens": read.tokens,
            "evaluated_tokens_read": read.tokens_read,
            "scored": scored,
            "evaluate_flops": forward_flops(self.loaded.model, read.tokens, read.keys, scored),
            "peak_memory_bytes": self.session.peak_memory,
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
