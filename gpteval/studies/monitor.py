"""Zero-shot scores of a model while it is pre-trained: what each point of its curve can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpteval.config import MONITORED_ROWS
from gpteval.data.examples import prompts_of
from gpteval.errors import ConfigError, DataError
from gpteval.methods.outcome import Asked
from gpteval.methods.questions import Questions, asked_splits
from gpteval.methods.zeroshot import scorable
from gpteval.paths import PathLike
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.data.rows import SplitRows
    from gpteval.model import Model, Tokenizer


@dataclass(frozen=True, slots=True)
class Monitors:
    """What a model in training is asked, whatever its tokenizer.

    Attributes:
        rows: Every task with the rows of its splits and the name of the scored one.
    """

    rows: Sequence[tuple[Task, Mapping[str, SplitRows], str]]

    def encoded(
        self, tokenizer: Tokenizer, context: int, machine: Machine
    ) -> Callable[[Model], dict[str, float]]:
        """What scores a model of this tokenizer: task → its headline metric.

        Args:
            tokenizer: The model's.
            context: Most tokens it reads.
            machine: Where it computes, and how precisely.

        Raises:
            DataError: A row that makes no prompt, or one that is too long for the model.
        """
        questions = [_questions(*own, tokenizer, context) for own in self.rows]

        def scores(model: Model) -> dict[str, float]:
            from gpteval.score.metrics import headline

            return {
                own.task.name: headline(own.task, own.answers(model, machine, Silent())[0])
                for own in questions
            }

        return scores


def read_monitors(
    names: Sequence[str], data_dir: PathLike | Sequence[PathLike], progress: Progress
) -> Monitors:
    """Read the first `MONITORED_ROWS` rows of what is scored.

    Args:
        names: Tasks and groups.
        data_dir: Directories of official files; () for $GPTEVAL_DATA, else the bundled samples.
        progress: Told what was read.

    Raises:
        UnknownNameError: A name that nobody registered.
        ConfigError: A task without a heuristic that was named by itself.
        DataError: A split that is not there, or a row that can't be read, likewise; of a group
            such tasks are left out.
    """
    tasks, without = scorable(names)
    asked, known = Asked(names, progress), registry().tasks()
    if named := [name for name in without if asked.by_itself(known[name])]:
        raise ConfigError(
            f"no likelihood heuristic is known for {', '.join(named)}: leave out of --watch "
            "what has none"
        )
    from gpteval.data.rows import Origin, load_split, origin

    rows_from = origin(data_dir)
    if rows_from.kind == "hub":
        rows_from = Origin("sample")
    watched: list[tuple[Task, Mapping[str, SplitRows], str]] = []
    for task in tasks:
        with asked.attempt(task):
            splits = asked_splits(task, rows_from)
            rows = {split: load_split(task, split, rows_from, MONITORED_ROWS) for split in splits}
            watched.append((task, rows, splits[-1]))
    asked.refuse_none(watched)
    scored = [rows[split] for _, rows, split in watched]
    told = ", ".join(f"{rows.task} ({len(rows.rows)} rows of {rows.split})" for rows in scored)
    places = ", ".join(map(str, rows_from.directories)) or "the samples"
    progress.say(f"asked on the way, from {places}: {told}")
    return Monitors(watched)


def _questions(
    task: Task, rows: Mapping[str, SplitRows], split: str, tokenizer: Tokenizer, context: int
) -> Questions:
    """The task's prompts as the model reads them.

    Raises:
        DataError: As `Questions` raises it, with the option that brought it up.
    """
    try:
        prompts = {name: prompts_of(task, own) for name, own in rows.items()}
        return Questions(task, rows, prompts, split, tokenizer, context)
    except DataError as error:
        raise DataError(f"--watch {task.name} with --context {context}: {error}") from None
