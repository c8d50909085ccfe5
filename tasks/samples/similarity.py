"""MRPC, QQP and STS-B: how much two sentences mean the same."""

from __future__ import annotations

from gpteval_tasks.samples.collect import Row, Sample
from gpteval_tasks.samples.draw import Draw, Slots, tidy
from gpteval_tasks.samples.material import banks, blocks, line, lines

_WEIGHTS = {"who": 1.4, "act": 1.2, "what": 1.6, "where": 0.5, "when": 0.3}
"""What each part of a caption counts for in the 5 points of STS-B."""


def _mrpc(draw: Draw, label: str) -> Row:
    """A report and another way to say it, or a report of something else."""
    *news, fillers = blocks("news")
    block, slots = draw.frame(news), draw.slots()
    first, second = draw.shuffled("ab")
    one = slots.fill(line(block, first)[0])
    if label == "1":
        other = slots.fill(line(block, second)[0])
    elif draw.chance(0.5):
        other = slots.fill(line(block, "d")[0])
    elif draw.chance(0.6):
        other = _changed(draw, slots, 2).fill(line(block, second)[0])
    else:
        other = slots.fresh().fill(line(draw.other(news, block), second)[0])
    if draw.chance(0.4):
        other += " " + slots.fill(draw.frame(lines(fillers, "filler"))[0])
    return {"#1 String": one, "#2 String": other, "Quality": label}


def _changed(draw: Draw, slots: Slots, number: int) -> Slots:
    """The slots with some of their words forgotten."""
    forgotten = draw.shuffled(sorted(slots))[:number]
    changed = slots.fresh()
    changed.update({slot: word for slot, word in slots.items() if slot not in forgotten})
    return changed


def _qqp(draw: Draw, label: str) -> Row:
    """Two questions: the same in other words, or others about the same or another thing."""
    block, slots = draw.frame(blocks("questions")), draw.slots()
    first, second = draw.shuffled(line(block, "q"))[:2]
    one = slots.fill(first)
    if label == "1":
        other = slots.fill(second)
    elif draw.chance(0.4):
        other = slots.fill(draw.frame(line(block, "o")))
    elif draw.chance(0.4):
        other = slots.fresh().fill(second)
    else:
        apart = draw.other(blocks("questions"), block)
        other = slots.fresh().fill(draw.frame(line(apart, draw.frame("qo"))))
    return {"question1": one, "question2": other, "is_duplicate": label}


def _stsb(draw: Draw, label: str) -> Row:
    """Two captions; `label` is how many of the five parts differ."""
    changed = draw.shuffled(list(_WEIGHTS))[: int(label)]
    score = sum(weight for part, weight in _WEIGHTS.items() if part not in changed)
    pairs = [_part(draw, part, part in changed) for part in _WEIGHTS]
    one, other = (" ".join(texts) + "." for texts in zip(*pairs, strict=True))
    return {"sentence1": tidy(one), "sentence2": tidy(other), "score": f"{score:.3f}"}


def _part(draw: Draw, part: str, changed: bool) -> tuple[str, str]:
    """One part of both captions: in the same or other words, or another thing altogether."""
    mine, yours = draw.words(banks("captions_sts")[part], 2)
    slots = draw.slots()
    one = draw.frame(mine.split(" = ")).format_map(slots)
    if not changed:
        return one, draw.frame(mine.split(" = ")).format_map(slots)
    if "{" in mine and draw.chance(0.4):
        yours = mine
    return one, draw.frame(yours.split(" = ")).format_map(slots.fresh())


SAMPLES = (
    Sample("mrpc", _mrpc, ("1", "1", "1", "0", "0"), ("#1 String", "#2 String")),
    Sample("qqp", _qqp, ("0", "0", "0", "1", "1"), ("question1", "question2")),
    Sample("stsb", _stsb, ("0", "1", "2", "3", "4", "5"), ("sentence1", "sentence2")),
)
