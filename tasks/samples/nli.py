"""SNLI, MultiNLI and Breaking NLI: a premise and what follows from it."""

from __future__ import annotations

from gpteval_tasks.samples.collect import COUNTS, Row, Sample
from gpteval_tasks.samples.draw import Draw, Slots
from gpteval_tasks.samples.material import blocks, line, lines

LABELS = ("entailment", "neutral", "contradiction")
MISMATCHED = ("sermon", "lecture", "logbook", "gossip")
_MNLI_COUNTS = {"test": 128, "dev": 128, "dev_mismatched": 128, "train": 320}
_PEOPLE = ("The man", "The woman", "The boy", "The girl", "The old man", "A lady", "The stranger")

_SAME = {
    "entailment": (
        "{gen_who} is {gen_do}.",
        "{who} is {gen_do} {where}.",
        "there is {gen_who} {gen_where}.",
        "{who} is {do}.",
        "{gen_who} is {gen_where}.",
        "{gen_who} is wearing a {garment}.",
    ),
    "contradiction": (
        "{who} is {con_do}.",
        "{gen_who} is {other_do} {where}.",
        "{who} is {other_do}.",
        "nobody is {gen_do} {where}.",
        "{who} is {do} {not_where}.",
        "{who} is wearing a {colour2} {garment}.",
        "{not_who} is {do} {where}.",
        "there is no one {where}.",
    ),
    "neutral": (
        "{who} is {do} {neu_do}.",
        "{gen_who} is {gen_do} {neu_do}.",
        "{who} is {neu_who}.",
        "{who} has been {do} since dawn.",
        "{who} is waiting for a friend {where}.",
        "{gen_who} bought the {colour} {garment} at a fair.",
    ),
}


def _scene(draw: Draw) -> Slots:
    """Slots of a scene: who does what where, what each entails, excludes and leaves open."""
    of = {tag: [b for b in blocks("captions") if b[0][0] == tag] for tag in ("who", "do", "where")}
    slots = draw.slots()
    for tag, found in of.items():
        block = draw.frame(found)
        for part, variants in block:
            name = tag if part == tag else f"{part}_{tag}"
            slots[name] = draw.frame(variants).format_map(slots)
        if tag == "do":
            other = line(draw.other(found, block), "gen")
            slots["other_do"] = draw.frame(other).format_map(slots.fresh())
    return slots


def _snli(draw: Draw, label: str) -> Row:
    """A caption and a sentence about it."""
    slots = _scene(draw)
    dressed = " in a {colour} {garment}"
    frame = draw.frame(_SAME[label])
    if "garment" not in frame:
        dressed = draw.frame((dressed, ""))
    premise = slots.fill("{who}" + dressed + " is {do} {where}.")
    return {"sentence1": premise, "sentence2": slots.fill(frame), "gold_label": label}


def _mnli(draw: Draw, label: str) -> Row:
    """A clause as one genre says it, perhaps with a second, and a sentence about the first."""
    block, slots = draw.frame(blocks("clauses")), draw.slots()
    tag, about, denied = label[0], block, label != "neutral" and draw.chance(0.15)
    if denied:
        tag = {"e": "c", "c": "e"}[tag]
    elif label == "neutral" and draw.chance(0.4):
        tag, about = draw.frame("ec"), draw.other(blocks("clauses"), block)
    wrapper = _wrapper(draw, denied=denied)
    clause = line(block, "p")[0].format_map(slots)
    hypothesis = slots.fill(draw.frame(line(about, tag)))
    beside = draw.frame([b for b in blocks("clauses") if b not in (block, about)])
    slots.update(A=clause, B=line(beside, "p")[0].format_map(slots.fresh()))
    return {"sentence1": slots.fill(wrapper), "sentence2": hypothesis + ".", "gold_label": label}


def _wrapper(draw: Draw, *, denied: bool) -> str:
    """How a genre of the split says a clause, or how anybody denies it."""
    *genres, denials = blocks("genres")
    if denied:
        return draw.frame(lines(denials, "w"))[0]
    wanted = [b for b in genres if _mismatched(line(b, "genre")[0]) == _mismatched(draw.split)]
    return draw.frame(lines(draw.frame(wanted), "w"))[0]


def _mismatched(genre_or_split: str) -> bool:
    return genre_or_split in ("dev_mismatched", *MISMATCHED)


def _breaking(draw: Draw, label: str) -> Row:
    """A caption, and the same with one word replaced."""
    items = [block for block in blocks("swaps")[0] if block[1][0] == label]
    category, (_, frame, swaps) = draw.frame(items)
    old, new = draw.frame(swaps.split(", ")).split(" = ")
    slots = draw.slots(**{"The man": draw.frame(_PEOPLE)})
    first, second = (slots.fill(frame.replace("_", word)) for word in (old, new))
    row = {"sentence1": first, "sentence2": second, "gold_label": label}
    return {**row, "category": category}


SAMPLES = (
    Sample("snli", _snli, LABELS, ("sentence1", "sentence2"), id="pairID"),
    Sample("mnli", _mnli, LABELS, ("sentence1", "sentence2"), _MNLI_COUNTS),
    Sample(
        "breaking_nli",
        _breaking,
        ("contradiction", "entailment", "contradiction", "neutral", "contradiction"),
        ("sentence1",),
        {"test": COUNTS["test"]},
        id="pairID",
    ),
)
