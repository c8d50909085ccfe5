"""Which examples of a task stand in a corpus: runs of 13 words in common (GPT-3, appendix C).

Words are compared as the tokenizer has them: lower case, marks left out. A run lies within one
document, and within one text of an example: its context, or a segment of a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpteval.corpus.ngrams import Words, runs
from gpteval.corpus.tokens import TokenFile
from gpteval.data.examples import examples_of
from gpteval.data.rows import SplitRows
from gpteval.encode.tokenizer import BpeTokenizer
from gpteval.progress import Progress, Silent
from gpteval.task import Task

RUN = 13
"""Words."""
SHORTEST = 2 * RUN - 1
"""Characters of so many words at least."""
BLOCK = 1 << 20
"""Tokens of the corpus looked at in one go."""
MARGIN = 1 << 10
"""Tokens that two blocks share: no run of words longer than that is found across their border."""
TEXTS = 1000
"""Texts of examples encoded in one call."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A split looked up in a corpus.

    Attributes:
        task, split: Which.
        data_digest: SHA-256 of its rows.
        examples: How many it has.
        short: How many have no run of 13 words, of which nothing can be said.
        found: Ids of those that share a run with the corpus.
    """

    task: str
    split: str
    data_digest: str
    examples: int
    short: int
    found: tuple[str, ...]


class Runs:
    """The runs of words in the texts of a split's examples.

    Attributes:
        ids: The examples' ids.
        hashes, owners: A hash per run, and its example's place in `ids`; (runs,) each.
    """

    def __init__(self, task: Task, rows: SplitRows, tokenizer: BpeTokenizer) -> None:
        """Make the task's examples of its rows; the rows are not kept.

        Raises:
            DataError: A row that makes no example.
        """
        self.task, self.split, self.digest = task.name, rows.split, rows.digest
        self.ids: list[str] = []
        texts: dict[str, list[int]] = {}  # an article is encoded once for all its questions
        for place, example in enumerate(examples_of(task, rows)):
            self.ids.append(example.id)
            segments = (text for sequence in example.sequences for text in sequence)
            for text in {example.context, *segments}:
                if len(text) >= SHORTEST:
                    texts.setdefault(text, []).append(place)
        words = Words(tokenizer)
        hashes, owners = [np.empty(0, np.uint64)], [np.empty(0, np.uint32)]
        pairs = list(texts.items())
        for start in range(0, len(pairs), TEXTS):
            some = pairs[start : start + TEXTS]
            encoded = tokenizer.encode([text for text, _ in some])
            for ids, (_, places) in zip(encoded, some, strict=True):
                distinct = np.unique(runs(words.hashes(np.array(ids, np.uint32)), RUN))
                hashes.append(np.tile(distinct, len(places)))
                owners.append(np.repeat(np.array(places, np.uint32), len(distinct)))
        self.hashes, self.owners = np.concatenate(hashes), np.concatenate(owners)


def find_quotes(
    file: TokenFile,
    tokenizer: BpeTokenizer,
    splits: Sequence[Runs],
    progress: Progress | None = None,
) -> list[Quoted]:
    """Look the examples of splits up in a corpus, which is read once.

    Args:
        file: The corpus.
        tokenizer: The one it was encoded with.
        splits: Memory holds their runs' hashes, not the corpus's.
        progress: Told how many documents are read.
    """
    progress, words = progress or Silent(), Words(tokenizer)
    wanted = _Wanted(np.concatenate([split.hashes for split in splits]))
    skipped = 0 if tokenizer.start is None else 1
    progress.begin("look for test examples", len(file.documents))
    for document in file.documents:
        first = document.start + skipped
        for start in range(first, document.stop, BLOCK):
            ids = file.tokens[start : min(start + BLOCK + MARGIN, document.stop)]
            # A block may begin within a word, whose run the block before has whole.
            wanted.look_in(runs(words.hashes(ids)[start > first :], RUN))
        progress.advance(1)
    progress.end()
    return [_quoted(split, wanted) for split in splits]


class _Wanted:
    """Hashes looked for, and whether each was met."""

    def __init__(self, hashes: np.ndarray) -> None:
        self.hashes = np.unique(hashes)
        self.met = np.zeros(len(self.hashes), bool)
        # By its first bits nearly every other hash is told from these without a search.
        self.begin = np.zeros(1 << 24, bool)
        self.begin[self.hashes >> np.uint64(40)] = True

    def look_in(self, hashes: np.ndarray) -> None:
        """Note which of those wanted are among these."""
        likely = hashes[self.begin[hashes >> np.uint64(40)]]
        places = np.searchsorted(self.hashes, likely) % max(1, len(self.hashes))
        self.met[places[self.hashes[places] == likely]] = True

    def was_met(self, hashes: np.ndarray) -> np.ndarray:
        """For some of those wanted, whether they were met."""
        met: np.ndarray = self.met[np.searchsorted(self.hashes, hashes)]
        return met


def _quoted(split: Runs, wanted: _Wanted) -> Quoted:
    quoted = np.unique(split.owners[wanted.was_met(split.hashes)])
    return Quoted(
        task=split.task,
        split=split.split,
        data_digest=split.digest,
        examples=len(split.ids),
        short=len(split.ids) - len(np.unique(split.owners)),
        found=tuple(split.ids[place] for place in quoted),
    )
