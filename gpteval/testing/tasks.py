"""The rules of a task: `check_task`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING

from gpteval.config import SAMPLE_MODEL, FinetuneConfig
from gpteval.data.examples import examples_of, prompts_of
from gpteval.data.rows import Origin, SplitRows, load_split, origin, own
from gpteval.data.samples import sample_splits
from gpteval.files import to_json
from gpteval.methods.identity import content
from gpteval.paths import PathLike
from gpteval.plugins import SESSION, registry
from gpteval.records import Prediction, read_record
from gpteval.task import Example, Prompt, Task
from gpteval.testing import fresh
from gpteval.testing.rules import broken, insist, no_network

if TYPE_CHECKING:
    from gpteval.model import Loaded

LEARNED = 32
"""Rows that a small model must be able to learn by heart."""
ROUNDS = 10
"""Times that it is asked whether it has, every `PASSES` over them."""
PASSES = 4
ENOUGH = 0.9
"""Share of them, or correlation, at which it has."""
NARROW = 12
"""Tokens beside the specials that a sequence is cut to, to see what survives."""


class TaskUnderTest:
    """A task with its rows, examples and prompts, made once."""

    def __init__(self, task: Task, rows_from: Origin) -> None:
        """Nothing is read before a rule asks for it."""
        self.task, self.rows_from = task, own(task, rows_from)
        if self.rows_from.kind == "sample":
            self.splits = sample_splits(task)
        else:
            self.splits = tuple(task.source.splits)

    @cached_property
    def rows(self) -> Mapping[str, SplitRows]:
        """Of every split."""
        return {split: load_split(self.task, split, self.rows_from) for split in self.splits}

    @cached_property
    def examples(self) -> Mapping[str, list[Example]]:
        """Of every split, in file order."""
        return {split: examples_of(self.task, rows) for split, rows in self.rows.items()}

    @cached_property
    def prompts(self) -> Mapping[str, list[Prompt]]:
        """Of every split, in file order; none where the task asks nothing."""
        if self.task.prompt is None:
            return {}
        return {split: prompts_of(self.task, rows) for split, rows in self.rows.items()}

    @property
    def train(self) -> list[Example]:
        """The first labelled examples to learn from; of the first split where there is no train."""
        split = "train" if "train" in self.examples else next(iter(self.examples))
        return [e for e in self.examples[split] if e.label is not None][:LEARNED]


def check_task(task: Task | str, *, data_dir: PathLike | None = None, learn: bool = True) -> None:
    """Check that a task can be measured, and that what it makes of its rows is sound.

    Args:
        task: The task, or its name.
        data_dir: Where its rows are; None for the files it brings along, else its sample.
        learn: Whether a small model has to learn 32 of its rows, which takes seconds.

    Raises:
        ConformanceError: A line for every rule that is broken.
        UnknownNameError: No task of that name.
    """
    chosen = registry().select([task])[0] if isinstance(task, str) else task
    insist(f"task {chosen.name!r}", task_faults(chosen, data_dir=data_dir, learn=learn))


def task_faults(task: Task, *, data_dir: PathLike | None = None, learn: bool = True) -> list[str]:
    """A line for every rule that a task breaks; arguments as `check_task` has them."""
    rows_from = origin(data_dir) if data_dir else Origin("sample")
    if not data_dir and not task.source.sample and task.source.directory:
        rows_from = Origin("files")
    rules = RULES if learn else RULES[:-1]
    with no_network():
        return broken(TaskUnderTest(task, rows_from), rules)


def is_sound(test: TaskUnderTest) -> str:
    """Metadata are static values that make sense, and rows, examples and prompts can be made."""
    own = test.task.name.rpartition("/")[2]  # without the package, where its name is taken
    if wrong := registry().fault("gpteval_register_tasks", own, test.task):
        return wrong
    if not test.splits:
        return "no rows to check with: bring a sample (Source.sample), or give data_dir"
    _ = test.rows, test.examples, test.prompts
    return ""


def names_labels(test: TaskUnderTest) -> str:
    """Labels are told by name: a number means another thing in every copy of a set."""
    numbers = [label for label in test.task.labels if label.isdigit()]
    return (
        f"label {numbers[0]!r} is a number: name it, and map it in label_names" if numbers else ""
    )


def has_every_label(test: TaskUnderTest) -> str:
    """Every label occurs in what is learned from."""
    if "train" not in test.examples:
        return ""
    there = {example.label for example in test.examples["train"]}
    missing = [label for label in test.task.labels if label not in there]
    return f"label {missing[0]!r} is on no row of train" if missing else ""


def has_text_everywhere(test: TaskUnderTest) -> str:
    """No segment is empty: the model would compare nothing with nothing."""
    for split, examples in test.examples.items():
        for example in examples:
            if not all(text.strip() for sequence in example.sequences for text in sequence):
                return f"{split}: example {example.id} has an empty segment: leave the row out"
    return ""


def is_deterministic(test: TaskUnderTest) -> str:
    """The same rows give the same examples in the same order, in another process too."""
    task = test.task
    for split, rows in test.rows.items():
        if content(examples_of(task, rows)) != content(test.examples[split]):
            return f"{split}: examples made twice are not the same: they may depend on the row only"
    there = _elsewhere(test)
    for split, digest in there.contents.items() if there else ():
        if digest != content(test.examples[split]):
            return (
                f"{split}: another process makes other examples of the same rows: no set or hash() "
                "may decide an order"
            )
    return ""


def is_light(test: TaskUnderTest) -> str:
    """Importing its module loads nothing heavy: every command would wait for it."""
    there = _elsewhere(test)
    if there and there.heavy:
        return f"importing it imports {there.heavy[0]}: import that in the function that uses it"
    return ""


def can_be_recorded(test: TaskUnderTest) -> str:
    """Ids, labels, parts and clusters come back from JSON as they were."""
    for split, examples in test.examples.items():
        for e in examples:
            answer = e.label if e.label is not None else 0
            prediction = Prediction(e.id, e.label, answer, (), e.part, e.cluster)
            if read_record(to_json(asdict(prediction)), Prediction) != prediction:
                return f"{split}: example {e.id} is another one after it was written as JSON"
    return ""


def keeps_the_extract_token(test: TaskUnderTest) -> str:
    """However short a sequence is cut, its last token is the one the answer is read from."""
    from gpteval.encode.examples import Specials, encode_examples

    tokenizer, examples = _small_model().tokenizer, test.train
    specials = Specials.after(tokenizer.vocab_size)
    segments = max(len(sequence) for e in examples for sequence in e.sequences)
    narrow = segments + 1 + NARROW
    for encoded in encode_examples(examples, test.task, tokenizer, specials, narrow):
        tree = encoded.tree
        if any(tree.tokens[end] != specials.extract for end in tree.ends):
            return f"example {encoded.id} cut to {narrow} tokens does not end in the extract token"
    return ""


def asks_what_it_can_answer(test: TaskUnderTest) -> str:
    """A prompt has a candidate for each label, all different, of the same id and label."""
    task = test.task
    for split, prompts in test.prompts.items():
        for prompt, example in zip(prompts, test.examples[split], strict=True):
            count = len(prompt.candidates)
            due = {"threshold": 1}.get(task.rule, len(task.labels) or len(example.sequences))
            if count != due:
                return f"{split}: prompt {prompt.id} has {count} candidates, and {due} are due"
            if len(set(prompt.candidates)) < count:
                return f"{split}: prompt {prompt.id} has the same candidate twice"
            if (prompt.id, prompt.label) != (example.id, example.label):
                return f"{split}: prompt {prompt.id} has not its example's id and label"
    return ""


def can_be_learned(test: TaskUnderTest) -> str:
    """A small model learns a few rows by heart, if what decides the label is in the example."""
    if "train" not in test.examples or not test.train:
        return ""
    reached = _fitted(test.task, test.train)
    if reached >= ENOUGH:
        return ""
    passes = ROUNDS * PASSES
    return (
        f"a small model has not learned {len(test.train)} of its rows after {passes} passes "
        f"({reached:.2f} of 1): is all that decides the label in the example?"
    )


RULES = (
    is_sound,
    names_labels,
    has_every_label,
    has_text_everywhere,
    is_deterministic,
    is_light,
    can_be_recorded,
    keeps_the_extract_token,
    asks_what_it_can_answer,
    can_be_learned,
)
"""The last one takes seconds."""


def _elsewhere(test: TaskUnderTest) -> fresh.Report | None:
    """What another process makes of the task; None where it has no way to know it."""
    owner = registry().owners().get(test.task.name)
    if owner is None or owner.name == SESSION or registry().tasks()[test.task.name] != test.task:
        return None
    directories = tuple(map(str, test.rows_from.directories))
    return fresh.report(test.task.name, owner, test.rows_from.kind, directories, test.splits)


def _small_model() -> Loaded:
    from gpteval.weights.load import load_model

    return load_model(SAMPLE_MODEL)


def _fitted(task: Task, examples: Sequence[Example]) -> float:
    """Accuracy on examples (correlation of scores) of a small model that was trained on them."""
    import torch

    from gpteval.encode.examples import encode_examples
    from gpteval.train.finetune import Finetuning
    from gpteval.train.head import TaskModel
    from gpteval.train.predict import predict

    torch.manual_seed(0)
    loaded = _small_model()
    model = TaskModel(loaded.model, task, 0.0)
    model.model.dropout = 0.0
    encoded = encode_examples(examples, task, loaded.tokenizer, model.specials, 4 * LEARNED)
    size = min(8, len(encoded))
    recipe = FinetuneConfig(lr=1e-3, batch_size=size, epochs=PASSES, warmup=0.1, lm_weight=0.0)
    recipe = replace(recipe, dropout=0.0, classifier_dropout=0.0)
    reached = 0.0
    for seed in range(ROUNDS):
        Finetuning(model, recipe, seed).fit(encoded, None)
        reached = _agreement(task, predict(model, task, examples, encoded))
        if reached >= ENOUGH:
            break
    return reached


def _agreement(task: Task, predictions: Sequence[Prediction]) -> float:
    """Share of right answers; of numbers their correlation, 1 where all are one number."""
    pairs = [(p.label, p.prediction) for p in predictions]
    if task.kind != "regress":
        return sum(label == answer for label, answer in pairs) / len(pairs)
    import numpy as np

    labels, answers = np.array(pairs, dtype=float).T
    if not labels.std():
        return 1.0
    return float(np.corrcoef(labels, answers)[0, 1]) if answers.std() else 0.0
