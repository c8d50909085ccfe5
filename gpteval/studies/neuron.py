"""The sentiment neuron (Radford et al. 2017): what one unit of a frozen model knows of two labels.

The best unit and its threshold are learnt on the training split, as the head over all units is,
with an L1 penalty; both are ordinary probes on record. The unit is then shown at work: its values
by label, and token by token in texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpteval.encode.texts import texts_of
from gpteval.errors import ConfigError, ExampleError
from gpteval.methods.linear import execute
from gpteval.methods.outcome import Results
from gpteval.methods.probe import LACKS, MIX, Probe, ProbeModel, chosen_layers, load_frozen
from gpteval.methods.reading import Features
from gpteval.naming import ALL
from gpteval.plugins import registry
from gpteval.progress import Progress
from gpteval.records import Result
from gpteval.results.pairing import measurements
from gpteval.results.store import ResultStore
from gpteval.studies.compare import compare

if TYPE_CHECKING:
    from gpteval.data.rows import SplitRows
    from gpteval.methods.job import Job
    from gpteval.methods.neuron import Neuron
    from gpteval.methods.settings import ProbeConfig
    from gpteval.methods.unit import SplitName
    from gpteval.score.difference import Difference
    from gpteval.task import Example, Task

HEADS = ("l1", "neuron")
EXTREME = 3
"""Texts of the scored split that are shown from each end."""


@dataclass(frozen=True, slots=True)
class Told:
    """A text as the unit reads it.

    Attributes:
        tokens: What each adds to the text, and the unit's value there.
        value: Of the text, as the probe reads it: the mean over its tokens, or the last one's.
        answer: The label that the value stands for.
        gold: The right one; "" where nobody has said.
    """

    tokens: tuple[tuple[str, float], ...]
    value: float
    answer: str
    gold: str


@dataclass(frozen=True, slots=True)
class Portrait:
    """One unit, what it is worth beside all units, and what it does.

    Attributes:
        task, split: What was scored.
        state, layer: What is read of a text, and after how many layers; -1: the final states.
        unit, units: Its place among how many, from 0.
        threshold: Where its values are cut.
        labels: What a value up to the threshold stands for, and what one above it.
        trained: Accuracy on the training split, where unit and threshold were chosen.
        single, full: Results of the unit alone, and of the head over all units.
        difference: The head less the unit, on the same examples; None where they have no answer
            apart.
        values: Gold label and the unit's value, of every scored example.
        texts: Those given; then the scored ones with the lowest and with the highest values.
    """

    task: str
    split: str
    state: str
    layer: int
    unit: int
    units: int
    threshold: float
    labels: tuple[str, str]
    trained: float
    single: Result
    full: Result
    difference: Difference | None
    values: tuple[tuple[str, float], ...]
    texts: tuple[Told, ...]


def portrait(
    config: ProbeConfig, texts: Sequence[str], progress: Progress
) -> tuple[Portrait, Results]:
    """Fit both heads, where that is not done, and look at the unit.

    Args:
        config: One task of two labels, one layer; its head is not looked at.
        texts: To read with the unit, beside those of the task.
        progress: Told where the work stands.

    Returns:
        What was found, and the results of both heads.

    Raises:
        ConfigError: Tasks, layers or states that have no such unit, or a text without a token.
        GptevalError: Anything else the user can mend.
    """
    task = _task(config)
    frozen = load_frozen(config)
    (layers,) = chosen_layers(config.layer, frozen.layers)
    made: list[Features] = []

    def units(job: Job, rows: Mapping[SplitName, SplitRows], limit: int | None) -> list[Probe]:
        made.append(Features(frozen, layers, job, rows))
        _refuse_several(job.task, made[0].examples(job.task, "train"))
        return [Probe(layers, head, job, made[0], limit) for head in HEADS]

    results = execute(config, progress, units, lacks=LACKS)
    if not results:
        raise ConfigError(f"{task.name} has no rows here, and --skip-missing leaves it out")
    seen = _Seen(task, layers[0], made[0], results)
    return seen.portrait(texts, ResultStore(config.results_directory)), results


def _task(config: ProbeConfig) -> Task:
    """The one task.

    Raises:
        ConfigError: There are several, or it has not two labels, or no unit is read by itself.
    """
    tasks = registry().select(config.tasks)
    if len(tasks) != 1:
        raise ConfigError(f"--task names {len(tasks)} tasks, and a unit is of one: name it")
    if not tasks[0].binary:
        raise ConfigError(f"{tasks[0].name} has not two labels: name a task that has, as sst2")
    if config.layer in (MIX, ALL):
        raise ConfigError(f"--layer {config.layer}: a unit is of one layer: last, or its number")
    if config.head != "linear":
        raise ConfigError("a unit is beside a head of its own: leave out head")
    if config.state == "extract" or config.vectors is not None:
        raise ConfigError(
            "a unit is shown at a text's own tokens: --state mean or last, no vectors"
        )
    return tasks[0]


def _refuse_several(task: Task, examples: Sequence[Example]) -> None:
    if any(len(texts) > 1 for example in examples for texts in texts_of(task, example)):
        raise ConfigError(
            f"{task.name} is of two texts, and a unit is shown on one: name a task of one text"
        )


class _Seen:
    """The unit of a task whose heads are fitted."""

    def __init__(self, task: Task, layer: int, features: Features, results: Results) -> None:
        self.task, self.layer, self.features = task, layer, features
        self.results = results
        self.model = ProbeModel(features.job.task, (layer,), "neuron", features)
        self.model.fit(features.examples(features.job.task, "train"))
        self.neuron: Neuron = self.model.fitted  # type: ignore[assignment]

    def portrait(self, texts: Sequence[str], store: ResultStore) -> Portrait:
        """All that there is to say of it; `texts` are told first."""
        single, full = (self._last(head) for head in reversed(HEADS))
        examples = self.features.examples(self.task, single.split)
        columns = self.model.rows(self.task, examples, lambda count: None).columns
        values = [float(value) for value in columns[:, self.neuron.column]]
        labels = [str(example.label) for example in examples]
        rows = compare(*(measurements(store, [result]) for result in (single, full))).rows
        told = [self._told(text) for text in texts]
        return Portrait(
            task=self.task.name,
            split=single.split,
            state=self.features.frozen.state,
            layer=self.layer,
            unit=self.neuron.column,
            units=columns.shape[1],
            threshold=self.neuron.threshold,
            labels=self._sides,
            trained=self.neuron.accuracy,
            single=single,
            full=full,
            difference=rows[0].difference if rows else None,
            values=tuple(zip(labels, values, strict=True)),
            texts=(*told, *self._extremes(examples, values)),
        )

    def _last(self, head: str) -> Result:
        """The result of a head on the split that is scored last."""
        return [r for r in self.results if r.config["head"] == head][-1]

    @property
    def _sides(self) -> tuple[str, str]:
        first, second = (str(name) for name in self.neuron.classes)
        return (first, second) if self.neuron.sign > 0 else (second, first)

    def _extremes(self, examples: Sequence[Example], values: Sequence[float]) -> list[Told]:
        order = sorted(range(len(values)), key=values.__getitem__)
        ends = dict.fromkeys([*order[:EXTREME], *order[EXTREME:][-EXTREME:]])
        return [self._told(_text(self.task, examples[n]), str(examples[n].label)) for n in ends]

    def _told(self, text: str, gold: str = "") -> Told:
        """A text, read token by token.

        Raises:
            ConfigError: It has no token, or one that the model can't read.
        """
        try:
            parts, states = self.features.frozen.tokens_of(text, self.layer)
        except ExampleError as error:
            raise ConfigError(f"--text {text!r:.40}: {error}") from error
        values = [float(value) for value in states[:, self.neuron.column]]
        mean = self.features.frozen.state == "mean"
        value = sum(values) / len(values) if mean else values[-1]
        answer = self._sides[value > self.neuron.threshold]
        return Told(tuple(zip(parts, values, strict=True)), value, answer, gold)


def _text(task: Task, example: Example) -> str:
    (((_, text),),) = texts_of(task, example)
    return text
