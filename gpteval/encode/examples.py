"""Examples to token trees: start, segments, delimiters and extract token, cut to the context.

The three special tokens are new embeddings that fine-tuning adds to the model (paper §3.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from gpteval.encode.batch import Encoded
from gpteval.encode.pieces import Piece, encode_pieces, last_word
from gpteval.errors import DataError, ExampleError
from gpteval.model import Tokenizer
from gpteval.task import Example, Task
from gpteval.tree import fold


@dataclass(frozen=True, slots=True)
class Specials:
    """Ids of the added tokens."""

    start: int
    delimiter: int
    extract: int

    COUNT = 3

    @classmethod
    def after(cls, first: int) -> Specials:
        """The three ids from `first` on, as `Model.add_tokens(Specials.COUNT)` gave it."""
        return cls(first, first + 1, first + 2)


def encode_examples(
    examples: Sequence[Example],
    task: Task | None,
    tokenizer: Tokenizer,
    specials: Specials,
    context: int,
    *,
    share: bool = True,
) -> list[Encoded]:
    """Encode a split.

    Args:
        examples: In file order.
        task: Decides the targets; None where nobody trains on these.
        tokenizer: Of the model.
        specials: Ids of the added tokens.
        context: Most tokens of one sequence.
        share: Store common prefixes once; False keeps an example's sequences apart.

    Raises:
        ExampleError: A sequence without text, or one that the tokenizer can't read.
        DataError: A label that the task does not have.
    """
    encoded = []
    for index, (example, cut, segments) in enumerate(_pieces(examples, tokenizer)):
        sequences = [_sequence(cut, parts, specials, context) for parts in segments]
        tree = fold(sequences) if share else fold(sequences, min_shared=context + 1)
        soft = () if task is None else target(task, example)
        encoded.append(Encoded(example.id, tree, soft, index))
    return encoded


def check_examples(examples: Sequence[Example], tokenizer: Tokenizer) -> None:
    """Find out whether `encode_examples` can encode a split; raises as it does.

    Args:
        examples: In file order.
        tokenizer: Of the model; the ids of whole splits are kept for the encoding to come.
    """
    for _ in _pieces(examples, tokenizer):
        pass


def _pieces(
    examples: Sequence[Example], tokenizer: Tokenizer
) -> Iterator[tuple[Example, list[int], list[list[list[int]]]]]:
    """Every example with the ids of its context and of the segments of its sequences."""
    ids = encode_pieces(tokenizer, map(_texts, examples))
    for index, example in enumerate(examples):
        cut = ids["", example.context.strip()]
        segments = [[ids[piece] for piece in own] for own in _segments(example)]
        if not cut and not all(map(any, segments)):
            problem = f"example {example.id} has no text left after encoding"
            raise ExampleError(index, f"{problem}: mend the row, or leave it out")
        yield example, cut, segments


def target(task: Task, example: Example) -> tuple[float, ...]:
    """Soft target of an example: over labels, whole scores, or sequences; () without a label.

    A regression label y becomes a distribution over the two whole scores beside it whose mean is
    y ([C] `stsb_label_encoding`, Tai et al. 2015).

    Raises:
        DataError: A label that the task does not have.
    """
    label = example.label
    if label is None:
        return ()
    if task.kind == "regress":
        return _between(task, float(label), example.id)
    if task.kind == "choose":
        classes: Sequence[str | int] = range(len(example.sequences))
    else:
        classes = task.labels
    if label not in classes:
        raise DataError(
            f"{task.name}: example {example.id} has label {label!r}, expected one of "
            f"{', '.join(map(str, classes))}"
        )
    return tuple(float(label == c) for c in classes)


def _between(task: Task, score: float, example_id: str) -> tuple[float, ...]:
    low, high = task.scale
    if not low <= score <= high:
        raise DataError(
            f"{task.name}: example {example_id} has score {score}, expected {low} to {high}"
        )
    below = min(math.floor(score), high - 1)
    weights = [0.0] * task.outputs
    weights[below - low + 1] = score - below
    weights[below - low] = 1 - (score - below)
    return tuple(weights)


def _texts(example: Example) -> Iterator[Piece]:
    """All texts to encode for an example."""
    yield "", example.context.strip()
    yield from chain.from_iterable(_segments(example))


def _segments(example: Example) -> list[list[Piece]]:
    """The segments of its sequences: the first of each follows the context as text follows text."""
    context = example.context.strip()
    if not context:
        return [[("", text) for text in sequence] for sequence in example.sequences]
    word = last_word(context)
    return [
        [(word, first.strip()), *(("", text) for text in others)]
        for first, *others in example.sequences
    ]


def _sequence(
    context_ids: list[int],
    segments: list[list[int]],
    specials: Specials,
    limit: int,
) -> list[int]:
    """start, context, first segment, delimiter, second segment, …, extract; at most `limit`."""
    room = limit - len(segments) - 1 - sum(map(len, segments))
    if room < 0:
        segments, room = _shortened(segments, limit - len(segments) - 1), 0
    tokens = [specials.start, *context_ids[:room]]
    for number, segment in enumerate(segments):
        tokens += [specials.delimiter, *segment] if number else segment
    return [*tokens, specials.extract]


def _shortened(segments: list[list[int]], room: int) -> list[list[int]]:
    """Cut the ends of the longest segments until all fit into `room` tokens together."""
    lengths = [len(s) for s in segments]
    longest = max(lengths)
    while sum(min(n, longest) for n in lengths) > room:
        longest -= 1
    return [s[:longest] for s in segments]
