"""From a corpus to what training reads: its tokenizer, its token files, and a survey of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpteval.config import PretrainConfig
from gpteval.corpus.documents import Corpus, find_documents, hold_out
from gpteval.corpus.report import survey
from gpteval.corpus.tokens import TokenFile, encode_documents
from gpteval.encode.tokenizer import FILE, BpeTokenizer
from gpteval.errors import ResultError
from gpteval.files import digest, file_checksum, read_sealed, remove, write_sealed, writing
from gpteval.paths import PathLike, user_path
from gpteval.progress import Progress
from gpteval.upkeep import Reading


def prepare(
    corpus: Sequence[PathLike],
    directory: Path,
    config: PretrainConfig,
    reading: Reading,
    progress: Progress,
) -> tuple[BpeTokenizer, TokenFile, TokenFile | None]:
    """The tokenizer, the encoded corpus and the encoded documents held out.

    Args:
        corpus: Files, directories and hub data sets (see `find_documents`).
        directory: Where the token files and the survey are, or will be.
        config: Says how many documents are held out.
        reading: How the corpus is read, and what is looked up in it.
        progress: Told what is found.

    Raises:
        GptevalError: A text that can't be read, a file that can't be written.
    """
    documents = find_documents(corpus, reading.text_field, progress)
    train, kept = hold_out(documents, config.held_out, config.seed)
    progress.say(f"{len(train)} documents to train on, {len(kept)} held out")
    with writing(directory, "make room, or name another --output"):
        directory.mkdir(parents=True, exist_ok=True)
    words = _tokenizer(train, directory, config.merges, reading.tokenizer, progress)
    data = encode_documents(train, words, directory / "train.tokens", progress)
    files = [data]
    if len(kept):
        files.append(encode_documents(kept, words, directory / "held-out.tokens", progress))
    progress.say(f"{len(data.tokens):,} tokens of {words.vocab_size:,} kinds")
    survey(files, words, reading, directory / "survey.json", progress)
    return words, data, files[1] if len(kept) else None


@dataclass(frozen=True, slots=True)
class _Told:
    """The texts of a corpus; a listener is told of every reading."""

    corpus: Corpus
    progress: Progress

    def __iter__(self) -> Iterator[str]:
        self.progress.begin("read for the tokenizer", len(self.corpus))
        for _, _, chunks in self.corpus.documents():
            yield from chunks
            self.progress.advance(1)
        self.progress.end()


def _tokenizer(
    corpus: Corpus, directory: Path, merges: int, given: Path | None, progress: Progress
) -> BpeTokenizer:
    """The tokenizer of a checkpoint, or one trained on the corpus and kept in `directory`."""
    if given:
        return BpeTokenizer.load(user_path(given))
    page, file = directory / "trained-on.json", directory / FILE
    about = {"corpus": digest([merges, corpus.identity])}
    if read_sealed(page) == about | {"tokenizer": _checksum(file)}:
        return BpeTokenizer.load(directory)
    tokenizer = BpeTokenizer.train(_Told(corpus, progress), merges)
    try:
        remove(page)
        tokenizer.save(directory)
        write_sealed(page, about | {"tokenizer": _checksum(file)})
    except Exception as error:  # the library raises bare Exception
        raise ResultError(
            f"the tokenizer can't be written to {directory} "
            f"({getattr(error, 'strerror', None) or error}): make room, or name another --output"
        ) from error
    return tokenizer


def _checksum(file: Path) -> str:
    """The checksum of a file; "" where it can't be read."""
    try:
        return str(file_checksum(file))
    except OSError:
        return ""
