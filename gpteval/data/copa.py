"""COPA: `copa-dev.xml` and `copa-test.xml`, one `item` per question.

The files name a DTD that is not shipped with them. It is not resolved, and nothing is expanded: a
file that declares or uses an entity of its own is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from gpteval.data.raw import Layout, RawRow, broken, read_bytes

TEXTS = ("p", "a1", "a2")


def read_copa(path: Path, wanted: Layout) -> Iterator[RawRow]:
    """Every item: its attributes (id, asks-for, most-plausible-alternative) and p, a1, a2.

    Raises:
        DataError: Not well-formed XML, an entity declaration, no items, or an item without one of
            the columns, with file:line.
    """
    items = _Items(path)
    items.parse()
    for fields, line in items.found:
        missing = [c for c in wanted.columns if c not in fields]
        if missing:
            raise broken(path, line, f"an item without {missing[0]!r}; it has {', '.join(fields)}")
        yield RawRow(fields, str(path), line)
    if not items.found:
        raise broken(path, 1, "no items; expected <item> elements in <copa-corpus>")


class _Items:
    """Collects the items of one file and the lines they begin on."""

    def __init__(self, path: Path) -> None:
        self.found: list[tuple[dict[str, str], int]] = []
        self._path = path
        self._open = ""
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._refuse_declaration
        self._parser.SkippedEntityHandler = self._refuse_entity

    def parse(self) -> None:
        """Read the whole file."""
        try:
            self._parser.Parse(read_bytes(self._path), True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise broken(self._path, error.lineno, f"bad XML: {reason}") from None
        except (LookupError, ValueError) as error:  # of an encoding that the file declares
            raise broken(self._path, 1, f"bad XML: {error}; convert the file to UTF-8") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "item":
            self.found.append((dict(attributes), self._parser.CurrentLineNumber))
        elif name in TEXTS and self.found:
            self._open = name
            self.found[-1][0][name] = ""

    def _text(self, data: str) -> None:
        if self._open:
            self.found[-1][0][self._open] += data

    def _end(self, name: str) -> None:
        self._open = ""

    def _refuse_declaration(self, name: str, *_: object) -> None:
        raise self._error(f"declares the entity {name!r}, which is not expanded")

    def _refuse_entity(self, name: str, is_parameter: bool) -> None:
        raise self._error(f"uses the entity {name!r}, whose declaration is not read")

    def _error(self, problem: str) -> Exception:
        return broken(self._path, self._parser.CurrentLineNumber, problem)
