"""RACE: articles with questions whose answers they contain."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from string import Formatter

from gpteval_tasks.samples.collect import Row
from gpteval_tasks.samples.draw import Draw, Slots
from gpteval_tasks.samples.material import Line, blocks, line, lines

COUNTS: Mapping[str, int] = {"test": 32, "dev": 32, "train": 96}
"""Articles per split."""

QUESTIONS = 3
"""Questions per article."""

ASIDE = 0.5
"""How many articles have a sentence that speaks of things the wrong answers name."""


class Reading:
    """The sample of RACE, whose rows come several to an article."""

    task = "race"

    def splits(self) -> dict[str, list[Row]]:
        """The rows of every split, the same on every call."""
        return {split: self._split(split) for split in COUNTS}

    def _split(self, split: str) -> list[Row]:
        draw = Draw(Random(f"race/{split}"), split)
        *plans, asides = blocks("articles")
        places = draw.shuffled([0, 1, 2, 3] * (COUNTS[split] * QUESTIONS // 4))
        rows: list[Row] = []
        for number in range(COUNTS[split]):
            plan = plans[number % len(plans)]
            aside = draw.frame(lines(asides, "s"))[0] if draw.chance(ASIDE) else ""
            for row in _article(draw, plan, aside):
                name = f"{line(plan, 'level')[0]}{number + 1}.txt"
                rows.append({"example_id": name, **_placed(row, places.pop())})
        return rows


def _placed(row: Row, place: int) -> Row:
    """The row with its right answer, the first so far, at a place among the four."""
    right, *wrong = row["options"]
    options = [*wrong[:place], right, *wrong[place:]]
    return {**row, "options": options, "answer": "ABCD"[place]}


def _article(draw: Draw, plan: tuple[Line, ...], aside: str) -> list[Row]:
    """Questions that this telling of an article can answer, the right option first."""
    slots = draw.slots()
    article = " ".join(slots.fill(draw.frame(variants)) for variants in lines(plan, "s"))
    told = set(slots)
    if aside:
        article += " " + slots.fill(aside)
    rows: list[Row] = []
    for (text,) in draw.shuffled(lines(plan, "q")):
        question, right, wrong = text.split(" => ")
        if len(rows) < QUESTIONS and _named(question + right) <= told:
            options = [slots.fill(frame) for frame in (right, *_wrong(draw, slots, wrong))]
            rows.append({"article": article, "question": slots.fill(question), "options": options})
    return rows


def _named(frame: str) -> set[str]:
    """The slots that a frame names."""
    return {slot for _, slot, _, _ in Formatter().parse(frame) if slot}


def _wrong(draw: Draw, slots: Slots, wrong: str) -> list[str]:
    """Frames of the three wrong answers; one may name a thing of the article's last sentence."""
    frames = draw.shuffled(wrong.split(" ; ") * (1 if " ; " in wrong else 3))
    mentioned = [slot for slot in slots if slot.endswith("8") and f"{{*{slot[:-1]}}}" in frames[0]]
    if mentioned:
        slot = draw.frame(mentioned)
        frames[0] = frames[0].replace(f"{{*{slot[:-1]}}}", f"{{{slot}}}", 1)
    return frames
