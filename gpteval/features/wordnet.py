"""WordNet's words, what each may be a form of, and how its synsets hang together.

Read from the database files that WordNet is published as (`data.noun`, `noun.exc` and so on, as
wndb(5WN) and morphy(7WN) describe them; Debian's package wordnet-base has them in
/usr/share/wordnet), for nltk's reader refuses that directory: it has no file of lexicographers.

Words are in small letters; phrases are left out, as KIM leaves them out (see `relations`).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from gpteval.corpus.chunks import opened, undecodable
from gpteval.errors import DataError

KINDS: Mapping[str, str] = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
"""Parts of speech, by the letter that stands for each in a pointer."""

ADVICE = (
    "name the directory of WordNet's database files (Debian: /usr/share/wordnet of the package "
    "wordnet-base)"
)

ENDINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "n": (
        ("s", ""),
        ("ses", "s"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    "v": (
        ("s", ""),
        ("ies", "y"),
        ("es", "e"),
        ("es", ""),
        ("ed", "e"),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
    ),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}
"""Rules of detachment, by part of speech: an ending, and what takes its place; morphy(7WN)'s."""

HYPERNYM, ANTONYM = "@", "!"
"""Pointers that are followed; "@i", of an instance, is not: KIM's files of hypernyms lack it."""


@dataclass(frozen=True, slots=True)
class WordNet:
    """A WordNet.

    Attributes:
        senses: Part of speech → word → its synsets, each the letter and the place in the file.
        parents: Synset → those right above it.
        antonyms: Word → words.
        irregular: Part of speech → form → what it may be a form of.
    """

    senses: Mapping[str, dict[str, list[str]]] = field(
        default_factory=lambda: {kind: defaultdict(list) for kind in KINDS}
    )
    parents: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    antonyms: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    irregular: Mapping[str, dict[str, list[str]]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )

    def lemmas(self, word: str) -> set[str]:
        """The words of WordNet that a word, in small letters, is or may be a form of."""
        return {lemma for kind in KINDS for lemma in self._of_kind(word, kind)}

    def synsets(self, lemma: str) -> set[str]:
        """The synsets of a word of WordNet."""
        return {synset for kind in KINDS for synset in self.senses[kind].get(lemma, ())}

    def _of_kind(self, word: str, kind: str) -> Iterator[str]:
        known = self.senses[kind]
        if word in known:
            yield word
        if word in self.irregular[kind]:
            yield from (base for base in self.irregular[kind][word] if base in known)
            return
        if kind == "n" and (word.endswith("ss") or len(word) <= 2):
            return
        for ending, instead in ENDINGS[kind]:
            base = word.removesuffix(ending) + instead
            if word.endswith(ending) and base in known:
                yield base


Word = tuple[str, int]
"""A word of a synset: the synset, and the word's number in it, from 1."""


def read_wordnet(directory: Path) -> WordNet:
    """WordNet from its database files.

    Raises:
        DataError: One is not there, or a line is not of their format.
    """
    wordnet = WordNet()
    words: dict[Word, str] = {}
    opposed: list[tuple[Word, Word]] = []
    for kind, name in KINDS.items():
        path = directory / f"data.{name}"
        for number, line in _lines(path):
            try:
                opposed += _synset(line, kind, wordnet, words)
            except (ValueError, IndexError, KeyError):
                raise DataError.at(path, number, f"no synset of WordNet's: {ADVICE}") from None
        for _, line in _lines(directory / f"{name}.exc"):
            form, *bases = line.split()
            wordnet.irregular[kind][form] = bases
    for first, second in opposed:
        if first in words and second in words:  # no phrase
            wordnet.antonyms[words[first]].add(words[second])
    return wordnet


def wordnet_digest(directory: Path) -> str:
    """SHA-256 of the files that are read.

    Raises:
        DataError: One is not there.
    """
    total = hashlib.sha256()
    for name in KINDS.values():
        for file in (f"data.{name}", f"{name}.exc"):
            with _opened(directory / file) as stream:
                total.update(stream.read())
    return total.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if not path.is_file():
        raise DataError(f"{path} is not there: {ADVICE}")
    with opened(path) as stream:
        yield stream


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file and their numbers, without those of the licence, which are indented."""
    with _opened(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip() and not line.startswith(b" "):
                try:
                    yield number, line.decode().lower()
                except UnicodeDecodeError as error:
                    raise undecodable(path, number, error) from None


def _synset(
    line: str, kind: str, wordnet: WordNet, words: dict[Word, str]
) -> list[tuple[Word, Word]]:
    """Enter a synset's words and parents; which words are opposed to which.

    Raises:
        ValueError, IndexError, KeyError: The line is none.
    """
    place, _, _, count, *rest = line.partition("|")[0].split()
    synset, size = f"{kind}{int(place)}", int(count, 16)
    for number in range(size):
        word = rest[2 * number].partition("(")[0]  # asleep(p): after its noun alone
        if "_" not in word:
            wordnet.senses[kind][word].append(synset)
            words[synset, number + 1] = word
    pointers, opposed = rest[2 * size + 1 :], []
    for start in range(0, 4 * int(rest[2 * size]), 4):
        symbol, target, other, between = pointers[start : start + 4]
        aim = f"{other}{int(target)}"
        if symbol == HYPERNYM:
            wordnet.parents[synset].append(aim)
        elif symbol == ANTONYM:
            opposed.append(((synset, int(between[:2], 16)), (aim, int(between[2:], 16))))
    return opposed
