"""The words of a text, as every baseline without a language model reads them."""

from __future__ import annotations

import re

WORD = r"(?u)\b\w+\b"
"""A run of letters, digits and underscores."""

_WORD = re.compile(WORD)


def words_of(text: str) -> list[str]:
    """The words of a text in their order, as they are written."""
    return _WORD.findall(text)
