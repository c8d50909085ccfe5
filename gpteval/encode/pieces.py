"""Texts to token ids as they have them where they stand, behind another text.

These are the ids of the text before and itself together, less as many as the text before has alone
(as lm-evaluation-harness does it). For GPT-1's encoding, which never looks across a blank, that is
`encode(text)`; a byte-level encoding keeps the blank at the beginning of its first token. No
encoding of words looks further back than the word before, so that word stands in for the whole text
before.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from gpteval.encode import cache
from gpteval.errors import ExampleError, GptevalError
from gpteval.model import Tokenizer

CLOSING = ".,;:!?"
"""Marks that stand against the word before them."""

Piece = tuple[str, str]
"""The word before a text, and the text."""


def join(before: str, text: str) -> str:
    """Two texts as one."""
    blank = "" if not before or text[:1] in CLOSING else " "
    return f"{before}{blank}{text}"


def last_word(text: str) -> str:
    """What stands in for a text that another one follows."""
    return text.rsplit(" ", 1)[-1]


def encode_pieces(
    tokenizer: Tokenizer, examples: Iterable[Iterable[Piece]]
) -> dict[Piece, list[int]]:
    """Ids of every piece's text, each distinct text encoded once.

    Args:
        tokenizer: Of the model.
        examples: The pieces of each, in the order of the split.

    Raises:
        ExampleError: A text that the tokenizer fails at: it has no token for what it doesn't know.
    """
    own = [list(pieces) for pieces in examples]
    wanted = dict.fromkeys(chain.from_iterable(own))
    texts = dict.fromkeys(part for piece in wanted for part in _texts(piece))
    try:
        encoded = cache.encode(tokenizer, list(texts))
    except GptevalError:
        raise
    except Exception as error:  # whatever a stranger's tokenizer raises; `tokenizers` bare ones
        raise _unreadable(tokenizer, own, error) from error
    ids = dict(zip(texts, encoded, strict=True))
    return {(word, text): ids[join(word, text)][len(ids[word]) :] for word, text in wanted}


def _texts(piece: Piece) -> tuple[str, str]:
    """What is encoded for a piece: the word before it, and both."""
    word, text = piece
    return word, join(word, text)


def _unreadable(
    tokenizer: Tokenizer, examples: Iterable[Iterable[Piece]], error: Exception
) -> ExampleError:
    """What to tell of the first example that the tokenizer fails at."""
    texts = ((n, text) for n, own in enumerate(examples) for p in own for text in _texts(p))
    place, text = next((found for found in texts if _fails(tokenizer, found[1])), (0, ""))
    word = next((word for word in text.split() if _fails(tokenizer, word)), text)
    return ExampleError(
        place,
        f"the model's tokenizer can't read {word!r:.40} ({error}): give it a token for what it "
        "doesn't know, or leave the row out",
    )


def _fails(tokenizer: Tokenizer, text: str) -> bool:
    try:
        tokenizer.encode([text])
    except Exception:  # whatever it raises
        return True
    return False
