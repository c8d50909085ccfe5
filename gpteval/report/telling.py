"""How an example is told wherever it is shown."""

from __future__ import annotations

from typing import Any

from gpteval.task import Example

LONGEST = 300
"""Characters of a text that are shown on the page."""


def told(value: Any) -> str:
    """An answer or a label in words."""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def texts_of(example: Example | None, longest: int = LONGEST) -> tuple[str, ...]:
    """An example's texts, each cut to what is read at a glance; both orders of a pair once."""
    if example is None:
        return ()
    sequences = example.sequences
    if len({frozenset(own) for own in sequences}) == 1:
        sequences = sequences[:1]
    texts = (example.context, *(" | ".join(own) for own in sequences))
    flat = (" ".join(text.split()) for text in texts)
    return tuple(t if len(t) <= longest else f"{t[:longest]}…" for t in flat if t)
