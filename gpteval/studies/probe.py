"""Zero-shot scores of a model while it is pre-trained: what each point of its curve can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpteval.config import PROBED_ROWS
from gpteval.errors import ConfigError, DataError
from gpteval.methods.asked import Asked
from gpteval.methods.zeroshot import read, scorable
from gpteval.progress import Progress, Silent
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.data.rows import SplitRows
    from gpteval.model import Model, Tokenizer


@dataclass(frozen=True, slots=True)
class Probes:
    """What a model in training is asked, whatever its tokenizer.

    Attributes:
        rows: Every task with its rows; the last split is the scored one.
    """

    rows: Sequence[tuple[Task, Mapping[str, SplitRows]]]

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
        asked = [_asked(task, rows, tokenizer, context) for task, rows in self.rows]

        def scores(model: Model) -> dict[str, float]:
            from gpteval.score.metrics import headline

            return {
                each.task.name: headline(each.task, each.answers(model, machine, Silent())[0])
                for each in asked
            }

        return scores


def read_probes(names: Sequence[str], data_dir: str, progress: Progress) -> Probes:
    """Read the first `PROBED_ROWS` rows of what is scored.

    Args:
        names: Tasks and groups.
        data_dir: Directory of official files; "" for $GPTEVAL_DATA, else the bundled samples.
        progress: Told what was read.

    Raises:
        UnknownNameError: A name that nobody registered.
        ConfigError: A task without a heuristic.
        DataError: A split that is not there, or a row that can't be read.
    """
    tasks, without = scorable(names)
    if without:
        raise ConfigError(
            f"no likelihood heuristic is known for {', '.join(without)}: leave out of --probe "
            "what has none"
        )
    from gpteval.data.rows import Origin, origin

    rows_from = origin(data_dir)
    if rows_from.kind == "hub":
        rows_from = Origin("sample")
    found = [(task, read(task, rows_from, PROBED_ROWS)) for task in tasks]
    scored = [list(rows.values())[-1] for _, rows in found]
    told = ", ".join(f"{each.task} ({len(each.rows)} rows of {each.split})" for each in scored)
    progress.say(f"asked on the way, from {rows_from.directory or 'the samples'}: {told}")
    return Probes(found)


def _asked(task: Task, rows: Mapping[str, SplitRows], tokenizer: Tokenizer, context: int) -> Asked:
    """The task's prompts as the model reads them.

    Raises:
        DataError: As `Asked`'s, with the option that brought it up.
    """
    try:
        return Asked(task, rows, tokenizer, context)
    except DataError as error:
        raise DataError(f"--probe {task.name} with --context {context}: {error}") from None
