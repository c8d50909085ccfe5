"""CoLA and SST-2: sentences by themselves."""

from __future__ import annotations

from gpteval_tasks.samples.collect import Row, Sample
from gpteval_tasks.samples.draw import Draw
from gpteval_tasks.samples.material import banks, blocks, line, lines

_OPENINGS = ("", "", "", "I think that ", "Perhaps ", "On {day2}, ", "{y} says that ", "Now ")
_LOWERED = ("The", "There", "He", "She", "They", "Those", "A", "Every", "Each", "Both", "Few")
_LOWERED_TOO = ("Little", "All", "Neither", "Him", "Them", "If")


def _cola(draw: Draw, label: str) -> Row:
    """A sentence of a minimal pair, at times after a few words that change nothing."""
    block = draw.frame(blocks("grammar"))
    sentence = draw.frame(line(block, "g" if label == "1" else "b"))
    slots = draw.slots()
    first, _, rest = sentence.partition(" ")
    if not sentence.endswith("?"):
        opening = draw.frame(_OPENINGS)
        if opening and first in (*_LOWERED, *_LOWERED_TOO):
            first = first.lower()
        sentence = f"{opening}{first} {rest}"
    return {"sentence": slots.fill(sentence), "label": label}


def _sst2(draw: Draw, label: str) -> Row:
    """A line of a review; `{G}` and `{act}` speak for the label, `{opp...}` against it."""
    bank = banks("reviews")
    good, bad = ("pos", "neg") if label == "1" else ("neg", "pos")
    adjectives = draw.words(bank[f"{good}_adj"], 2)
    nouns = draw.words(bank[f"{good}_noun"], 2)
    slots = draw.slots(
        thing=draw.word(bank["thing"]),
        maker=draw.word(bank["maker"]),
        act=draw.word(bank[f"{good}_act"]),
        opp=draw.word(bank[f"{bad}_noun"]),
        oppG=draw.word(bank[f"{bad}_adj"]),
        **dict(zip(("G", "G2", "n", "n2"), adjectives + nouns, strict=True)),
    )
    slots["about"] = draw.word(bank["about"]).format_map(slots)
    (frame,) = draw.frame([v for block in blocks("reviews") for v in lines(block, "t")])
    return {"sentence": slots.fill(frame).lower() + " .", "label": label}


SAMPLES = (
    Sample("cola", _cola, ("1", "1", "1", "0", "0"), ("sentence",)),
    Sample("sst2", _sst2, ("1", "0"), ("sentence",)),
)
