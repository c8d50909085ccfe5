"""Rows answered by a fine-tuned model that was kept: `load_finetuned`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpteval.compute.device import Machine, resolve
from gpteval.config import Compute
from gpteval.data.given import given_examples, given_rows, located_in, read_given
from gpteval.encode.examples import Specials, encode_examples
from gpteval.paths import PathLike, user_path
from gpteval.train.finetuned import HEAD, MODEL, read_facts
from gpteval.train.head import TaskModel
from gpteval.train.predict import predict
from gpteval.weights.checkpoint import load_weights, read_tensors
from gpteval.weights.load import load_as

if TYPE_CHECKING:
    from gpteval.data.raw import RawRow
    from gpteval.model import Tokenizer
    from gpteval.progress import Progress
    from gpteval.records import Prediction
    from gpteval.task import Example, Task
    from gpteval.train.finetuned import Facts


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one row.

    Attributes:
        id: The row's place among those given, from 0.
        prediction: A label's name (classify), a number (regress), or the place of an answer among
            the row's own, from 0 (choose).
        text: The answer that is chosen (choose).
        probabilities: Of the labels by name, or of the row's answers by place; none of a number.
    """

    id: str
    prediction: str | int | float
    text: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)


class Finetuned:
    """A fine-tuned model, ready to answer rows.

    Attributes:
        task: What it was trained on.
        facts: What its directory says of it.
    """

    def __init__(
        self, facts: Facts, model: TaskModel, tokenizer: Tokenizer, machine: Machine
    ) -> None:
        """As `load_finetuned` makes it; the model is moved to the machine's device."""
        self.facts, self.task = facts, model.task
        self._model, self._tokenizer = model.to(machine.device), tokenizer
        self._machine = machine

    def predict(
        self, rows: Iterable[Mapping[str, Any]], *, progress: Progress | None = None
    ) -> list[Answer]:
        """Answer rows.

        Args:
            rows: Mappings with the task's columns (`task.source.columns`), as text.
            progress: Told of every row.

        Raises:
            DataError: A row that lacks a column, or that the model can't read; with its number.
        """
        return self._answers(given_rows(self.task, rows), progress)

    def predict_file(self, path: PathLike, *, progress: Progress | None = None) -> list[Answer]:
        """Answer the rows of a CSV, TSV, JSONL or parquet file with the task's columns.

        Raises:
            ConfigError: The file's name has none of these endings.
            DataError: A row that can't be read, with file:line.
        """
        return self._answers(read_given(self.task, user_path(path)), progress)

    def _answers(self, raws: Sequence[RawRow], progress: Progress | None) -> list[Answer]:
        examples = given_examples(self.task, raws)
        with located_in(raws):
            encoded = encode_examples(
                examples,
                None,
                self._tokenizer,
                self._model.specials,
                self._model.model.context,
                share=self.facts.shared,
            )
        predictions = predict(
            self._model,
            self.task,
            examples,
            encoded,
            autocast=self._machine.autocast,
            title=self.task.name,
            progress=progress,
        )
        return [self._answer(*pair) for pair in zip(examples, predictions, strict=True)]

    def _answer(self, example: Example, prediction: Prediction) -> Answer:
        chosen, text = prediction.prediction, ""
        names: Sequence[str] = self.task.labels
        if self.task.kind == "choose":
            names = [str(place) for place in range(len(example.sequences))]
            text = example.sequences[int(chosen)][-1]
        likely = dict(zip(names, prediction.scores, strict=bool(prediction.scores)))
        return Answer(example.id, chosen, text, likely)


def load_finetuned(
    directory: PathLike, *, task: Task | None = None, compute: Compute | None = None
) -> Finetuned:
    """Load a model that `gpteval run --save-model` kept.

        for answer in load_finetuned("my-rte").predict([{"sentence1": "…", "sentence2": "…"}]):
            print(answer.prediction, answer.probabilities)

    Args:
        directory: What was named there.
        task: The task it was trained on, where no package or file offers it.
        compute: Device and precision; the first GPU by default, if there is one.

    Raises:
        CheckpointError: It holds no such model, a damaged one, or one of a task not known here.
        ConfigError: There is no such device.
    """
    place, machine = user_path(directory), resolve(compute or Compute())
    facts = read_facts(place)
    trained = facts.task.task(place, task)
    loaded = load_as(facts.family, str(place / MODEL))
    model = TaskModel(loaded.model, trained, 0.0, Specials(*facts.specials), facts.pooling)
    load_weights(model.linear, read_tensors(place / HEAD), place / HEAD)
    return Finetuned(facts, model, loaded.tokenizer, machine)
