"""What a task asks a model by likelihood, and the model's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gpteval.data.raw import made
from gpteval.progress import Progress
from gpteval.records import Prediction
from gpteval.task import Label, Task

if TYPE_CHECKING:
    from gpteval.compute.cost import Work
    from gpteval.compute.device import Machine
    from gpteval.data.rows import SplitRows
    from gpteval.encode.batch import Encoded
    from gpteval.encode.prompts import EncodedPrompt, Path
    from gpteval.model import Model, Tokenizer


class Asked:
    """What one task asks a model, as the model reads it.

    Attributes:
        task: Whose prompts.
        split: The scored one.
        prompts, encoded: Of every split, in file order.
    """

    def __init__(
        self, task: Task, rows: Mapping[str, SplitRows], tokenizer: Tokenizer, context: int
    ) -> None:
        """`rows` as `read` gives them: the last split is the scored one.

        Raises:
            DataError: A row that makes no prompt, or one that is too long for the model.
        """
        from gpteval.encode.prompts import encode_prompts

        make = task.prompt
        assert make is not None  # `scorable` leaves out tasks without
        self.task, self.split = task, list(rows)[-1]
        self.prompts = {
            split: [made(task, row, make) for row in found.rows] for split, found in rows.items()
        }
        self.encoded = {
            split: encode_prompts(prompts, tokenizer, context)
            for split, prompts in self.prompts.items()
        }

    @property
    def train_labels(self) -> list[Label]:
        """Gold labels of the training split, if it is read."""
        return [prompt.label for prompt in self.prompts.get("train", ())]

    def answers(
        self,
        model: Model,
        machine: Machine,
        progress: Progress,
        read: Work | None = None,
        note: str = "",
    ) -> tuple[list[Prediction], dict[str, float]]:
        """A model's predictions of the scored split, and the threshold where the rule fits one.

        Args:
            model: Moved to the machine's device, and left in evaluation mode.
            machine: Where and how precisely to compute.
            progress: Told where the scoring stands.
            read: Adds up what is computed.
            note: Stands after the splits' names on the screen.
        """
        from gpteval.score.heuristics import fit_threshold, mean_scores, predict
        from gpteval.score.likelihood import score_prompts

        def done(trees: Sequence[Encoded]) -> None:
            if read is not None:
                read.add(trees)
            # Trees come longest first: tokens tell the time left, trees would not.
            progress.advance(sum(each.tree.tokens_read for each in trees))

        model.to(machine.device)
        found, scoring = {}, machine.scoring()
        for split, asked in self.encoded.items():
            tokens = sum(len(path.tokens) - 1 for path in paths_of(asked))
            progress.begin(f"{self.task.name} · {split}{note}", tokens)
            found[split] = score_prompts(model, asked, autocast=scoring, done=done)
            progress.end()
        prompts = self.prompts[self.split]
        if self.task.rule != "threshold":
            return predict(self.task, prompts, found[self.split]), {}
        threshold = fit_threshold(self.task, self.train_labels, mean_scores(found["train"]))
        predictions = predict(self.task, prompts, found[self.split], threshold)
        return predictions, {"threshold": round(threshold, 6)}


def paths_of(prompts: Sequence[EncodedPrompt]) -> list[Path]:
    """What is computed for these prompts; a path that occurs again in its tree is computed once."""
    from gpteval.score.likelihood import trees_of

    return [path for tree in trees_of(prompts) for path in tree]
