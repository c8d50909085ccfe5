"""A task from data alone: which columns a table has, and what each one is to the model.

A `Table` is what a task file (TOML) says, key by key, and the same from Python: no function to
write.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from gpteval.columns import Columns, Form, Question
from gpteval.config import FORM_METRICS
from gpteval.errors import ConfigError, refuse_unknown
from gpteval.files import digest, read_toml
from gpteval.paths import user_path
from gpteval.task import Kind, Part, Prompt, Row, Rule, Source, Split, Task
from gpteval.typed import misfit

KINDS: Mapping[Form, Kind] = {"choice": "choose", "pairs": "choose", "regress": "regress"}
"""Form → the kind of task, where it is not "classify"."""

TEXTS: Mapping[Form, tuple[int, ...]] = {"classify": (1,), "choice": (1,), "regress": (1, 2)}
"""Form → how many columns of text it takes, where it is not two."""

ENDINGS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}
"""Ending of a file's name → how it is laid out."""


@dataclass(frozen=True, slots=True)
class Table:
    """A task told by its columns; the fields are the keys of a task file.

        irony = Table("irony", "tweet", labels={"0": "no", "1": "yes"},
                      files={"train": "train.csv", "dev": "dev.csv"}).task()

    Attributes:
        name: Short name, lower case.
        text: Columns of text: one (classify, choice: the question), two (entailment: premise,
            hypothesis; similarity; pairs: the acceptable sentence, the other), either (regress).
        form: What they are to each other.
        files: Split → file, globs allowed, below the directory of the task file: "train" to learn
            from, "dev" to choose the best weights by, "test" and others to be scored.
        hub: Data set id on the Hugging Face hub, in place of files.
        splits: Split → the hub's name for it (hub only).
        config, revision: Of the hub's data set.
        held_out: Where there is no "dev": rows of "train" drawn (seed 0) to be it.
        label: Column of the gold label; of choices the right answer's place from 0, or what
            `labels` makes into one.
        labels: Label names in order; or raw label → name ({"0": "no"}), of choices → place
            ({"A": "0"}).
        answers: Columns of the answers, or the one that holds a list of them (choice).
        scale: Lowest and highest score, whole numbers (regress).
        context, part, cluster, id: Columns of those of `Example`; "" for none.
        metrics: Registered names, the headline first; () for the form's usual.
        prompt: For zero-shot: "text" with {column} in it, "answers" (one a label), "neutral".
            Choices and pairs need none.
        reader: "csv", "tsv" (no quoting), "jsonl" or "parquet"; "" to go by the files' endings.
        header: Column names, for files without a header line.
        evaluate: Splits that are scored, the headline last; () for all but "train".
        groups, version, title, licence, citation: As in `Task`.
    """

    name: str
    text: str | tuple[str, ...]
    form: Form = "classify"
    files: Mapping[str, str] = field(default_factory=dict)
    hub: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    revision: str = "main"
    held_out: int = 0
    label: str = "label"
    labels: tuple[str, ...] | Mapping[str, str] = ()
    answers: str | tuple[str, ...] = ()
    scale: tuple[int, ...] = ()
    context: str = ""
    part: str = ""
    cluster: str = ""
    id: str = ""
    metrics: tuple[str, ...] = ()
    prompt: Mapping[str, Any] = field(default_factory=dict)
    reader: str = ""
    header: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    version: int = 1
    title: str = ""
    licence: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        """Refuse what makes no task.

        Raises:
            ConfigError: The key is named, with its value and what it may be.
        """
        if wrong := misfit(self, Table) or self._fault():
            raise ConfigError(f"task {self.name!r}: {wrong}")

    def task(self, directory: str | os.PathLike[str] = ".") -> Task:
        """The task.

        Args:
            directory: What the files' names begin at: a directory, or "package:folder".
        """
        columns = Columns(
            self.form, self.texts, self.choices, self.context, self.part, self.cluster
        )
        names = dict(self.labels) if isinstance(self.labels, Mapping) else {}
        kind = KINDS.get(self.form, "classify")
        labels = tuple(dict.fromkeys(names.values())) if names else tuple(self.labels)
        usual = FORM_METRICS.get(self.form, FORM_METRICS[""])
        rule: Rule = "sum" if self.form == "pairs" else "compare"
        return Task(
            name=self.name,
            version=self.version,
            kind=kind,
            source=self._source(columns, names, os.fspath(directory)),
            example=columns,
            metrics=self.metrics or usual,
            labels=labels if kind == "classify" else (),
            scale=(self.scale[0], self.scale[1]) if kind == "regress" else (0, 0),
            groups=self.groups,
            evaluate=self.evaluate or tuple(s for s in self._places() if s != "train"),
            prompt=self._question(columns),
            rule=rule,
            title=self.title,
            licence=self.licence,
            citation=self.citation,
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """Columns of text, of one too."""
        return (self.text,) if isinstance(self.text, str) else self.text

    @property
    def choices(self) -> tuple[str, ...]:
        """Columns of the answers, of one too."""
        return (self.answers,) if isinstance(self.answers, str) else self.answers

    @property
    def digest(self) -> str:
        """SHA-256 of the definition: two files that say the same have the same."""
        return digest(asdict(self))

    def _fault(self) -> str:
        """What no task can have; "" where nothing is wrong."""
        return self._sourceless() or self._formless()

    def _sourceless(self) -> str:
        splits = self._places()
        if bool(self.files) == bool(self.hub):
            return 'give files ({"train": "train.csv"}) or hub ("owner/name"), one of them'
        if self.hub and not self.splits:
            return 'hub needs splits: {"train": "train", "dev": "validation"}'
        if not [split for split in splits if split != "train"]:
            return "nothing to score: name a dev or test split, or say held_out = 200"
        return ""

    def _formless(self) -> str:
        wanted = TEXTS.get(self.form, (2,))
        if len(self.texts) not in wanted:
            due = " or ".join(map(str, wanted))
            return f"text names {len(self.texts)} columns, and form {self.form!r} takes {due}"
        if self.form == "choice" and not self.answers:
            return "form 'choice' needs answers: the columns of the answers"
        if self.form == "regress" and len(self.scale) != 2:
            return f"form 'regress' needs a scale, lowest and highest: [0, 5], not {self.scale!r}"
        if KINDS.get(self.form, "classify") == "classify":
            return self._unlabelled()
        return "" if not self.prompt else f"prompt is not for form {self.form!r}: leave it out"

    def _unlabelled(self) -> str:
        """What is wrong with the labels of a task that classifies, or with its prompt."""
        names = self.labels.values() if isinstance(self.labels, Mapping) else self.labels
        count = len(set(names))
        if count < 2:
            return f'labels are at least two, ["no", "yes"], not {self.labels!r:.60}'
        if not self.prompt:
            return ""
        if strange := sorted(self.prompt.keys() - {"text", "answers", "neutral"}):
            return f"prompt has text, answers and neutral, not {strange[0]!r}"
        if len(self.prompt.get("answers", ())) != count:
            return f"prompt needs {count} answers, one for each label"
        try:
            str(self.prompt.get("text", "")).format_map(dict.fromkeys(self.texts, ""))
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            return f"prompt text: {error} is no column of text ({', '.join(self.texts)})"
        return ""

    def _places(self) -> dict[str, str]:
        """Split → file or the hub's name, with the one that is held out."""
        places = dict(self.files or self.splits)
        if self.held_out and "train" in places:
            places.setdefault("dev", places["train"])
        return places

    def _source(self, columns: Columns, names: Mapping[str, str], directory: str) -> Source:
        inside = ":" in directory and not Path(directory).is_absolute()
        base = "" if inside else str(user_path(directory).absolute())
        lists = self.choices if len(self.choices) == 1 else ()
        wanted = (*self.texts, *self.choices, self.context, self.part, self.cluster)
        return Source(
            hub=self.hub,
            config=self.config,
            revision=self.revision,
            splits={name: self._split(name, place, base) for name, place in self._places().items()},
            columns=tuple(dict.fromkeys(filter(None, wanted))),
            reader=self._reader(),
            label="" if columns.form == "pairs" else self.label,
            label_names={raw: name for raw, name in names.items() if raw != name},
            id=self.id,
            lists=lists,
            directory=(base or directory) if self.files else "",
        )

    def _split(self, name: str, place: str, base: str) -> Split:
        part = None
        if self.held_out and name in ("train", "dev") and "dev" not in (self.files or self.splits):
            take: Literal["train", "test"] = "train" if name == "train" else "test"
            part = Part(held_out=self.held_out, take=take)
        if self.hub:
            return Split(0, (), hub=place, part=part)
        path = user_path(place)
        if path.is_absolute() and base:
            place = os.path.relpath(path, base)
        return Split(0, (place,), part=part, header=self.header)

    def _reader(self) -> Any:
        """The layout of the files, by their endings where it is not said."""
        if self.reader or self.hub:
            known = tuple(ENDINGS.values())
            if self.reader and self.reader not in known:
                raise ConfigError(
                    f"task {self.name!r}: reader is {', '.join(known)}, not {self.reader!r}"
                )
            return self.reader or "jsonl"
        endings = {Path(place).suffix.lower() for place in self.files.values()}
        layouts = {ENDINGS.get(ending, "") for ending in endings}
        if len(layouts) != 1 or "" in layouts:
            raise ConfigError(
                f"task {self.name!r}: files end in {', '.join(sorted(endings))}: give all of them "
                f"one of {', '.join(ENDINGS)}, or say reader"
            )
        return layouts.pop()

    def _question(self, columns: Columns) -> Callable[[Row], Prompt] | None:
        if self.form in ("choice", "pairs"):
            return Question(columns)
        if not self.prompt:
            return None
        text, answers = str(self.prompt.get("text", "")), tuple(self.prompt["answers"])
        return Question(columns, text, answers, str(self.prompt.get("neutral", "")))


def read_table(path: Path) -> Table:
    """The table that a task file defines.

    Raises:
        ConfigError: Not TOML, a key missing, or one whose value can't be used.
        UnknownNameError: A key there is not, with the nearest that there is.
    """
    given = {name: _frozen(value) for name, value in read_toml(path).items()}
    refuse_unknown(f"key of {path}", given, [entry.name for entry in fields(Table)])
    if missing := [name for name in ("name", "text") if name not in given]:
        raise ConfigError(
            f"{path}: no {missing[0]!r}: a task file has name, text, labels and files"
        )
    try:
        return Table(**given)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _frozen(value: Any) -> Any:
    """Lists as the tuples that a value's fields have."""
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return {key: _frozen(item) for key, item in value.items()} if isinstance(value, dict) else value
