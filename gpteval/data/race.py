"""RACE: one JSON file per article below `middle/` and `high/`; one row per question."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from gpteval.data.raw import Layout, RawRow, broken, read_bytes, undecodable
from gpteval.files import parse_json

LISTS = ("questions", "options", "answers")


def read_race(path: Path, wanted: Layout) -> Iterator[RawRow]:
    """The questions on one article, in the columns that the hub's copy has.

    `example_id` is level and file name ("middle1011.txt"), `answer` the letter. `wanted` is not
    needed: an article has one layout.

    Raises:
        DataError: Not UTF-8, not whole JSON, or a question without its options or answer.
    """
    article = _article(path)
    name = path.parent.name + path.name
    for question, options, answer in zip(*(article[key] for key in LISTS), strict=True):
        fields = {
            "example_id": name,
            "article": article["article"],
            "question": question,
            "options": options,
            "answer": answer,
        }
        yield RawRow(fields, str(path), 1)


def _article(path: Path) -> dict[str, Any]:
    """The file's JSON object, checked: three lists of one length, and the options lists too."""
    try:
        article = parse_json(read_bytes(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise undecodable(path, error.object.count(b"\n", 0, error.start) + 1, error) from None
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise broken(path, line, f"not whole JSON: {error}") from None
    if not isinstance(article, dict) or not {"article", *LISTS} <= article.keys():
        raise broken(path, 1, f"expected an object with article, {', '.join(LISTS)}")
    lists = [article[key] for key in LISTS]
    if not all(isinstance(value, list) for value in chain(lists, article["options"])):
        raise broken(path, 1, f"expected {', '.join(LISTS)} to be lists, and each option list too")
    if len({len(value) for value in lists}) > 1:
        found = ", ".join(f"{len(article[key])} {key}" for key in LISTS)
        raise broken(path, 1, f"a question lacks its options or answer: {found}")
    return article
