"""Probes: what a model knows that is not trained any further, linear on its features.

Every text is read once; a linear head learns from the training split and answers the splits that
a fine-tuned model is scored on. What is finished is not fitted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gpteval.compute.memory import refuse_beyond
from gpteval.errors import ConfigError
from gpteval.files import digest
from gpteval.methods.identity import computed
from gpteval.methods.linear import Linear, execute
from gpteval.methods.linear_model import Done, choices, prediction, shares
from gpteval.methods.outcome import Results
from gpteval.methods.reading import Features
from gpteval.methods.settings import ProbeConfig, settled
from gpteval.methods.unit import Answers, circumstances, rounded
from gpteval.methods.word_vectors import VectorFile
from gpteval.naming import ALL
from gpteval.paths import user_path
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.records import Mode, Prediction
from gpteval.task import Example, Task

if TYPE_CHECKING:
    from gpteval.data.rows import SplitRows
    from gpteval.features.frozen import Frozen, Split
    from gpteval.methods.heads import Fitted, Path
    from gpteval.methods.job import Job
    from gpteval.methods.unit import SplitName

VERSION = 1
"""Raised whenever the numbers change; results depend on it."""
BYTES = 24
"""What a head takes for each number of its columns: them, scaled in fp64, and those of a fold."""
MIX, LAST = "mix", "last"
LACKS = "has no probe"


def score_probes(
    tasks: str | Task | Iterable[str | Task] = ALL,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> Results:
    """Fit linear heads on the states of a model that is not trained any further, and score them.

    Args:
        tasks: Names or groups, as a list or joined by commas; "all": every task with training rows.
        progress: Told where the work stands, and which splits are not there.
        settings: Fields of `ProbeConfig`: model, state, layer, head, vectors, data_dir,
            sample, limit, force, results, compute, predict.

    Returns:
        A result per task, layer and split, earlier finished ones among them; `left_out` names the
        tasks of a group that have none.

    Raises:
        GptevalError: Anything the user can mend; what is finished is saved.
    """
    config = settled(ProbeConfig, tasks, settings)
    results = probe(config, progress or Silent())
    registry().run_finished(results)
    return results


def probe(config: ProbeConfig, progress: Progress) -> Results:
    """Load the model, then read, fit and score task by task."""
    file = None if config.vectors is None else VectorFile.of(user_path(config.vectors))
    frozen = load_frozen(config)
    layers = chosen_layers(config.layer, frozen.layers)
    all_layers = tuple(dict.fromkeys(n for own in layers for n in own))

    def units(job: Job, rows: Mapping[SplitName, SplitRows], limit: int | None) -> Sequence[Linear]:
        if config.head != "linear" and not job.task.binary:
            progress.say(f"{job.task.name} {LACKS} of the head {config.head}: it is of two labels")
            return ()
        features = Features(frozen, all_layers, job, rows, file, progress)
        return [Probe(own, config.head, job, features, limit) for own in layers]

    return execute(config, progress, units, lacks=LACKS)


def load_frozen(config: ProbeConfig) -> Frozen:
    """The model and how it is read.

    Raises:
        GptevalError: There is no such model or device.
    """
    from gpteval.features.frozen import Frozen
    from gpteval.methods.session import Session

    session = Session(config)
    loaded = session.model(config.model_reference, frozen=True)
    return Frozen(loaded, session.machine, config.state)


def chosen_layers(asked: str, known: Sequence[int]) -> list[tuple[int, ...]]:
    """The layers of each probe: several of one are mixed.

    Args:
        asked: "last", "all" (a probe for each), "mix", or a number: states after so many layers.
        known: Those that the model tells; one alone: its final states.

    Raises:
        ConfigError: The model does not have it.
    """
    if asked == LAST:
        return [(known[-1],)]
    if len(known) == 1:
        raise ConfigError(
            f"--layer {asked}: this model tells its final states alone: leave out --layer"
        )
    if asked == MIX:
        return [tuple(known)]
    if asked == ALL:
        return [(layer,) for layer in known]
    if int(asked) not in known:
        raise ConfigError(f"--layer is 0 to {known[-1]}, last, all or mix, not {asked}")
    return [(int(asked),)]


class ProbeModel:
    """A linear head of one task over the states of a layer, or over a mix of layers."""

    def __init__(self, task: Task, layers: Sequence[int], head: str, features: Features) -> None:
        """Not fitted yet."""
        self.task, self.layers, self.head, self.features = task, layers, head, features

    def fit(self, examples: Sequence[Example], done: Done = lambda count: None) -> None:
        """Learn from the training split, all of it with a gold label; no other is looked at."""
        from gpteval.methods.heads import cross_validated

        rows = self.rows(self.task, examples, done)
        groups = [example.cluster or f"\n{example.id}" for example in examples]
        path, strengths = self.path
        fitted, losses = cross_validated(self.task.kind, path, rows, groups, strengths)
        self.fitted: Fitted = fitted
        self.losses = dict(zip(strengths, losses, strict=False))

    def predict(
        self, task: Task, examples: Sequence[Example], done: Done = lambda count: None
    ) -> list[Prediction]:
        """Answer examples of the task, or of one that is scored with its model.

        Scores of a choice are the softmax over its answers.
        """
        likely = self.fitted.likely(self.rows(task, examples, done))
        if task.kind == "regress":
            numbers = likely.clip(*task.scale)
            return [prediction(e, float(x), ()) for e, x in zip(examples, numbers, strict=True)]
        if task.kind == "choose":
            return choices(examples, likely)
        rows = (shares(task, self.fitted.classes, row) for row in likely)
        return [
            prediction(example, task.labels[max(range(len(row)), key=row.__getitem__)], row)
            for example, row in zip(examples, rows, strict=True)
        ]

    def rows(self, task: Task, examples: Sequence[Example], done: Done) -> Any:
        """What the head learns from or answers."""
        import numpy as np
        import torch

        from gpteval.features.composed import composed
        from gpteval.methods.heads import Columns
        from gpteval.methods.mix import Layers

        split = self.features.split(task, examples, self.layers, done)
        gold = [example.label for example in examples]
        self._refuse_too_large(split, len(examples))
        if len(self.layers) > 1:
            tables = (split.vectors(layer) for layer in self.layers)
            states = torch.stack([torch.from_numpy(np.array(table)) for table in tables])
            return Layers(states, split.layout, gold)
        columns = composed(split.vectors(self.layers[0]), split.layout)
        return Columns(columns, split.layout.rows, gold)

    def _refuse_too_large(self, split: Split, examples: int) -> None:
        """Before it is made, what a head needs of columns.

        Raises:
            TrainingError: It would take more memory than there is.
        """
        texts, width = split.shape
        sequences, blocks = len(split.layout.texts), 1 if split.layout.texts.shape[1] == 1 else 4
        numbers = sequences * blocks * width
        if len(self.layers) > 1:
            numbers += len(self.layers) * texts * width
        refuse_beyond(BYTES * numbers, f"a head over {examples:,} examples of {width} numbers")

    @property
    def path(self) -> tuple[Path, Sequence[float]]:
        """How the head learns, and the strengths that are tried."""
        from gpteval.methods import heads, mix, neuron

        kind = self.task.kind
        strengths = heads.RIDGE_STRENGTHS if kind == "regress" else heads.STRENGTHS
        if len(self.layers) > 1:
            return mix.mix_path(kind), strengths
        if self.head == "neuron":
            return neuron.neuron_path, (0.0,)
        if self.head == "l1":
            return heads.linear_path(kind, "l1"), heads.L1_STRENGTHS
        return heads.linear_path(kind), strengths

    @property
    def facts(self) -> Mapping[str, Any]:
        """What was chosen and learnt beside the weights, for the record."""
        layer = self.layers[0] if len(self.layers) == 1 else MIX
        settings = {"state": self.features.frozen.state, "layer": layer, "head": self.head}
        if self.features.file:
            settings["vectors"] = self.features.file.content
        return {"config": {**settings, **self.fitted.found}}


class Probe(Linear):
    """One probe, fitted on one training split: a unit."""

    mode: Mode = "probe"

    def __init__(
        self,
        layers: tuple[int, ...],
        head: str,
        job: Job,
        features: Features,
        limit: int | None,
    ) -> None:
        """`features` of the job's rows, which were read with `limit`."""
        self.layers, self.head, self.features = layers, head, features
        name = named(features, layers, head)
        super().__init__(name, job, features.rows, limit)

    @cached_property
    def digest(self) -> str:
        """Of the method and all that it computes with, whatever it is fitted on."""
        from gpteval.features.states import VERSION as READ

        frozen = self.features.frozen
        settings = computed(frozen.loaded, frozen.machine)
        if self.features.file:
            settings["vectors"] = self.features.file.content
        return digest({"name": self.name, "version": [VERSION, READ], **settings})

    def model(self, progress: Progress) -> ProbeModel:
        """What is fitted."""
        return ProbeModel(self.job.task, self.layers, self.head, self.features)

    def predict(self, progress: Progress) -> Answers:
        """Read, fit, and predict every scored split."""
        frozen = self.features.frozen
        tokens, seconds = frozen.tokens, frozen.seconds
        answers = super().predict(progress)
        self.seconds["read"] = frozen.seconds - seconds
        cost = {"evaluated_tokens": frozen.tokens - tokens}
        facts = {**answers.facts, "cost": cost, "seconds": rounded(self.seconds)}
        return Answers(answers.predictions, facts)

    def facts(self, task: Task, split: str) -> Mapping[str, Any]:
        """Settings, model and data."""
        frozen = self.features.frozen
        own = {"recipe": self.name, **circumstances(frozen.loaded, frozen.machine)}
        return {**super().facts(task, split), **own}

    def _examples(self, task: Task, split: str) -> Sequence[Example]:
        return self.features.examples(task, split)


def named(features: Features, layers: Sequence[int], head: str) -> str:
    """What stands as the recipe of a probe: "mean-4", "mean-mix", "mean-4-l1", "mean-4+glove"."""
    layer = MIX if len(layers) > 1 else LAST if layers[0] < 0 else str(layers[0])
    parts = [features.frozen.state, layer, *([head] if head != "linear" else [])]
    return "-".join(parts) + (f"+{features.file.name}" if features.file else "")
