"""What a task plug-in writes: `Task`, `Example`, `Prompt`, `Source`, `Split`, `Suite` and the like.

A task is a frozen value, not a class to inherit. The harness reads rows (official files, the hub,
bundled samples); a task only says what a row means. This module imports neither torch nor datasets,
so listing tasks costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Row = Mapping[str, Any]
"""One row in the task's own column names. The harness adds `id` (str) and `label`: a label *name*
(classify), a float (regress), the index of the right answer from 0 (choose), or None."""

Label = str | int | float | None
Kind = Literal["classify", "regress", "choose"]
Reader = (
    Literal["tsv", "jsonl", "csv", "parquet"]
    | Callable[[Path], Iterable[tuple[int, Mapping[str, Any]]]]
)
"""A layout known here, or a function that reads one file: it yields the line that a row stands on
and the row's columns by name (see `Source.reader`)."""

Rule = Literal["compare", "sum", "threshold"]
"""How a prompt's likelihoods become an answer: the likeliest candidate, where answers are compared
by the mean over their tokens ("compare") or by the sum ("sum": minimal pairs); or whether the mean
token log-probability of the only one lies above a threshold fitted on the training split (CoLA)."""


@dataclass(frozen=True, slots=True)
class Example:
    """One example in the form of figure 1 of the paper, as text.

    Attributes:
        id: Unique within its split.
        sequences: The token sequences the model reads, each a tuple of text segments that the
            encoder joins with the delimiter token: one sequence for classification and entailment,
            two orders for similarity, one per answer for multiple choice.
        label: A label name (classify), a number (regress), the right sequence's index from 0
            (choose), or None where the row has no gold label.
        context: Text before the first segment of every sequence, with no delimiter between them
            (RACE's article). It alone is cut, at its end, when a sequence is too long.
        part: The slice of the split whose score is also reported by itself ("middle", a category);
            of several kinds of slices, one of each, joined by ";" ("syntax;island_effects").
        cluster: Examples of one cluster are not independent (questions on one article); confidence
            intervals resample clusters. Empty: the example stands for itself.
    """

    id: str
    sequences: tuple[tuple[str, ...], ...]
    label: Label = None
    context: str = ""
    part: str = ""
    cluster: str = ""

    @classmethod
    def single(cls, row: Row, text: str) -> Example:
        """Classification: start, text, extract."""
        return cls(row["id"], ((text,),), row["label"])

    @classmethod
    def pair(cls, row: Row, premise: str, hypothesis: str, **more: str) -> Example:
        """Entailment: start, premise, delimiter, hypothesis, extract."""
        return cls(row["id"], ((premise, hypothesis),), row["label"], **more)

    @classmethod
    def unordered(cls, row: Row, first: str, second: str) -> Example:
        """Similarity: both orders, whose final states are added (paper §3.3)."""
        return cls(row["id"], ((first, second), (second, first)), row["label"])

    @classmethod
    def choice(cls, row: Row, question: str, answers: tuple[str, ...], **more: str) -> Example:
        """Multiple choice: start, [context] question, delimiter, answer, extract; per answer."""
        return cls(row["id"], tuple((question, a) for a in answers), row["label"], **more)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Text whose likelihood is asked for, and the text it follows.

    Attributes:
        context: What is given; "" where the continuation begins the text.
        continuation: What is scored.
    """

    context: str
    continuation: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One example as a question to a language model that was not fine-tuned (paper §5).

    Texts are joined with a blank, except before a punctuation mark that begins the latter.

    Attributes:
        id, label, part, cluster: As in `Example`.
        candidates: One per answer (choose), one per label in the task's order (classify), or a
            single one (the rule "threshold").
        passage: Text before every candidate's context (RACE's article). It alone is cut, at its
            end, when a candidate is too long; prompts that share it are computed together.
        neutral: What to put in place of passage and context to see how likely a continuation is
            by itself ("" for nothing): calibration, and the unconditional half of PMI.
    """

    id: str
    candidates: tuple[Candidate, ...]
    label: Label = None
    passage: str = ""
    neutral: str = ""
    part: str = ""
    cluster: str = ""

    @classmethod
    def choice(cls, row: Row, context: str, continuations: tuple[str, ...], **more: str) -> Prompt:
        """One context, several continuations."""
        candidates = tuple(Candidate(context, text) for text in continuations)
        return cls(row["id"], candidates, row["label"], **more)

    @classmethod
    def partial(cls, row: Row, contexts: tuple[str, ...], continuation: str) -> Prompt:
        """Several contexts, one continuation: Winograd schemas, partially scored."""
        candidates = tuple(Candidate(context, continuation) for context in contexts)
        return cls(row["id"], candidates, row["label"])


@dataclass(frozen=True, slots=True)
class Part:
    """Which rows of a file make up a split, where the official files hold two splits in one.

    Attributes:
        start, stop: Row numbers from 0, half open, in file order; or
        held_out, seed, take: scikit-learn's `train_test_split(rows, test_size=held_out,
            random_state=seed)`, of which this split takes "train" or "test".
    """

    start: int = 0
    stop: int | None = None
    held_out: int = 0
    seed: int = 0
    take: Literal["train", "test"] = "train"


@dataclass(frozen=True, slots=True)
class Split:
    """One split of a source.

    Attributes:
        rows: Official number of rows that have a gold label (all rows where none has one); 0 where
            nobody published it: as many as are there.
        files: Paths below a data directory, globs allowed, read in sorted order and joined.
        hub: The split's name on the hub ("validation"); None where the hub has no such split.
        config: The hub's configuration, where it is not the source's.
        labelled: False for test sets whose labels are private.
        without_gold: Official number of further rows without a gold label (SNLI's "-").
        part: Which rows of the files (and of the hub's split) belong here; None for all.
        header: Column names, for files without a header line.
    """

    rows: int
    files: tuple[str, ...]
    hub: str | None = None
    labelled: bool = True
    without_gold: int = 0
    part: Part | None = None
    header: tuple[str, ...] = ()
    config: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    r"""Where a task's rows come from, in every form they come in.

    Attributes:
        hub: Data set id on the Hugging Face hub, loaded without any script; "" where there is none.
        splits: By name: "train", "dev", "test", and "dev_mismatched" and the like.
        columns: Columns every row must have (beside id and label), by their name in the official
            files; a hub column of another name is renamed by `hub_columns`.
        config: The hub's configuration name.
        revision: The hub commit read; pinned, so that a number stays what it was.
        reader: How the official files are laid out: "tsv" (no quoting), "csv" (standard quoting),
            "jsonl", "parquet", or a function from a path to rows, each with its line. Several
            questions on a line, and their answers in a second file:

                def read(path):
                    keys = path.with_suffix(".ans").read_text("utf-8").splitlines()
                    texts = path.read_text("utf-8").splitlines()
                    for line, (text, key) in enumerate(zip(texts, keys, strict=True), start=1):
                        story, *fields = text.split("\t")
                        for number, letter in enumerate(key.split("\t")):
                            question, *options = fields[5 * number : 5 * number + 5]
                            yield line, {"story": story, "question": question,
                                         "options": options, "answer": letter}

            A ValueError it raises is told with the file, `DataError.at` with its line too.
        label: Column of the gold label; "" where none holds it and the example tells it.
        label_names: Raw label → label name, where the files hold numbers ({"0": "negative"}); for
            choices, raw label → index from 0, as digits ({"A": "0", "B": "1"}).
        id: Column that identifies a row; "" to use its place in the split, from 0.
        numbered: The id column names a group (an article), in which the rows are then numbered.
        hub_columns: Hub column → official column.
        no_gold: Raw labels that mean "no gold label": the row is left out and counted.
        ask: Where to get the set, shown when it is not found.
        sample: Package directory of the bundled sample ("gpteval_tasks:samples/rte").
        lists: Those of the columns that hold a list of texts (RACE's options).
        numbers: Those that hold whole numbers (the place of a word), read as their digits. All
            others hold text; anything else is refused.
        directory: Where the files are that come with the task, "package:folder" or a directory:
            they are looked for there first. "" where none do.
    """

    hub: str
    splits: Mapping[str, Split]
    columns: tuple[str, ...]
    config: str = ""
    revision: str = "main"
    reader: Reader = "tsv"
    label: str = "label"
    label_names: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    numbered: bool = False
    hub_columns: Mapping[str, str] = field(default_factory=dict)
    no_gold: tuple[str, ...] = ()
    ask: str = ""
    sample: str = ""
    lists: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    directory: str = ""


@dataclass(frozen=True, slots=True)
class PaperScore:
    """A published figure of GPT-1: `score` in percent, of one metric on one split.

    Attributes:
        metric: A metric name of this harness, or metric/part ("accuracy/middle").
        split: What the figure was measured on, in this harness's split names.
        source: "P t.2" (paper, table 2), "B" (blog post), "GLUE" (the benchmark's leaderboard).
        data: The data-set version where it differs from the one read here ("QNLI v1"): the figure
            is then named, never subtracted.
        best_before: Best earlier result in percent, as the blog post lists it.
    """

    metric: str
    score: float
    split: str
    source: str
    data: str = ""
    best_before: float | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """Tasks whose scores are averaged into one: a benchmark's macro mean.

    Attributes:
        name: Short name ("glue"); a plug-in's is also reachable as package/name.
        members: Task → the metrics that are averaged first, then over its splits; the mean of the
            suite is over the tasks.
        published: Figures of that mean, with the data versions they were measured on.
        table: Row of a published table of ablations → task → score in percent, "" → its average as
            printed; such a suite stands beside `gpteval ablate`, not on the leaderboard.
        submission: File of the benchmark's server → task and split whose predictions it holds;
            see `gpteval.report.submission`. Empty where there is no such server.
        title: Shown in reports.
    """

    name: str
    members: Mapping[str, tuple[str, ...]]
    published: tuple[PaperScore, ...] = ()
    table: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    submission: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    title: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A task: its rows' meaning, its metrics, its provenance. See `tasks/rte.py` for a whole one.

    Attributes:
        name: Short name, lower case ("rte"). A plug-in's task is also reachable as package/name.
        version: Raised whenever the examples or the scoring change; results carry it.
        kind: classify (one of `labels`), regress (a number in `scale`), choose (one sequence).
        source: Where the rows come from.
        example: Turns one row into an example.
        metrics: Registered metric names, the headline first.
        labels: Label names, in the order of the classifier's outputs (classify only).
        scale: Lowest and highest whole score (regress only): (0, 5) for STS-B.
        groups: Names that select several tasks at once ("glue", "nli").
        aliases: What else people call it ("MNLI-m"); other spellings of its name go without saying.
        evaluate: Splits that are scored when they have labels, the headline split last.
        train_task: Scored with the model fine-tuned on that task (breaking-NLI: "snli").
        label_map: Label of that task → label of this one, where they are not the same names
            ({"neutral": "not_entailment", "contradiction": "not_entailment"}): the probabilities
            of labels that become one are added up.
        paper: The published figures.
        prompt: Turns one row into a question to a model that was not fine-tuned; None where no
            sensible likelihood heuristic is known.
        rule: How that question is answered.
        blind: Name of the baseline that sees the last segment of every sequence alone, to find
            artefacts of the data ("hypothesis-only"); "" for none.
        title, licence, citation: Shown by `gpteval tasks show`.
    """

    name: str
    version: int
    kind: Kind
    source: Source
    example: Callable[[Row], Example]
    metrics: tuple[str, ...]
    labels: tuple[str, ...] = ()
    scale: tuple[int, int] = (0, 0)
    groups: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ("dev",)
    train_task: str = ""
    label_map: Mapping[str, str] = field(default_factory=dict)
    paper: tuple[PaperScore, ...] = ()
    prompt: Callable[[Row], Prompt] | None = None
    rule: Rule = "compare"
    blind: str = ""
    title: str = ""
    licence: str = ""
    citation: str = ""

    @property
    def binary(self) -> bool:
        """Whether there are two labels, of which the second is the positive one."""
        return self.kind == "classify" and len(self.labels) == 2

    @property
    def outputs(self) -> int:
        """Width of the task's output layer: classes, whole scores, or 1 per answer."""
        if self.kind == "classify":
            return len(self.labels)
        return self.scale[1] - self.scale[0] + 1 if self.kind == "regress" else 1
