"""What a task asks a model by likelihood, and the model's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gpteval.data.examples import located
from gpteval.progress import Progress
from gpteval.records import Prediction
from gpteval.task import Label, Prompt, Task

if TYPE_CHECKING:
    from gpteval.compute.cost import Work
    from gpteval.compute.device import Machine
    from gpteval.data.rows import Origin, SplitRows
    from gpteval.encode.batch import Encoded
    from gpteval.model import Model, Tokenizer


def asked_splits(task: Task, rows_from: Origin) -> tuple[str, ...]:
    """The headline split, and before it the training split where a threshold is fitted on it."""
    from gpteval.data.rows import scored_splits

    headline = scored_splits(task, rows_from)[-1]
    return ("train", headline) if task.rule == "threshold" else (headline,)


class Questions:
    """What one task asks a model, as the model reads it.

    Attributes:
        task: Whose prompts.
        split: The scored one.
        prompts: Of every split, in file order.
        trees: Of every split: what is computed, made once for any number of models.
    """

    def __init__(
        self,
        task: Task,
        rows: Mapping[str, SplitRows],
        prompts: Mapping[str, Sequence[Prompt]],
        split: str,
        tokenizer: Tokenizer,
        context: int,
    ) -> None:
        """Encode the prompts.

        Args:
            task: One with prompts.
            rows: Of its `asked_splits`, for where a prompt that can't be read stands.
            prompts: What `prompts_of` makes of them.
            split: The scored one of them.
            tokenizer: The model's.
            context: Most tokens the model reads.

        Raises:
            DataError: One that is too long for the model, or has nothing to score.
        """
        from gpteval.encode.prompts import encode_prompts
        from gpteval.score.likelihood import fold_prompts

        self.task, self.split, self.prompts = task, split, prompts
        self.trees = {}
        for name, own in prompts.items():
            with located(task, rows[name]):
                self.trees[name] = fold_prompts(encode_prompts(own, tokenizer, context))

    @property
    def train_labels(self) -> list[Label]:
        """Gold labels of the training split, if it is read."""
        return [prompt.label for prompt in self.prompts.get("train", ())]

    @property
    def scored_tokens(self) -> int:
        """Tokens whose likelihood is asked for, of all splits; each path of a tree once."""
        paths = [path for trees in self.trees.values() for tree in trees.paths for path in tree]
        return sum(len(path.tokens) - path.begin for path in paths)

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
            progress.advance(_tokens(trees))

        model.to(machine.device)
        likelihoods, scoring = {}, machine.scoring()
        for split, trees in self.trees.items():
            progress.begin(f"{self.task.name} · {split}{note}", _tokens(trees.folded))
            likelihoods[split] = score_prompts(model, trees, autocast=scoring, done=done)
            progress.end()
        prompts, scored = self.prompts[self.split], likelihoods[self.split]
        if self.task.rule != "threshold":
            return predict(self.task, prompts, scored), {}
        trained = mean_scores(likelihoods["train"])
        threshold = fit_threshold(self.task, self.train_labels, trained)
        predictions = predict(self.task, prompts, scored, threshold)
        return predictions, {"threshold": round(threshold, 6)}


def _tokens(trees: Sequence[Encoded]) -> int:
    return sum(encoded.tree.tokens_read for encoded in trees)
