"""Texts to the token paths that a frozen model reads: nothing is added but what begins a document.

A text's ids are those it has where it stands (`gpteval.encode.pieces`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise, takewhile

from gpteval.encode.pieces import Piece, encode_pieces, join, last_word
from gpteval.errors import ExampleError
from gpteval.model import Tokenizer
from gpteval.task import Example, Task

Text = tuple[str, str]
"""What is given, "" for nothing, and the text that is asked about."""


@dataclass(frozen=True, slots=True)
class Read:
    """Tokens to read, of which those from `begin` on are the text that is asked about.

    Attributes:
        tokens: From the document's beginning; the tokenizer's start token where it has one.
        begin: Place of the text's first token.
    """

    tokens: tuple[int, ...]
    begin: int


def texts_of(task: Task, example: Example) -> list[tuple[Text, ...]]:
    """What is read of each of an example's sequences.

    The answers of a choice are read where they stand, after what is given; of anything else each
    text by itself: the last segment, and what is before it, if anything is.
    """
    sequences: list[tuple[Text, ...]] = []
    for *before, last in example.sequences:
        parts = [text.strip() for text in (example.context, *before) if text.strip()]
        given, asked = reduce(join, parts, ""), last.strip()
        apart = (("", given), ("", asked)) if given else (("", asked),)
        sequences.append(((given, asked),) if task.kind == "choose" else apart)
    return sequences


def encode_texts(
    examples: Iterable[Sequence[Text]], tokenizer: Tokenizer, context: int
) -> list[list[Read]]:
    """Encode the texts of every example.

    What is too long is cut at the end: what is given, and where that is not enough the text.

    Args:
        examples: In the order of the split.
        tokenizer: Of the model.
        context: Most tokens of one path.

    Raises:
        ExampleError: A text without a token, or one that the tokenizer can't read.
    """
    own = [list(texts) for texts in examples]
    ids = encode_pieces(tokenizer, ([p for text in texts for p in _pieces(text)] for texts in own))
    start = () if tokenizer.start is None else (tokenizer.start,)
    reads = []
    for place, texts in enumerate(own):
        pairs = [[ids[piece] for piece in _pieces(text)] for text in texts]
        if not all(last for _, last in pairs):
            raise ExampleError(
                place, "a text has no token after encoding: mend the row, or leave it out"
            )
        reads.append([_read(start, given, last, context) for given, last in pairs])
    return reads


def surfaces(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[str]:
    """What each token adds to the text that they decode to; together they are that text.

    A character that several tokens make stands with the last of them.
    """
    whole, ends = tokenizer.decode(tokens), [0]
    for count in range(1, len(tokens) + 1):
        pairs = zip(tokenizer.decode(tokens[:count]), whole, strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        ends.append(max(ends[-1], shared))
    return [whole[start:end] for start, end in pairwise(ends)]


def _pieces(text: Text) -> tuple[Piece, Piece]:
    """The text where it stands, behind what is given."""
    given, last = text
    return ("", given), (last_word(given), last)


def _read(start: Sequence[int], given: Sequence[int], last: Sequence[int], context: int) -> Read:
    room = context - len(start)
    last = last[:room]
    before = [*start, *given[: room - len(last)]]
    return Read((*before, *last), len(before))
