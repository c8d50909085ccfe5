"""An entrant: a model and how it was used, as results and comparisons name and choose it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpteval.errors import ResultError
from gpteval.plugins import registry
from gpteval.records import Mode, Result
from gpteval.weights.transfer import Transfer

TRAINED: Mode = "finetune"
"""The way of measuring that has a recipe."""

NAMED: tuple[Mode, ...] = (TRAINED, "probe")
"""Ways of measuring that there are several of, told by their recipe."""

CALLED: Mapping[Mode, str] = {
    "finetune": "fine-tuned",
    "zeroshot": "zero-shot",
    "probe": "probe",
    "baseline": "",
}
"""What a way of measuring is called; a baseline is by its name."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A model and how it was used, on whatever tasks.

    Attributes:
        mode: The way of measuring.
        model, digest: Its reference, and what its weights (or a baseline's settings) are.
        recipe: The named one whose settings these are, whatever it was run as; else as it was run.
        own: Settings that the recipe has otherwise, as name=value.
        kept: What was kept of the pre-training; "" where that is everything.
    """

    mode: Mode
    model: str
    digest: str
    recipe: str
    own: tuple[str, ...] = ()
    kept: str = ""

    @classmethod
    def of(cls, result: Result) -> Entrant:
        """Whose result it is."""
        r = result
        if r.mode != TRAINED:
            return cls(r.mode, r.model, r.model_digest, r.recipe)
        recipe, own = named_recipe(r.recipe, r.config)
        kept = Transfer.of(r.config).label
        settings = tuple(f"{name}={value}" for name, value in own.items())
        return cls(r.mode, r.model, r.model_digest, recipe, settings, kept)

    @property
    def label(self) -> str:
        """What a table calls it."""
        recipe = " ".join([self.recipe, *self.own]) if self.mode in NAMED else ""
        used = ", ".join(filter(None, [CALLED[self.mode], recipe, self.kept]))
        return f"{short_name(self.model)} {used}".rstrip()


def named_recipe(name: str, config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The recipe that has these settings, and those that it has otherwise: none where one has all.

    Args:
        name: The recipe that it was run by, which counts before others; one that nobody offers is
            compared with none, for what it leaves out is not known.
        config: Every setting; what is not in it is as in the recipe.
    """
    known = registry().recipes()
    for recipe in (name, *known) if name in known else ():
        if not differing(recipe, config):
            return recipe, {}
    return name, differing(name, config)


def differing(recipe: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a named recipe has otherwise; none where nobody offers the recipe."""
    known = registry().recipes().get(recipe)
    named = asdict(known) if known else {}
    return {k: v for k, v in config.items() if named.get(k, v) != v}


def words(mode: str, model: str, recipe: str, config: Mapping[str, Any]) -> set[str]:
    """What chooses an entrant: model, mode, recipe, and settings as name=value.

    Of a model that was fine-tuned: the recipe that has its settings, whatever it was run as, and
    pretraining=True where it was not without.
    """
    settings = dict(config)
    if mode == TRAINED:
        recipe, _ = named_recipe(recipe, config)
        settings = {"pretraining": True, **settings}
    names = {model, Path(model).name, mode, recipe}
    return names | {f"{name}={value}" for name, value in settings.items()}


def split_words(choice: str) -> set[str]:
    """The words of a choice: "mini,finetune"."""
    return {word.strip() for word in choice.split(",") if word.strip()}


def of_entrants(results: Sequence[Result], choices: Iterable[str]) -> list[Result]:
    """The results of those entrants that are named; all where nobody is.

    Args:
        results: What there is.
        choices: Each the words that an entrant has, joined by commas, with or without the "@"
            that stands before them in a side of a comparison.

    Raises:
        ResultError: Nobody has the words of one.
    """
    given = tuple(choices)
    found = {choice: [r for r in results if chosen(r, choice)] for choice in given}
    for choice, own in found.items():
        if not own or not split_words(choice.removeprefix("@")):
            there = "; ".join(dict.fromkeys(map(_typed, results)))
            raise ResultError(f"no results of {choice!r}: there are {there}")
    return [r for r in results if not given or any(chosen(r, choice) for choice in given)]


def _typed(result: Result) -> str:
    """The words that one would type for a result's entrant."""
    named = result.mode in NAMED
    recipe = named_recipe(result.recipe, result.config)[0] if named else ""
    return ",".join(filter(None, [result.model, result.mode, recipe]))


def chosen(result: Result, choice: str) -> bool:
    """Whether a choice, as `of_entrants` takes it, is of a result's entrant."""
    own = words(result.mode, result.model, result.recipe, result.config)
    return split_words(choice.removeprefix("@")) <= own


def labels(entrants: Iterable[Entrant]) -> dict[Entrant, str]:
    """What to call each: its label, told apart by its digest if need be."""
    all_of_them = list(dict.fromkeys(entrants))
    taken = Counter(e.label for e in all_of_them)
    return {e: e.label if taken[e.label] == 1 else f"{e.label} {e.digest[:6]}" for e in all_of_them}


def short_name(model: str) -> str:
    """A model reference without the directories of an absolute path."""
    family, colon, reference = model.rpartition(":")
    path = Path(reference)
    return f"{family}{colon}{path.name if path.is_absolute() else reference}"
