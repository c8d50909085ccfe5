"""Two sides of a comparison: which measurements stand against each other, example by example.

A measurement is what one entrant (a model and how it was used) answered to one split, in one run
per seed. It comes from a results directory, or from a baseline file (`baseline.py`).
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

from gpteval.errors import ResultError
from gpteval.paths import user_path
from gpteval.records import Mode, Prediction, Result
from gpteval.results.entrants import TRAINED, named_recipe, split_words, words
from gpteval.results.lines import reading
from gpteval.results.seeds import by_seed
from gpteval.results.store import ResultStore
from gpteval.typed import hints

DEFAULT = "results"
"""The directory of a side that names none."""

CHOOSES = "@"
"""Between a directory and the words that choose entrants within it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the runs of one measurement answered, examples in the order of their ids.

    Attributes:
        examples: Digest of ids, gold labels and clusters: equal where the examples are.
        ids, labels, clusters: Of the examples; empty where a baseline file has the digest alone.
        given: Answers of every run.
    """

    examples: str
    ids: tuple[str, ...]
    labels: tuple[Any, ...]
    clusters: tuple[str, ...]
    given: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One entrant on one split.

    Attributes:
        task, version, split, mode, n: What was scored.
        model, digest, recipe, config: The entrant.
        data, limit: Digest of the rows, and how many of a split were asked for (0: all).
        code: Release, and number of the code's results within it; see `code_of`.
        scores: Seed → metric → fraction.
        answered: Reads the answers of the runs, in the order of `scores`.
        runs: Reads all that was predicted; None of a baseline file, which has the answers alone.
        origin: Where the rows came from: "files", "hub", "sample"; "" of a baseline file.
        files: Digests of the files of predictions, in the order of `scores`; None where a baseline
            file doesn't have them.
        clusters: How many the examples are in, as a baseline file with digests has it; else 0.
    """

    task: str
    version: int
    split: str
    mode: Mode
    n: int
    model: str
    digest: str
    recipe: str
    config: Mapping[str, Any]
    data: str
    limit: int
    code: str
    scores: Mapping[int, Mapping[str, float]]
    answered: Callable[[], Answered]
    runs: Callable[[], list[list[Prediction]]] | None = None
    origin: str = ""
    files: Callable[[], list[str]] | None = None
    clusters: int = 0

    @property
    def where(self) -> tuple[str, str]:
        """Task and split."""
        return self.task, self.split

    @property
    def metrics(self) -> tuple[str, ...]:
        """Of the whole split, the headline first."""
        first = next(iter(self.scores.values()))
        return tuple(name for name in first if "/" not in name)

    @property
    def words(self) -> set[str]:
        """What chooses this entrant: see `gpteval.results.entrants`."""
        return words(self.mode, self.model, self.recipe, self.config)

    @property
    def entrant(self) -> str:
        """Its name in a table."""
        trained = self.mode == TRAINED
        recipe = named_recipe(self.recipe, self.config)[0] if trained else self.recipe
        return f"{Path(self.model).name} ({self.mode}, {recipe})"


def side(text: str, *, private: bool = False) -> list[Measurement]:
    """The measurements of one side of a comparison.

    Args:
        text: A results directory, or one with words after an "@" that every entrant taken has:
            "runs/new", "results@mini,finetune", "@tfidf" (of the directory `results`).
        private: Take the splits whose labels are private, which have no scores, and them alone.

    Raises:
        ResultError: There are none.
    """
    place, choice = user_path(text), ""
    if not place.is_dir():
        directory, _, choice = text.rpartition(CHOOSES) if CHOOSES in text else (text, "", "")
        place = user_path(directory or DEFAULT)
    store = ResultStore(place)
    there = [result for result in store.read_all() if result.private == private]
    if not there:
        what = "predictions without labels (`--predict`)" if private else "results"
        raise ResultError(f"no {what} in {place}: name a directory that has some")
    found = measurements(store, there)
    chosen = [m for m in found if split_words(choice) <= m.words]
    if not chosen:
        named = ", ".join(sorted({m.entrant for m in found}))
        raise ResultError(f"no results of {choice!r} in {place}: there are {named}")
    return chosen


def measurements(store: ResultStore, results: Sequence[Result] | None = None) -> list[Measurement]:
    """What a results directory holds, runs that differ in their seed alone together.

    Of an entrant measured again after its weights or its rows changed, the later counts.

    Args:
        store: The directory.
        results: Those of it to take; None for all.
    """
    results = store.read() if results is None else results
    place = {id(result): number for number, result in enumerate(results)}
    groups = by_seed(results, lambda r: [_entrant(r), r.version, r.model_digest, r.data.digest])
    groups.sort(key=lambda group: max(place[id(result)] for result in group))
    latest = {json.dumps(_entrant(group[0]), sort_keys=True): group for group in groups}
    kept = sorted(latest.values(), key=lambda group: min(place[id(result)] for result in group))
    return [_measurement(store, group) for group in kept]


def _entrant(r: Result) -> list[Any]:
    return [r.task, r.split, r.mode, r.model, r.recipe, r.config, r.data.origin, r.data.limit]


def _measurement(store: ResultStore, group: Sequence[Result]) -> Measurement:
    first, *_ = group = sorted(group, key=lambda result: result.seed)
    return Measurement(
        task=first.task,
        version=first.version,
        split=first.split,
        mode=first.mode,
        n=first.n,
        model=first.model,
        digest=first.model_digest,
        recipe=first.recipe,
        config=first.config,
        data=first.data.digest,
        limit=first.data.limit,
        code=code_of(first.versions),
        scores={result.seed: result.scores for result in group},
        answered=lambda: answered([_lines(store, result, _answer_kind()) for result in group]),
        runs=lambda: [predictions(store, result) for result in group],
        origin=first.data.origin,
        files=lambda: [_file_digest(store.directory / result.predictions) for result in group],
    )


def _file_digest(path: Path) -> str:
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_of(versions: Mapping[str, str]) -> str:
    """The release, and within it the number that is raised when the same inputs give others."""
    release, numbers = versions.get("gpteval", ""), versions.get("numbers", "")
    return f"{release}/{numbers}" if numbers else release


def predictions(store: ResultStore, result: Result) -> list[Prediction]:
    """The predictions behind a result, all lines read at once.

    Raises:
        ResultError: As `ResultStore.read_predictions`.
    """
    return _lines(store, result, Prediction)


@cache
def _answer_kind() -> type:
    """Those fields of a prediction that a comparison needs; to read the scores takes longer."""
    import msgspec

    wanted = ("id", "label", "prediction", "cluster")
    kinds = [(f.name, hints(Prediction)[f.name]) for f in fields(Prediction) if f.name in wanted]
    return msgspec.defstruct("Answer", [*kinds[:-1], (*kinds[-1], "")], gc=False)


def _lines(store: ResultStore, result: Result, kind: type) -> list[Any]:
    import msgspec

    path = store.directory / result.predictions
    if path.is_file():
        with reading(path):
            content = path.read_bytes()
        try:
            return list(msgspec.json.Decoder(kind).decode_lines(content))
        except msgspec.MsgspecError:
            pass  # read line by line, it says which
    return store.read_predictions(result)


def answered(runs: Sequence[Sequence[Any]]) -> Answered:
    """The answers of several runs to the same examples.

    Args:
        runs: Predictions, or what has their id, label, prediction and cluster.

    Raises:
        ResultError: They are not the same, or an id is there twice.
    """
    import msgspec

    ordered = [sorted(run, key=attrgetter("id")) for run in runs]
    ids, labels, clusters = (
        tuple(map(attrgetter(name), ordered[0])) for name in ("id", "label", "cluster")
    )
    examples = [msgspec.json.encode([(p.id, p.label, p.cluster) for p in run]) for run in ordered]
    if any(other != examples[0] for other in examples):
        raise ResultError("its seeds were scored on different examples; run them again")
    if len(set(ids)) < len(ids):
        twice = next(a for a, b in pairwise(ids) if a == b)
        raise ResultError(f"example {twice!r:.80} was predicted twice; run the task again")
    given = tuple(single(tuple(map(attrgetter("prediction"), run))) for run in ordered)
    return Answered(hashlib.sha256(examples[0]).hexdigest(), ids, labels, clusters, given)


def single(answers: tuple[Any, ...]) -> tuple[Any, ...]:
    """Numbers in single precision, as a baseline file keeps them; all other answers as they are."""
    if float in set(map(type, answers)):
        return tuple(array("f", answers))
    return answers


Pair = tuple[Measurement | None, Measurement | None]

SAME: tuple[Callable[[Measurement], Any], ...] = (
    lambda m: [m.mode, m.model, m.recipe, m.config, m.limit],
    lambda m: [m.mode, Path(m.model).name, m.recipe, m.config],
    lambda m: [m.mode, Path(m.model).name, m.recipe],
    lambda m: [m.mode, Path(m.model).name],
    lambda m: [m.mode],
    lambda m: [],
)
"""What two entrants have in common that stand against each other, from all to nothing."""


def paired(
    first: Sequence[Measurement], second: Sequence[Measurement], *, modes: bool = False
) -> list[Pair]:
    """Which measurement stands against which, split by split.

    Those that have most in common are paired first, where there is one of the kind on each side;
    what is left has no counterpart.

    Args:
        first: One side.
        second: The other.
        modes: Pair only what was measured in the same way (fine-tuned, zero-shot, a baseline).
    """
    stages = SAME[:-1] if modes else SAME
    sides = [_grouped(side, attrgetter("where")) for side in (first, second)]
    pairs: list[Pair] = []
    for where in dict.fromkeys(m.where for m in (*first, *second)):
        left, right = (side.get(where, []) for side in sides)
        for same in stages:
            kinds = _grouped(right, same)
            for kind, own in _grouped(left, same).items():
                other = kinds.get(kind, [])
                if len(own) == len(other) == 1:
                    pairs.append((own[0], other[0]))
                    left.remove(own[0])
                    right.remove(other[0])
        pairs += [(m, None) for m in left] + [(None, m) for m in right]
    return pairs


def _grouped(
    side: Iterable[Measurement], kind: Callable[[Measurement], Any]
) -> dict[Any, list[Measurement]]:
    """Measurements by what they are."""
    groups: dict[Any, list[Measurement]] = {}
    for measurement in side:
        groups.setdefault(_hashable(kind(measurement)), []).append(measurement)
    return groups


def _hashable(value: Any) -> Any:
    """A JSON value as a key of a dictionary; equal where the values are."""
    if isinstance(value, Mapping):
        return frozenset((name, _hashable(inner)) for name, inner in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def mismatches(first: Measurement, second: Measurement) -> dict[str, str]:
    """What keeps two measurements from being a fair pair: the kind of it → both values."""
    facts = {
        "version": (first.version, second.version),
        "data": (first.data[:12], second.data[:12]),
        "metric": (", ".join(first.metrics), ", ".join(second.metrics)),
        "recipe": (_settings(first, second), _settings(second, first)),
        "code": _codes(first.code, second.code),
    }
    return {kind: f"{a} and {b}" for kind, (a, b) in facts.items() if a != b}


def _codes(first: str, second: str) -> tuple[str, str]:
    """Both, without the number within the release where one side is older than that."""
    if "/" in first and "/" in second:
        return first, second
    return first.partition("/")[0], second.partition("/")[0]


def _settings(own: Measurement, other: Measurement) -> str:
    """The recipe, with the settings that the other has otherwise."""
    missing = "nothing"
    differing = sorted(
        name
        for name in {**own.config, **other.config}
        if own.config.get(name, missing) != other.config.get(name, missing)
    )
    return " ".join([own.recipe, *(f"{n}={own.config.get(n, missing)}" for n in differing)])
