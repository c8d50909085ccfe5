"""SciTail, QNLI and RTE: does the sentence say so?"""

from __future__ import annotations

from collections.abc import Mapping

from gpteval_tasks.samples.collect import Row, Sample
from gpteval_tasks.samples.draw import Draw
from gpteval_tasks.samples.material import blocks, line, lines

Fact = Mapping[str, str]

_PREMISES: Mapping[str, tuple[str, ...]] = {
    "kind": ("which is a {kind}", "known as a {kind}", "being a {kind}"),
    "eat": ("feeds on {eat}", "lives mostly on {eat}", "hunts for or gathers {eat}"),
    "live": ("makes its home {live}", "is commonly met with {live}"),
    "has": ("possesses {has}", "is provided with {has}"),
    "young": ("has its young {young}", "brings forth its young {young}"),
    "do": ("which can be {do}", "a material that can be {do}"),
    "use": ("is needed for {use}", "serves for making or doing {use}"),
    "get": ("comes {get}", "is won {get}"),
    "because": ("is prized because {because}", "is useful because {because}"),
}
_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "kind": ("{x} is a {kind}.", "{x} is one example of a {kind}."),
    "eat": ("{x} eats {eat}.", "the food of {x} is {eat}.", "{x} gets its energy from {eat}."),
    "live": ("{x} lives {live}.", "one finds {x} {live}."),
    "has": ("{x} has {has}.", "the body of {x} has {has}."),
    "young": ("{x} has its young {young}.", "the young of {x} begin life {young}."),
    "do": ("{x} can be {do}.", "it is known that {x} can be {do}."),
    "use": ("{x} is used for {use}.", "one use of {x} is {use}."),
    "get": ("{x} is obtained {get}.", "we get {x} {get}."),
    "because": ("{x} is of use because {because}.", "people value {x} because {because}."),
}
_QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "kind": ("what kind of animal is {x}?", "to which group does {x} belong?"),
    "eat": ("what does {x} eat?", "what is the food of {x}?"),
    "live": ("where does {x} live?", "in what places can {x} be found?"),
    "has": ("what is special about the body of {x}?", "what part helps {x} in its life?"),
    "young": ("where or how does {x} have its young?", "how do the young of {x} begin life?"),
    "do": ("what can be done with {x}?", "how can {x} be worked?"),
    "use": ("what is {x} used for?", "for what do people need {x}?"),
    "get": ("where does {x} come from?", "what is {x} obtained from?"),
    "because": ("why is {x} useful?", "for what reason is {x} prized?"),
}
_OPENINGS = ("", "", "as every naturalist knows, ", "it is well known that ", "in this country ")


def _science() -> list[Fact]:
    """The entities, each with its attributes by name."""
    return [
        {"x": name, **dict(part.split(" ", 1) for part in attributes)}
        for block in blocks("science")
        for _, (name, *attributes) in block
    ]


def _premise(draw: Draw, fact: Fact, first: str, second: str) -> str:
    """A sentence that states two attributes of the entity."""
    parts = [draw.frame(_PREMISES[tag]) for tag in (first, second)]
    aside = [
        part for tag, part in zip((first, second), parts, strict=True) if tag in ("kind", "do")
    ]
    if aside:
        (main,) = (part for part in parts if part not in aside)
        body = f"{{x}}, {aside[0]}, {main}."
    else:
        body = f"{{x}} {parts[0]} and {parts[1]}."
    return draw.slots(**fact).fill(draw.frame(_OPENINGS) + body)


def _attributes(draw: Draw, fact: Fact) -> list[str]:
    return draw.shuffled([tag for tag in fact if tag != "x"])


def _scitail(draw: Draw, label: str) -> Row:
    """A statement about the premise's entity: from the premise, or not to be had from it."""
    fact = draw.word(_science())
    first, second, third = _attributes(draw, fact)[:3]
    claimed = dict(fact)
    if label == "entails":
        tag = first
    elif draw.chance(0.4):
        tag = third
    else:
        tag = first
        others = [other for other in _science() if tag in other and other != fact]
        claimed[tag] = draw.word(others)[tag]
    hypothesis = draw.slots(**claimed).fill(draw.frame(_CLAIMS[tag]))
    premise = _premise(draw, fact, first, second)
    return {"premise": premise, "hypothesis": hypothesis, "label": label}


def _qnli(draw: Draw, label: str) -> Row:
    """A question and a sentence of an article: the one that answers it, or another."""
    if draw.chance(0.3):
        return _qnli_science(draw, label)
    block = draw.frame(blocks("places"))
    slots = draw.slots()
    question = slots.fill(draw.frame(line(block, "q")))
    sentence = block
    if label == "not_entailment":
        sentence = draw.other(blocks("places"), block)
        if draw.chance(0.5):
            slots = draw.slots(town=slots["town"])
    return {"question": question, "sentence": slots.fill(line(sentence, "s")[0]), "label": label}


def _qnli_science(draw: Draw, label: str) -> Row:
    """A question about an animal or a material."""
    fact = draw.word(_science())
    first, second, third = _attributes(draw, fact)[:3]
    tag = first if label == "entailment" or draw.chance(0.5) else third
    question = draw.slots(**fact).fill(draw.frame(_QUESTIONS[tag]))
    if label == "not_entailment" and tag == first:
        fact = draw.other([other for other in _science() if first in other], fact)
        second = next(other for other in _attributes(draw, fact) if other != first)
    return {"question": question, "sentence": _premise(draw, fact, first, second), "label": label}


def _rte(draw: Draw, label: str) -> Row:
    """A short report and a sentence that follows from it or does not."""
    *news, fillers = blocks("news")
    block = draw.frame(news)
    slots = draw.slots()
    said = slots.fill(line(block, draw.frame("ab"))[0])
    beside = [slots.fill(v) for (v,) in draw.shuffled(lines(fillers, "filler"))[:1]]
    if draw.chance(0.4):
        beside = [slots.fresh().fill(line(draw.other(news, block), "a")[0])]
    premise = " ".join(draw.shuffled([said, *beside]))
    frame = draw.frame(line(block, "e"))
    if label == "not_entailment" and draw.chance(0.5):
        frame = draw.frame(line(block, "n"))
    elif label == "not_entailment":
        slots = slots.fresh()
    return {"sentence1": premise, "sentence2": slots.fill(frame), "label": label}


_ENTAILMENT = ("entailment", "not_entailment")

SAMPLES = (
    Sample("scitail", _scitail, ("entails", "neutral"), ("premise", "hypothesis")),
    Sample("qnli", _qnli, _ENTAILMENT, ("question", "sentence")),
    Sample("rte", _rte, _ENTAILMENT, ("sentence1", "sentence2")),
)
