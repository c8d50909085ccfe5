"""Seeded choice of words and frames, with words that the train splits never see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import TypeVar

from gpteval_tasks.samples.material import banks

T = TypeVar("T")

UNSEEN_EVERY = 4
"""Every fourth word of a bank is kept out of train."""

UNSEEN_SHARE = 0.2
"""How often dev and test take such a word."""

_PRONOUNS = {"f": ("she", "her", "her", "herself"), "m": ("he", "his", "him", "himself")}
_IRREGULAR = {
    "sheep": "sheep",
    "goose": "geese",
    "knife": "knives",
    "wolf": "wolves",
    "fisherman": "fishermen",
    "scarf": "scarves",
}
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeioAEIO]|u(?!ni|se)|hour|honest|heir)")


class Draw:
    """One split's source of chance.

    Args:
        rng: Seeded by task and split, so that every file can be written again.
        split: Which split the draw is for.
    """

    def __init__(self, rng: Random, split: str) -> None:
        self.rng = rng
        self.split = split

    def word(self, bank: Sequence[T]) -> T:
        """A word of a bank: one of every fourth only outside train, and there not often."""
        if len(bank) < UNSEEN_EVERY:
            return self.rng.choice(bank)
        unseen = self.split != "train" and self.chance(UNSEEN_SHARE)
        return self.rng.choice([word for i, word in enumerate(bank) if _unseen(i) == unseen])

    def words(self, bank: Sequence[T], number: int) -> list[T]:
        """Different words of a bank."""
        found: list[T] = []
        while len(found) < number:
            word = self.word(bank)
            if word not in found:
                found.append(word)
        return found

    def frame(self, frames: Sequence[T]) -> T:
        """Any of the frames: sentence patterns are shared by all splits."""
        return self.rng.choice(frames)

    def other(self, frames: Sequence[T], than: T) -> T:
        """Any of the frames but one."""
        return self.rng.choice([frame for frame in frames if frame != than])

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.rng.random() < probability

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a random order."""
        return self.rng.sample(list(items), len(items))

    def slots(self, **fixed: str) -> Slots:
        """New slots: the same `{slot}` gets the same word until the next call."""
        return Slots(self, fixed)


class Slots(dict[str, str]):
    """Words of one row: `{town}`, `{town2}` (another), `{towns}` (plural), `{*town}` (always new).

    `{x}` is a person with the pronouns `{he}`, `{his}`, `{him}`, `{himself}`; `{y}` another one.
    """

    def __init__(self, draw: Draw, fixed: dict[str, str]) -> None:
        super().__init__(fixed)
        self._draw = draw
        self._used = set(fixed.values())

    def __missing__(self, key: str) -> str:
        if key.startswith("*"):
            name = key[1:]
            return self._new(name) if name in banks("words") else plural(self._new(name[:-1]))
        if key in ("x", "he", "his", "him", "himself", "He", "His"):
            self._person()
        else:
            self[key] = self._new(key)
        return self[key]

    def fill(self, frame: str) -> str:
        """The frame with its slots filled, begun with a capital, "a" or "an" as it should be."""
        return tidy(frame.format_map(self))

    def fresh(self) -> Slots:
        """New slots that avoid the words of these."""
        slots = Slots(self._draw, {})
        slots._used = set(self._used)
        return slots

    def _new(self, key: str) -> str:
        """A word, or the plural of a word, that this row has not used."""
        name, words = key.rstrip("0123456789"), banks("words")
        if name == "y":
            name = self._draw.frame(("f", "m"))
        if name not in words:
            return plural(self._singular(key, name))
        for _ in range(200):
            word = self._draw.word(words[name])
            if word not in self._used:
                self._used.add(word)
                return word
        raise RuntimeError(f"the bank {name!r} is used up")

    def _singular(self, key: str, name: str) -> str:
        """The word whose plural `{towns2}` asks for: that of `{town2}`."""
        return self[name.removesuffix("s") + key[len(name) :]]

    def _person(self) -> None:
        """Fill in the person of the row and the pronouns."""
        gender = self._draw.frame(("f", "m"))
        he, his, him, himself = _PRONOUNS[gender]
        self["x"] = self._new(gender)
        self.update(he=he, his=his, him=him, himself=himself, He=he.title(), His=his.title())


def _unseen(index: int) -> bool:
    return index % UNSEEN_EVERY == UNSEEN_EVERY - 1


def tidy(text: str) -> str:
    """The text begun with a capital, "a" or "an" as it should be."""
    text = _ARTICLE.sub(r"\1n ", text)
    return text[:1].upper() + text[1:]


def plural(word: str) -> str:
    """The plural of a word of the banks."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")
