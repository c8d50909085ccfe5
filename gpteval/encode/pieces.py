"""Texts to token ids as they have them where they stand, behind another text.

These are the ids of the text before and itself together, less as many as the text before has alone
(as lm-evaluation-harness does it). For GPT-1's encoding, which never looks across a blank, that is
`encode(text)`; a byte-level encoding keeps the blank at the beginning of its first token. No
encoding of words looks further back than the word before, so that word stands in for the whole text
before.
"""

from __future__ import annotations

from collections.abc import Iterable

from gpteval.encode import cache
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


def encode_pieces(tokenizer: Tokenizer, pieces: Iterable[Piece]) -> dict[Piece, list[int]]:
    """Ids of every piece's text, each distinct text encoded once."""
    wanted = dict.fromkeys(pieces)
    texts = dict.fromkeys(part for word, text in wanted for part in (word, join(word, text)))
    ids = dict(zip(texts, cache.encode(tokenizer, list(texts)), strict=True))
    return {(word, text): ids[join(word, text)][len(ids[word]) :] for word, text in wanted}
