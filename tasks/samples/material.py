"""Reads the hand-written material: word banks and blocks of tagged sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

Line = tuple[str, tuple[str, ...]]
"""A tag and its variants: `q Who came? | Who was it?` is ("q", ("Who came?", "Who was it?"))."""

_BANK = re.compile(r"^(\w+): (.*)$")


def _text(name: str) -> list[str]:
    """The file's lines without its comments."""
    text = (files(__package__) / "material" / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@cache
def banks(name: str) -> Mapping[str, tuple[str, ...]]:
    """The lines "bank: word, word" of a file."""
    found = (_BANK.match(line) for line in _text(name))
    return {m[1]: tuple(m[2].split(", ")) for m in found if m}


@cache
def blocks(name: str, sep: str = " | ") -> tuple[tuple[Line, ...], ...]:
    """The paragraphs of a file, each a tuple of tagged lines; bank lines are left out."""
    paragraphs: list[list[Line]] = [[]]
    for line in _text(name):
        if not line:
            paragraphs.append([])
        elif not _BANK.match(line):
            tag, _, rest = line.partition(" ")
            paragraphs[-1].append((tag, tuple(rest.split(sep))))
    return tuple(tuple(p) for p in paragraphs if p)


def lines(block: tuple[Line, ...], tag: str) -> tuple[tuple[str, ...], ...]:
    """The variants of every line of a block that carries the tag."""
    return tuple(variants for found, variants in block if found == tag)


def line(block: tuple[Line, ...], tag: str) -> tuple[str, ...]:
    """The variants of the block's one line with the tag."""
    (only,) = lines(block, tag)
    return only
