"""What a model reads of a task: examples and prompts, as text, and what of them is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpteval.data.examples import examples_of, located, prompts_of
from gpteval.data.rows import Origin, load_split, scored_splits
from gpteval.data.verify import SplitReport, lacking, verify, with_trained
from gpteval.errors import DataError
from gpteval.task import Task

if TYPE_CHECKING:
    from gpteval.data.rows import SplitRows
    from gpteval.encode.batch import Encoded
    from gpteval.encode.examples import Specials
    from gpteval.model import Loaded, Tokenizer
    from gpteval.task import Example

SHOWN = 3
"""Examples of a split that are shown."""


@dataclass(frozen=True, slots=True)
class Preview:
    """One row as the model reads it.

    Attributes:
        split, id, label: Which row, and its gold label.
        sequences: For fine-tuning: each sequence, the added tokens as [start], [delimiter] and
            [extract].
        candidates: For zero-shot: what is given and what is scored, of each candidate; () where the
            task asks nothing.
    """

    split: str
    id: str
    label: str | int | float | None
    sequences: tuple[str, ...]
    candidates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long a split's sequences are to a model.

    Attributes:
        split: Which.
        longest, mean: Tokens of a sequence, added ones included.
        context: Most that the model reads.
        cut: Examples of which something is cut off.
        examples: Of how many.
    """

    split: str
    longest: int
    mean: float
    context: int
    cut: int
    examples: int


class Previewed:
    """A task's headline split, as one model reads it.

    Attributes:
        task, loaded: Which, and the model.
        reports: Of every split, where they were checked.
    """

    def __init__(
        self, task: Task, rows_from: Origin, loaded: Loaded, reports: Sequence[SplitReport] = ()
    ) -> None:
        """Read the split and make its examples.

        Raises:
            DataError: A row that can't be read, with file and line.
        """
        self.task, self.loaded, self.reports = task, loaded, reports
        self.rows: SplitRows = load_split(task, scored_splits(task, rows_from)[-1], rows_from)
        self.examples = examples_of(task, self.rows)

    @classmethod
    def checked(cls, task: Task, rows_from: Origin, loaded: Loaded) -> Previewed:
        """The same, once every split was read and all that a run needs is there.

        Raises:
            DataError: It is not, or a row can't be read.
        """
        reports = list(verify(with_trained([task]), rows_from))
        unread = [report.problem for report in reports if report.state == "unreadable"]
        missing = lacking(task, rows_from, reports)
        if problems := unread + ([missing.problem] if missing else []):
            raise DataError(problems[0])
        return cls(task, rows_from, loaded, reports)

    def lengths(self) -> Lengths:
        """How long its sequences are, uncut."""
        context = self.loaded.model.context
        encoded = self._encoded(self.examples, 1 << 30)
        sizes = [[len(e.tree.path(end)) for end in e.tree.ends] for e in encoded]
        flat = [size for own in sizes for size in own]
        cut = sum(max(own) > context for own in sizes)
        mean = sum(flat) / len(flat)
        return Lengths(self.rows.split, max(flat), mean, context, cut, len(sizes))

    def rows_shown(self) -> Iterator[Preview]:
        """The first rows."""
        examples = self.examples[:SHOWN]
        encoded = self._encoded(examples, self.loaded.model.context)
        asked = self._asked()
        for place, (example, own) in enumerate(zip(examples, encoded, strict=True)):
            tree = own.tree
            texts = [self._text([tree.tokens[i] for i in tree.path(end)]) for end in tree.ends]
            candidates = asked[place] if asked else ()
            split = self.rows.split
            yield Preview(split, example.id, example.label, tuple(texts), candidates)

    def _encoded(self, examples: Sequence[Example], context: int) -> list[Encoded]:
        from gpteval.encode.examples import encode_examples

        with located(self.task, self.rows):
            return encode_examples(
                examples, None, self.loaded.tokenizer, self._specials, context, share=False
            )

    @property
    def _specials(self) -> Specials:
        from gpteval.encode.examples import Specials

        return Specials.after(self.loaded.model.vocab_size)

    def _text(self, ids: Sequence[int]) -> str:
        """Token ids as text, the added tokens by name."""
        names = {
            self._specials.start: "[start]",
            self._specials.delimiter: "[delimiter]",
            self._specials.extract: "[extract]",
        }
        parts: list[str] = []
        run: list[int] = []
        for token in (*ids, self._specials.start):
            if token not in names:
                run.append(token)
                continue
            parts += [self.loaded.tokenizer.decode(run)] if run else []
            parts.append(names[token])
            run = []
        return " ".join(parts[:-1])

    def _asked(self) -> list[tuple[tuple[str, str], ...]]:
        """Given and scored text of the candidates of the first prompts."""
        from gpteval.encode.prompts import encode_prompts

        if self.task.prompt is None:
            return []
        tokenizer, context = self.loaded.tokenizer, self.loaded.model.context
        with located(self.task, self.rows):
            encoded = encode_prompts(prompts_of(self.task, self.rows)[:SHOWN], tokenizer, context)
        return [
            tuple(_parted(tokenizer, path.tokens, path.begin) for path in prompt.paths)
            for prompt in encoded
        ]


def _parted(tokenizer: Tokenizer, tokens: Sequence[int], begin: int) -> tuple[str, str]:
    """What is given and what is scored; a document's start token is no text."""
    given = list(tokens[:begin])
    if given[:1] == [tokenizer.start]:
        given = given[1:]
    return tokenizer.decode(given) if given else "", tokenizer.decode(tokens[begin:])
