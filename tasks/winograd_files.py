"""Winograd schemas: Rahman & Ng's text files, and the collection of 273 in XML.

Both become rows of one shape: `before` and `after` the pronoun, the `pronoun`, two `candidates`,
and `answer`, the index of the right one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval import DataError

if TYPE_CHECKING:
    from gpteval_tasks.xml import Element


TEXTS = ("txt1", "pron", "txt2", "answer", "correctAnswer")
LINES = ("sentence", "pronoun", "candidates", "answer")


def read_dpr(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Blocks of four lines: sentence, pronoun, two candidates with a comma, the right one.

    Where the pronoun occurs more than once the file does not say which is meant: the first after
    both candidates were named, else the first.

    Raises:
        DataError: Not UTF-8, no blocks, a block of other than four lines, other than two
            candidates, an answer that is neither, a sentence without the pronoun; with file:line.
    """
    schemas = 0
    for line, block in _blocks(path.read_bytes().decode("utf-8")):
        yield line, _row(_split(path, line, block))
        schemas += 1
    if not schemas:
        raise DataError.at(path, 1, f"no schemas; expected blocks of {', '.join(LINES)}")


def read_wsc(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every `schema`: `txt1`, `pron`, `txt2`, two `answer`s, `correctAnswer` A or B.

    Raises:
        DataError: Not well-formed XML, no schemas, a schema without one of these; with file:line.
    """
    from gpteval_tasks.xml import read_elements

    schemas = read_elements(path, "schema", TEXTS)
    for schema in schemas:
        yield schema.line, _row(_parts(path, schema))
    if not schemas:
        raise DataError.at(path, 1, "no schemas; expected <schema> elements in <collection>")


Parts = tuple[str, str, str, Sequence[str], int]
"""Before the pronoun, the pronoun, after it, the candidates, the right one's index."""


def _row(parts: Parts) -> dict[str, Any]:
    before, pronoun, after, candidates, answer = parts
    return {
        "before": before,
        "pronoun": pronoun,
        "after": after,
        "candidates": list(candidates),
        "answer": str(answer),
    }


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines that are not blank, each with the number of its first line."""
    block: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.strip():
            block.append(line.strip())
        elif block:
            yield number - len(block), block
            block = []


def _split(path: Path, line: int, block: Sequence[str]) -> Parts:
    if len(block) != len(LINES):
        raise DataError.at(
            path, line, f"a schema of {len(block)} lines, expected four: {', '.join(LINES)}"
        )
    sentence, pronoun, named, answer = block
    candidates = [name.strip() for name in named.split(",")]
    if len(candidates) != 2:
        raise DataError.at(
            path, line + 2, f"{len(candidates)} candidates, expected two with a comma"
        )
    if answer not in candidates:
        raise DataError.at(
            path, line + 3, f"answer {answer!r} is neither of {', '.join(candidates)}"
        )
    places = [m.span() for m in re.finditer(rf"\b{re.escape(pronoun)}\b", sentence)]
    if not places:
        raise DataError.at(path, line + 1, f"the pronoun {pronoun!r} is not in the sentence")
    named_at = max(sentence.lower().find(name.lower()) for name in candidates)
    start, stop = next((place for place in places if place[0] > named_at), places[0])
    before, after = sentence[:start].strip(), sentence[stop:].strip()
    return before, pronoun, after, candidates, candidates.index(answer)


def _parts(path: Path, schema: Element) -> Parts:
    texts = {
        name: [" ".join(text.split()) for text in schema.texts.get(name, [])] for name in TEXTS
    }
    missing = [name for name in TEXTS if not texts[name]]
    if missing:
        raise DataError.at(path, schema.line, f"a schema without <{missing[0]}>")
    if len(texts["answer"]) != 2:
        raise DataError.at(path, schema.line, f"{len(texts['answer'])} answers, expected two")
    right = texts["correctAnswer"][0].strip(" .")
    if right not in ("A", "B"):
        raise DataError.at(path, schema.line, f"unknown label {right!r}, expected A or B")
    before, pronoun, after = (texts[name][0] for name in TEXTS[:3])
    return before, pronoun, after, texts["answer"], "AB".index(right)
