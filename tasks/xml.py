"""Small XML files: the texts of named elements, with the lines they stand on.

A file may name a DTD that is not shipped with it. It is not resolved, and nothing is expanded: a
file that declares or uses an entity of its own is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from gpteval import DataError


@dataclass(frozen=True, slots=True)
class Element:
    """One element that stands for a row.

    Attributes:
        attributes: Its own.
        line: Where it begins.
        texts: Name → texts of the elements of that name inside it, in their order.
    """

    attributes: dict[str, str]
    line: int
    texts: dict[str, list[str]] = field(default_factory=dict)


def read_elements(path: Path, name: str, texts: Collection[str]) -> list[Element]:
    """Every element called `name`, with the texts of the elements inside it called as in `texts`.

    Raises:
        DataError: Not well-formed XML, or an entity declaration, with file:line.
    """
    reader = _Reader(path, name, texts)
    reader.parse()
    return reader.items


class _Reader:
    """Collects the elements of one file."""

    def __init__(self, path: Path, name: str, texts: Collection[str]) -> None:
        self.items: list[Element] = []
        self._path, self._name, self._texts = path, name, texts
        self._open: list[tuple[list[str], int] | None] = []
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._refuse_declaration
        self._parser.SkippedEntityHandler = self._refuse_entity

    def parse(self) -> None:
        """Read the whole file."""
        try:
            self._parser.Parse(self._path.read_bytes(), True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise DataError.at(self._path, error.lineno, f"bad XML: {reason}") from None
        except (LookupError, ValueError) as error:  # of an encoding that the file declares
            raise DataError.at(
                self._path, 1, f"bad XML: {error}; convert the file to UTF-8"
            ) from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        # What stands in an element with no name of its own here (<b>) is its parent's text.
        text = self._open[-1] if self._open else None
        if name == self._name:
            self.items.append(Element(dict(attributes), self._parser.CurrentLineNumber))
        elif name in self._texts and self.items:
            texts = self.items[-1].texts.setdefault(name, [])
            text = texts, len(texts)
            texts.append("")
        self._open.append(text)

    def _text(self, data: str) -> None:
        if self._open and self._open[-1]:
            texts, place = self._open[-1]
            texts[place] += data

    def _end(self, name: str) -> None:
        self._open.pop()

    def _refuse_declaration(self, name: str, *_: object) -> None:
        raise self._error(f"declares the entity {name!r}, which is not expanded")

    def _refuse_entity(self, name: str, is_parameter: bool) -> None:
        raise self._error(f"uses the entity {name!r}, whose declaration is not read")

    def _error(self, problem: str) -> Exception:
        return DataError.at(self._path, self._parser.CurrentLineNumber, problem)
