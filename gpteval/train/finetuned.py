"""A fine-tuned model as a directory: written whole, read only if every file is what was written.

`model/` is the language model with its added tokens, as its family writes it, `head.safetensors`
the head's weights, `finetuned.json` all else that decides an answer, where it came from, and a
checksum of each file.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import convert

from gpteval.columns import Columns
from gpteval.errors import CheckpointError, ConfigError
from gpteval.files import (
    file_checksum,
    read_sealed,
    remove,
    remove_partial,
    replacing,
    write_sealed,
    writing,
)
from gpteval.loading import OWN
from gpteval.paths import folders, matching
from gpteval.plugins import SESSION, registry
from gpteval.task import Kind, Source, Task
from gpteval.weights.load import save_model
from gpteval.weights.tensors import save_tensors

if TYPE_CHECKING:
    from gpteval.model import Loaded
    from gpteval.train.head import TaskModel

SCHEMA = 1
DEFINED = ("name", "version", "kind", "labels", "scale")
"""Fields of a task by which it is known again."""
FACTS, HEAD, MODEL = "finetuned.json", "head.safetensors", "model"


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What of a task decides an answer, as JSON has it.

    Attributes:
        name, version, kind, labels, scale: As in `Task`.
        package: What offers it, a package or a file; "" for gpteval and for none.
        columns, lists: As in `Source`: what a row has to have.
        example: What the columns mean, of a task that is told by them; None: its package knows.
    """

    name: str
    version: int
    kind: Kind
    labels: tuple[str, ...]
    scale: tuple[int, int]
    package: str
    columns: tuple[str, ...]
    lists: tuple[str, ...]
    example: Columns | None

    @classmethod
    def of(cls, task: Task) -> TaskFacts:
        """A task's; columns that decide no answer, of parts and clusters, are left out."""
        columns, example = task.source.columns, None
        owner = registry().owners().get(task.name)
        if isinstance(task.example, Columns):
            example = replace(task.example, part="", cluster="")
            read = (*example.texts, *example.answers, *filter(None, [example.context]))
            columns = tuple(name for name in columns if name in read)
        return cls(
            name=task.name,
            version=task.version,
            kind=task.kind,
            labels=task.labels,
            scale=task.scale,
            package=owner.package if owner and owner.package not in (OWN, SESSION) else "",
            columns=columns,
            lists=task.source.lists,
            example=example,
        )

    def task(self, directory: Path, given: Task | None = None) -> Task:
        """The task: the one given, or made from its columns, or as it is installed.

        Raises:
            CheckpointError: It is not installed, or as another version.
        """
        if given is None and self.example is not None:
            source = Source("", {}, self.columns, lists=self.lists)
            return Task(
                name=self.name,
                version=self.version,
                kind=self.kind,
                source=source,
                example=self.example,
                metrics=(),
                labels=self.labels,
                scale=self.scale,
            )
        task = given or registry().tasks().get(self.name)
        if task is None:
            whose = f" of {self.package}" if self.package else ""
            raise CheckpointError(
                f"{directory} was trained on task {self.name!r}{whose}, which is not here: install "
                "it, give its file (--plugin), or from Python the task (task=…)"
            )
        for name in DEFINED:
            own, other = getattr(self, name), getattr(task, name)
            if own != other:
                raise CheckpointError(
                    f"{directory} was trained on task {self.name!r} of {name} {own!r}, and it is "
                    f"of {name} {other!r} now: train it again"
                )
        return task


@dataclass(frozen=True, slots=True)
class Facts:
    """What `finetuned.json` says.

    Attributes:
        key: Of the result that the model gave.
        task: What it was trained on.
        family: The language model's, which reads `model/`.
        specials: Ids of the added tokens: start, delimiter, extract.
        shared: Whether an example's sequences were computed on what they have in common.
        pooling: What the head reads of a sequence.
        made: How: model, recipe, seed, software.
        files: Path in the directory → checksum.
    """

    key: str
    task: TaskFacts
    family: str
    specials: tuple[int, int, int]
    shared: bool
    made: Mapping[str, Any]
    files: Mapping[str, str]
    pooling: str = "extract"
    schema: int = SCHEMA


def save_finetuned(
    directory: Path,
    model: TaskModel,
    loaded: Loaded,
    *,
    key: str,
    shared: bool,
    made: Mapping[str, Any],
) -> None:
    """Write a fine-tuned model; what a killed run left beside it goes.

    Args:
        directory: Where it goes; see `check_place`.
        model: In any mode, on any device.
        loaded: The model that it was before, for its family and tokenizer.
        key: Of its result.
        shared: Whether an example's sequences are computed on what they have in common.
        made: JSON values that say how it was made.

    Raises:
        ResultError: It can't be written.
    """
    ids = model.specials
    remove_partial(directory.parent, directory.name)
    with writing(directory), replacing(directory) as partial:
        partial.mkdir()
        save_model(partial / MODEL, loaded.family, model.model, loaded.tokenizer)
        head = model.linear.state_dict().items()
        save_tensors(partial / HEAD, {name: t.detach().cpu().contiguous() for name, t in head}, {})
        facts = Facts(
            key=key,
            task=TaskFacts.of(model.task),
            family=loaded.family,
            specials=(ids.start, ids.delimiter, ids.extract),
            shared=shared,
            pooling=model.pooling,
            made=made,
            files=_checksums(partial),
        )
        write_sealed(partial / FACTS, asdict(facts))


def read_facts(directory: Path) -> Facts:
    """What a directory says of the model in it, once every file is found to be what was written.

    Raises:
        CheckpointError: It holds no fine-tuned model, or one that is damaged.
    """
    if not (directory / FACTS).is_file():
        raise CheckpointError(f"{directory} {_instead(directory)}")
    content = read_sealed(directory / FACTS)
    if content.get("schema", SCHEMA) > SCHEMA:
        raise CheckpointError(f"{directory} is of a later gpteval: upgrade")
    try:
        facts = convert(content, Facts)
    except ValueError:
        raise _damaged(directory, FACTS) from None
    for name, checksum in facts.files.items():
        try:
            whole = str(file_checksum(directory / name)) == checksum
        except OSError:
            whole = False
        if not whole:
            raise _damaged(directory, name)
    return facts


def check_place(directory: Path, key: str) -> bool:
    """Whether the model of a result is in a directory already; else one can be written there.

    Raises:
        ConfigError: Something else is there.
        CheckpointError: A model that is damaged is there.
        ResultError: Nothing can be written there.
    """
    if (directory / FACTS).is_file():
        facts = read_facts(directory)
        if facts.key == key:
            return True
        what = f"a model of {facts.task.name} that was trained otherwise"
        raise ConfigError(f"{directory} holds {what}: name another directory, or remove it")
    with suppress(OSError):
        directory.rmdir()  # an empty one: a kill may have come in the midst of trying, below
    if directory.exists():
        raise ConfigError(f"{directory} is there and no model: name another directory")
    with writing(directory), replacing(directory) as partial:
        partial.mkdir()
    remove(directory)
    return False


def _checksums(directory: Path) -> dict[str, str]:
    """Path below a directory → the file's checksum; each may then be read by others too."""
    files = [path for path in matching(directory, "**/*") if path.is_file()]
    for path in files:
        path.chmod(0o644)  # safetensors writes for the owner alone
    return {path.relative_to(directory).as_posix(): str(file_checksum(path)) for path in files}


def _instead(directory: Path) -> str:
    """What a directory is that holds no fine-tuned model, and what to do."""
    if not directory.is_dir():
        return "is no directory: `gpteval run --save-model` writes one"
    below = [path.name for path in folders(directory) if (path / FACTS).is_file()]
    if below:
        return f"holds several fine-tuned models: name one, {directory / below[0]} say"
    return f"holds no fine-tuned model, no {FACTS}: `gpteval run --save-model` writes one"


def _damaged(directory: Path, name: str) -> CheckpointError:
    return CheckpointError(
        f"{directory} is damaged: {name} is not what was written; copy it again, or remove it and "
        "run again"
    )
