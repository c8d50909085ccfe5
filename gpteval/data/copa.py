"""COPA: `copa-dev.xml` and `copa-test.xml`, one `item` per question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gpteval.data.raw import Layout, RawRow, broken
from gpteval.data.xml import read_elements

TEXTS = ("p", "a1", "a2")


def read_copa(path: Path, wanted: Layout) -> Iterator[RawRow]:
    """Every item: its attributes (id, asks-for, most-plausible-alternative) and p, a1, a2.

    Raises:
        DataError: Not well-formed XML, an entity declaration, no items, or an item without one of
            the columns, with file:line.
    """
    items = read_elements(path, "item", TEXTS)
    for item in items:
        fields = item.attributes | {name: texts[-1] for name, texts in item.texts.items()}
        missing = [c for c in wanted.columns if c not in fields]
        if missing:
            raise broken(
                path, item.line, f"an item without {missing[0]!r}; it has {', '.join(fields)}"
            )
        yield RawRow(fields, str(path), item.line)
    if not items:
        raise broken(path, 1, "no items; expected <item> elements in <copa-corpus>")
