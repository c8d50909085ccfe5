"""What the probes of one job read: the vectors of its texts, each read once for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from gpteval.data.examples import examples_of, located
from gpteval.encode.texts import texts_of
from gpteval.features.bags import word_means
from gpteval.methods.linear_model import Done
from gpteval.progress import Progress, Silent
from gpteval.task import Example, Task

if TYPE_CHECKING:
    from gpteval.data.rows import SplitRows
    from gpteval.features.frozen import Frozen, Split
    from gpteval.features.vector_files import WordVectors
    from gpteval.methods.job import Job
    from gpteval.methods.unit import SplitName
    from gpteval.methods.word_vectors import VectorFile

Group = tuple[str, ...]
"""Texts whose words are averaged together."""


class Features:
    """The vectors of one job's splits, read once for all its probes."""

    def __init__(
        self,
        frozen: Frozen,
        layers: Sequence[int],
        job: Job,
        rows: Mapping[SplitName, SplitRows],
        file: VectorFile | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Nothing is read before it is asked for.

        Args:
            frozen: The model.
            layers: All that will be asked for, in that order.
            job: Whose texts they are.
            rows: Of its splits.
            file: Vectors of words that stand beside the states; None where these stand alone.
            progress: Told how many words have one.
        """
        self.frozen, self.layers, self.job, self.rows = frozen, layers, job, rows
        self.file, self.progress = file, progress or Silent()
        self._examples: dict[SplitName, list[Example]] = {}
        self._splits: dict[SplitName, Split] = {}

    def examples(self, task: Task, split: str) -> Sequence[Example]:
        """Of a split, made once."""
        name = task.name, split
        if name not in self._examples:
            self._examples[name] = examples_of(task, self.rows[name])
        return self._examples[name]

    def split(
        self, task: Task, examples: Sequence[Example], layers: Sequence[int], done: Done
    ) -> Split:
        """The vectors of a split after some layers; the split is told by its examples.

        Raises:
            DataError: One that can't be encoded, with file and line.
        """
        name = next(name for name, own in self._examples.items() if own is examples)
        if name not in self._splits or not set(layers) <= self._splits[name].layers.keys():
            self._splits.pop(name, None)  # before others take its place on the disk
            further = self.layers[self.layers.index(layers[0]) :]
            with located(task, self.rows[name]):
                states = self.frozen.split(task, examples, layers, done, further=further)
            self._splits[name] = self._with_words(states, task, examples)
        return self._splits[name]

    def _with_words(self, states: Split, task: Task, examples: Sequence[Example]) -> Split:
        """With the mean of the vectors of their words beside the states of all texts."""
        from gpteval.features.composed import Layout

        if self.words is None:
            return states
        groups = [self._groups(task, example) for example in examples]
        known = {g: place for place, g in enumerate(dict.fromkeys(
            group for own in groups for sequence in own for group in sequence
        ))}  # fmt: skip
        places = [[[known[group] for group in sequence] for sequence in own] for own in groups]
        means = word_means(self.words, list(known)).astype("float32")
        return states.with_others(means, Layout.of(places, apart=task.kind == "choose"))

    def _groups(self, task: Task, example: Example) -> list[tuple[Group, ...]]:
        """Whose words are averaged: of every sequence those of each text that has a state."""
        if self.frozen.whole:
            return [((example.context, *texts),) for texts in example.sequences]
        return [tuple((own,) for _, own in texts) for texts in texts_of(task, example)]

    @cached_property
    def words(self) -> WordVectors | None:
        """The vectors of the words of all splits; None where states stand alone."""
        if self.file is None:
            return None
        splits = [(self.job.task, "train"), *self.job.scored]
        there = [(task, split) for task, split in splits if (task.name, split) in self.rows]
        examples = [e for task, split in there for e in self.examples(task, split)]
        return self.file.of_task(self.job.task, examples, self.progress)
