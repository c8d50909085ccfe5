"""The documents of a corpus one after another, whatever form they come in.

A text file is a document; so is a line of a JSONL file, a row of a parquet file, a row of a hub
data set. All are read as a stream: memory holds a chunk of a text file, or a line, or a few rows.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from gpteval.corpus.chunks import cut, filled, identity, opened, undecodable, unreadable
from gpteval.errors import DataError
from gpteval.files import parse_json
from gpteval.paths import refuse_special

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

HUB = "hub:"
BLOCK = 1 << 18
"""Bytes of a text file that are read at once."""
ROWS = 64
"""Rows of a parquet file that are read at once: a row may be a whole book."""


class Source(Protocol):
    """What documents are read from."""

    @property
    def name(self) -> str:
        """Its file name, or its reference on the hub."""

    @property
    def identity(self) -> list[str | int]:
        """Changes when its documents do; JSON values."""

    def count(self) -> int:
        """How many documents it has, those without text among them."""

    def documents(self) -> Iterator[tuple[int, Iterator[str]]]:
        """Each document's row from 1 (0 for a text file) and its text in chunks.

        A document may be passed over without taking its chunks, which then costs next to nothing.
        One without text has no chunks.

        Raises:
            DataError: What can't be read, with the file and the line or row.
        """


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file: how it is called and known again."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def identity(self) -> list[str | int]:
        """Path, size and time of change."""
        return identity(self.path)


@dataclass(frozen=True, slots=True)
class RowFile(LocalFile):
    """A file of rows, the text of a document in one field of each."""

    field: str

    @property
    def identity(self) -> list[str | int]:
        """Path, size and time of change, and the field."""
        return [*identity(self.path), self.field]


@dataclass(frozen=True, slots=True)
class TextFile(LocalFile):
    """A document of UTF-8 text: plain, .gz or .zst."""

    def count(self) -> int:
        """One."""
        return 1

    def documents(self) -> Iterator[tuple[int, Iterator[str]]]:
        """The one document; the file is opened when its first chunk is taken."""
        yield 0, cut(self._blocks())

    def _blocks(self) -> Iterator[str]:
        decoder, line, written = getincrementaldecoder("utf-8-sig")(), 1, False
        with opened(self.path) as stream:
            while True:
                content = stream.read(BLOCK)
                try:
                    text = decoder.decode(content, final=not content)
                except UnicodeDecodeError as error:
                    raise undecodable(self.path, line, error) from None
                line += content.count(b"\n")
                written = written or bool(text.strip())
                yield text
                if not content:
                    break
        if not written:
            raise DataError(f"{self.path} is empty: remove it from the corpus")


@dataclass(frozen=True, slots=True)
class JsonLines(RowFile):
    """A JSON object a line, its text in one field: plain, .gz or .zst. Blank lines don't count."""

    def count(self) -> int:
        """Lines that are not blank."""
        return sum(1 for _ in self._lines())

    def documents(self) -> Iterator[tuple[int, Iterator[str]]]:
        """A document a line, numbered like the lines."""
        for number, line in self._lines():
            yield number, cut(self._text(number, line))

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with opened(self.path) as stream:
            for number, line in enumerate(stream, 1):
                if not line.isspace():
                    yield number, line

    def _text(self, number: int, line: bytes) -> Iterator[str]:
        """The field, unless it is blank. A generator: no line is parsed in vain."""
        try:
            row = parse_json(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise undecodable(self.path, number, error) from None
        except ValueError as error:
            raise DataError.at(
                self.path, number, f"not whole JSON: {error}; mend the line"
            ) from None
        if not isinstance(row, dict):
            shown = line.strip()[:40].decode(errors="replace")
            raise DataError.at(self.path, number, f"expected a JSON object, found {shown!r}")
        if self.field not in row:
            raise DataError.at(self.path, number, _no_field(self.field, row))
        yield from filled(row[self.field], self.field, f"{self.path}:{number}")


@dataclass(frozen=True, slots=True)
class Parquet(RowFile):
    """A document a row, its text in one column."""

    def count(self) -> int:
        """Rows, as the file's footer says."""
        with self._open() as file:
            return cast(int, file.metadata.num_rows)

    def documents(self) -> Iterator[tuple[int, Iterator[str]]]:
        """A document a row."""
        with self._open() as file:
            if self.field not in file.schema_arrow.names:
                raise DataError(f"{self.path}: {_no_field(self.field, file.schema_arrow.names)}")
            batches = file.iter_batches(batch_size=ROWS, columns=[self.field])
            values = (value.as_py() for batch in batches for value in batch.column(0))
            for number, value in enumerate(values, 1):
                yield number, cut(filled(value, self.field, f"{self.path}:{number}"))

    @contextmanager
    def _open(self) -> Iterator[ParquetFile]:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            refuse_special(self.path)
            with ParquetFile(self.path) as file:
                yield file
        except ArrowException as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{self.path} is no whole parquet file ({reason}): get it again"
            ) from None
        except OSError as error:
            raise unreadable(self.path, error) from None


@dataclass(frozen=True, slots=True)
class HubDataset:
    """The split `train` of a data set on the Hugging Face hub, streamed; no script of it is run.

    Attributes:
        reference: owner/name or owner/name:configuration.
        field: Column of the text.
    """

    reference: str
    field: str

    @property
    def name(self) -> str:
        """The reference."""
        return self.reference

    @property
    def identity(self) -> list[str | int]:
        """The reference, the commit that is read, and the column."""
        return [self.reference, str(_builder(self.reference).hash), self.field]

    def count(self) -> int:
        """Rows, as the data set's card says; they are counted where it doesn't."""
        split = (_builder(self.reference).info.splits or {}).get("train")
        return (split.num_examples if split else 0) or sum(1 for _ in self._rows())

    def documents(self) -> Iterator[tuple[int, Iterator[str]]]:
        """A document a row."""
        for number, row in enumerate(self._rows(), 1):
            if self.field not in row:
                raise DataError(f"{HUB}{self.reference}: {_no_field(self.field, row)}")
            place = f"{HUB}{self.reference}:{number}"
            yield number, cut(filled(row[self.field], self.field, place))

    def _rows(self) -> Iterator[dict[str, Any]]:
        builder = _builder(self.reference)
        try:
            yield from builder.as_streaming_dataset(split="train")
        except Exception as error:  # `datasets` lets through whatever its HTTP client raises
            raise _unstreamed(self.reference, error) from error


def source(path: Path, field: str) -> Source:
    """What reads the documents of a file, by its name, or of a data set on the hub."""
    if str(path).startswith(HUB):
        return HubDataset(str(path).removeprefix(HUB), field)
    stem = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    if stem.endswith(".parquet"):
        return Parquet(path, field)
    return JsonLines(path, field) if stem.endswith(".jsonl") else TextFile(path)


def _no_field(field: str, known: Iterable[str]) -> str:
    return f"no field {field!r}; it has {', '.join(known)}: name one with --text-field"


@lru_cache
def _builder(reference: str) -> Any:
    """The hub's data set, at the commit that its main branch has now.

    Raises:
        DataError: The hub does not answer, or has no such data set or configuration.
    """
    from datasets import load_dataset_builder

    name, _, config = reference.partition(":")
    try:
        return load_dataset_builder(name, config or None)
    except Exception as error:  # `datasets` lets through whatever its HTTP client raises
        raise _unstreamed(reference, error) from error


def _unstreamed(reference: str, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(
        f"{HUB}{reference} can't be streamed ({reason}): name owner/name, or "
        "owner/name:configuration, of a data set whose split train has text"
    )
