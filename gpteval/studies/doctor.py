"""Does a log-probability depend on what it is computed beside?

It should not: how sequences are folded into trees, and how many of them share a forward pass, may
change a number by rounding only. Every sequence alone is the reference; each other arrangement is
held against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import ne
from typing import TYPE_CHECKING

from gpteval.data.examples import located, prompts_of
from gpteval.methods.outcome import Asked
from gpteval.methods.settings import Subject
from gpteval.methods.zeroshot import scorable
from gpteval.progress import Progress
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.data.rows import SplitRows
    from gpteval.encode.prompts import EncodedPrompt
    from gpteval.model import Loaded
    from gpteval.score.likelihood import PromptLikelihoods

LIMIT = 1e-4
"""Largest change of a continuation's log-probability, in nats, that is rounding in fp32. Lower
precisions round by far more, and by how much depends on the model: they have no limit here."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """One way to compute a split.

    Attributes:
        folded: Whether sequences with a common beginning are one tree.
        most_tokens: Tokens of one forward pass; at 1 every tree has one of its own.
    """

    folded: bool
    most_tokens: int

    @property
    def name(self) -> str:
        """For tables."""
        what = "trees" if self.folded else "sequences"
        return f"{what}, {self.most_tokens:,} tokens" if self.most_tokens > 1 else f"{what}, alone"


REFERENCE = Arrangement(folded=False, most_tokens=1)
ARRANGEMENTS = (
    Arrangement(folded=False, most_tokens=512),
    Arrangement(folded=False, most_tokens=8192),
    Arrangement(folded=True, most_tokens=1),
    Arrangement(folded=True, most_tokens=512),
    Arrangement(folded=True, most_tokens=8192),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What one arrangement changes of one task's split.

    Attributes:
        task, split, n: What was computed, and of how many examples.
        arrangement: How.
        precision: "fp32" or "bf16".
        largest: Largest change of a continuation's log-probability, in nats.
        flipped: Predictions that are others.
    """

    task: str
    split: str
    n: int
    arrangement: str
    precision: str
    largest: float
    flipped: int

    @property
    def sound(self) -> bool:
        """Whether the change is rounding; not judged below fp32."""
        return self.precision != "fp32" or self.largest <= LIMIT


def examined(subject: Subject, progress: Progress) -> tuple[list[Examined], dict[str, str]]:
    """The tasks asked for, each ready to be computed in every arrangement.

    Args:
        subject: The model, and the tasks whose headline split is scored; `limit` rows of each.
        progress: Told which tasks are left out.

    Returns:
        The tasks, and those of a group whose data can't be used → reason.

    Raises:
        GptevalError: Anything the user can mend.
    """
    tasks, _ = scorable(subject.tasks)
    from gpteval.compute.device import resolve
    from gpteval.data.rows import SplitRows, load_split, origin, scored_splits
    from gpteval.weights.load import load_model, refuse_sentence_model

    machine = resolve(subject.compute)
    rows_from = origin(subject.data_dir, subject.sample)
    asked, splits, ready = Asked(subject.tasks, progress), dict[str, SplitRows](), list[Examined]()
    for task in tasks:
        with asked.attempt(task):
            split = scored_splits(task, rows_from)[-1]
            splits[task.name] = load_split(task, split, rows_from, subject.limit)
    asked.refuse_none(splits)
    loaded = load_model(subject.model_reference)
    refuse_sentence_model(loaded)
    for task in tasks:
        with asked.attempt(task):
            if task.name in splits:
                ready.append(Examined(task, splits[task.name], loaded, machine))
    asked.refuse_none(ready)
    return ready, asked.left_out


class Examined:
    """One task's split, computed in every arrangement."""

    def __init__(self, task: Task, rows: SplitRows, loaded: Loaded, machine: Machine) -> None:
        """Encode the split and put the model on the machine's device."""
        from gpteval.encode.prompts import encode_prompts

        self.task, self.split, self.machine = task, rows.split, machine
        self.prompts = prompts_of(task, rows)
        self.model = loaded.model.to(machine.device)
        with located(task, rows):
            self.encoded = encode_prompts(self.prompts, loaded.tokenizer, self.model.context)

    def changes(self, progress: Progress) -> Iterator[Change]:
        """What each arrangement changes of every sequence alone."""
        reference = self._likelihoods(REFERENCE, progress)
        answered = self._answers(reference, reference)
        for arrangement in ARRANGEMENTS:
            likelihoods = self._likelihoods(arrangement, progress)
            pairs = zip(_totals(likelihoods), _totals(reference), strict=True)
            flipped = map(ne, self._answers(likelihoods, reference), answered)
            yield Change(
                task=self.task.name,
                split=self.split,
                n=len(self.prompts),
                arrangement=arrangement.name,
                precision=self.machine.precision,
                largest=max(abs(a - b) for a, b in pairs),
                flipped=sum(flipped),
            )

    def _likelihoods(self, arrangement: Arrangement, progress: Progress) -> list[PromptLikelihoods]:
        """Of every prompt, in the prompts' order."""
        from gpteval.score.likelihood import PromptLikelihoods, fold_prompts, score_prompts

        prompts = self.encoded if arrangement.folded else _unfolded(self.encoded)
        trees = fold_prompts(prompts)
        progress.begin(f"{self.task.name} · {arrangement.name}", len(trees.folded))
        scored = score_prompts(
            self.model,
            trees,
            autocast=self.machine.autocast,
            most_tokens=arrangement.most_tokens,
            done=lambda trees: progress.advance(len(trees)),
        )
        progress.end()
        if arrangement.folded:
            return scored
        likelihoods = {
            prompt.paths[0]: likelihood.candidates[0]
            for prompt, likelihood in zip(prompts, scored, strict=True)
        }
        return [
            PromptLikelihoods(
                tuple(likelihoods[path] for path in prompt.paths),
                tuple(likelihoods[path] for path in prompt.neutral),
            )
            for prompt in self.encoded
        ]

    def _answers(
        self, likelihoods: Sequence[PromptLikelihoods], reference: Sequence[PromptLikelihoods]
    ) -> list[str | int | float]:
        """Predictions; a threshold is fitted on the reference's scores of these examples."""
        from gpteval.score.heuristics import fit_threshold, mean_scores, predict

        threshold = 0.0
        if self.task.rule == "threshold":
            labels = [prompt.label for prompt in self.prompts]
            threshold = fit_threshold(self.task, labels, mean_scores(reference))
        predictions = predict(self.task, self.prompts, likelihoods, threshold)
        return [prediction.prediction for prediction in predictions]


def _unfolded(prompts: Sequence[EncodedPrompt]) -> list[EncodedPrompt]:
    """Every path once, as a prompt of its own, so that no two share a tree."""
    from gpteval.encode.prompts import EncodedPrompt

    paths = dict.fromkeys(path for p in prompts for path in (*p.paths, *p.neutral))
    return [EncodedPrompt(str(number), (path,), (), "") for number, path in enumerate(paths)]


def _totals(prompts: Sequence[PromptLikelihoods]) -> list[float]:
    """Every continuation's log-probability, unconditional ones included."""
    return [
        candidate.total for prompt in prompts for candidate in (*prompt.candidates, *prompt.neutral)
    ]
