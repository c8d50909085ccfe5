"""COPA, ROCStories, WNLI and Winograd schemas: which of two makes sense."""

from __future__ import annotations

from gpteval_tasks.samples.collect import Row, Sample
from gpteval_tasks.samples.draw import Draw, Slots
from gpteval_tasks.samples.material import Line, blocks, line

_NEARER = 0.8
"""How often the pronoun of a WNLI sentence stands for the noun nearer to it."""


_PRONOUNS = ("it", "he")


def _copa(draw: Draw, label: str) -> Row:
    """A cause and its effect, and something else that is not plausible."""
    block, slots = draw.frame(blocks("plausible")), draw.slots()
    asks, given, right, wrong = draw.frame((("effect", "c", "e", "x"), ("cause", "e", "c", "y")))
    premise, plausible = (slots.fill(line(block, tag)[0]) for tag in (given, right))
    source = block
    if draw.chance(0.5):
        source, wrong = draw.other(blocks("plausible"), block), right
    implausible = slots.fill(line(source, wrong)[0])
    answers = [plausible, implausible] if label == "1" else [implausible, plausible]
    return {
        "asks-for": asks,
        "most-plausible-alternative": label,
        "p": premise,
        "a1": answers[0],
        "a2": answers[1],
    }


def _story(draw: Draw, label: str) -> Row:
    """Four sentences, the ending that fits and one that does not."""
    block, slots = draw.frame(blocks("stories")), draw.slots()
    told = [slots.fill(draw.frame(line(block, str(number)))) for number in (1, 2, 3, 4)]
    right = slots.fill(draw.frame(line(block, "r")))
    source, tag = (draw.other(blocks("stories"), block), "r") if draw.chance(0.4) else (block, "w")
    wrong = slots.fill(draw.frame(line(source, tag)))
    endings = [right, wrong] if label == "1" else [wrong, right]
    return {
        **{f"InputSentence{number}": text for number, text in enumerate(told, start=1)},
        "RandomFifthSentenceQuiz1": endings[0],
        "RandomFifthSentenceQuiz2": endings[1],
        "AnswerRightEnding": label,
    }


def _wnli(draw: Draw, label: str) -> Row:
    """A sentence with a pronoun, and what it says when the pronoun is replaced."""
    block, slots = draw.frame(blocks("winograd", " ; ")), draw.slots()
    a, b = _nouns(draw, block, slots)
    meant, other = ("B", "A") if draw.chance(_NEARER) else ("A", "B")
    reason, claim = draw.frame(line(block, meant.lower())).split(" | ")
    if label == "0":
        claim = claim.replace(meant, other)
    slots.update(A=a, B=b)
    premise = slots.fill(f"{line(block, 's')[0]} {reason}.")
    return {"sentence1": premise, "sentence2": slots.fill(claim), "label": label}


def _schema(draw: Draw, label: str) -> Row | None:
    """A sentence parted at its pronoun, which stands for the noun number `label`."""
    block, slots = draw.frame(blocks("winograd", " ; ")), draw.slots()
    a, b = _nouns(draw, block, slots)
    reason, _ = draw.frame(line(block, "ab"[int(label)])).split(" | ")
    slots.update(A=a, B=b)
    sentence = slots.fill(f"{line(block, 's')[0]} {reason}.")
    pronoun = next((word for word in sentence.split() if word in _PRONOUNS), None)
    if pronoun is None:
        return None
    before, after = sentence.split(f" {pronoun} ", 1)
    return {
        "before": before,
        "pronoun": pronoun,
        "after": after,
        "candidates": [a, b],
        "answer": label,
    }


def _nouns(draw: Draw, block: tuple[Line, ...], slots: Slots) -> tuple[str, str]:
    """The two nouns that a pronoun may stand for, with their articles."""
    mods = draw.words(line(block, "m"), 2)
    pair = draw.word(line(block, "i")).split(" | ")
    a, b = (f"the {mod} {noun[4:]}".format_map(slots) for mod, noun in zip(mods, pair, strict=True))
    return a, b


_STORY = ("InputSentence1", "RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2")

SAMPLES = (
    Sample("copa", _copa, ("1", "2"), ("p", "a1", "a2"), id="id"),
    Sample("rocstories", _story, ("1", "2"), _STORY, id="InputStoryid"),
    Sample("wnli", _wnli, ("0", "1"), ("sentence1", "sentence2")),
    Sample("dpr", _schema, ("0", "1"), ("before",), counts={"test": 128, "train": 320}),
    Sample("wsc273", _schema, ("0", "1"), ("before",), counts={"test": 128}),
)
