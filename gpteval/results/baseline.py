"""The baseline file: what a gate compares with, small enough to be kept in git.

It holds the measurements of a results directory without their texts: scores, digests, settings, and
every answer, packed. Gold labels and ids are not in it: their digest says whether the other side's
are the same, in the same order. Of answers that give the scores on record it has the files' digests
too: results that are still those need no second look.
"""

from __future__ import annotations

import array
import base64
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from gpteval.errors import ResultError
from gpteval.files import read_sealed, write_sealed, writing
from gpteval.results.pairing import Answered, Measurement

SCHEMA = 1
KEPT = ("task", "version", "split", "mode", "n", "model", "digest", "recipe", "config", "data")
"""Fields of a measurement that are written as they are."""
MORE = ("limit", "code")


@dataclass(frozen=True, slots=True)
class Noise:
    """How much a score moves with the seed of training, as `gpteval noise` measured it.

    Attributes:
        deviation: Standard deviation of one run's score, as a fraction.
        shared: As much of it, as a standard deviation too, comes of what seeds do with single
            examples, which a resampling of the examples sees as well.
        seeds: How many runs both were estimated from.
    """

    deviation: float
    shared: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was blessed.

    Attributes:
        measurements: One per entrant and split.
        noise: "task/split/metric" → what the seeds do there.
        commit: Of the code that blessed it.
    """

    measurements: tuple[Measurement, ...]
    noise: Mapping[str, Noise] = field(default_factory=dict)
    commit: str = ""


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline file.

    Raises:
        ResultError: It can't be written, or predictions can't be read.
    """
    content = {
        "schema": SCHEMA,
        "commit": baseline.commit,
        "noise": {name: asdict(own) for name, own in sorted(baseline.noise.items())},
        "measurements": [_row(measurement) for measurement in baseline.measurements],
    }
    with writing(path):
        write_sealed(path, content)


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        ResultError: There is none, or it is not what was written.
    """
    if not path.is_file():
        raise ResultError(f"no baseline at {path}: make one with `gpteval bless RESULTS`")
    content = read_sealed(path)
    try:
        if content["schema"] > SCHEMA:
            raise ResultError(f"{path} is of a later gpteval (schema {content['schema']}): upgrade")
        return Baseline(
            tuple(_measurement(row) for row in content["measurements"]),
            {name: Noise(**own) for name, own in content["noise"].items()},
            content["commit"],
        )
    except (LookupError, TypeError, ValueError):
        raise ResultError(
            f"{path} is no baseline, or was changed by hand: restore it, or bless again"
        ) from None


def _row(measurement: Measurement) -> dict[str, Any]:
    answered = measurement.answered()
    seeds = zip(measurement.scores.items(), answered.given, strict=True)
    files = {}
    if measurement.files:
        named = {cluster or row for row, cluster in enumerate(answered.clusters)}
        files = {"files": measurement.files(), "clusters": measurement.clusters or len(named)}
    return {
        **{name: getattr(measurement, name) for name in (*KEPT, *MORE)},
        "examples": answered.examples,
        **files,
        "seeds": [
            {"seed": seed, "scores": dict(scores), "answers": pack(given)}
            for (seed, scores), given in seeds
        ],
    }


def _measurement(row: Mapping[str, Any]) -> Measurement:
    return Measurement(
        **{name: row[name] for name in (*KEPT, *MORE)},
        scores={own["seed"]: own["scores"] for own in row["seeds"]},
        answered=partial(_answered, row),
        files=partial(list, row["files"]) if "files" in row else None,
        clusters=row.get("clusters", 0),
    )


def _answered(row: Mapping[str, Any]) -> Answered:
    given = tuple(tuple(unpack(own["answers"])) for own in row["seeds"])
    return Answered(row["examples"], (), (), (), given)


def pack(answers: Sequence[Any]) -> dict[str, Any]:
    """Answers of one run as JSON: names and their places, or numbers in single precision."""
    if any(isinstance(answer, float) for answer in answers):
        return {"numbers": _packed("f", answers)}
    names = sorted(set(answers))
    places = {name: place for place, name in enumerate(names)}
    return {"names": names, "places": _packed(_size(names), [places[a] for a in answers])}


def unpack(packed: Mapping[str, Any]) -> list[Any]:
    """What `pack` packed.

    Raises:
        ValueError: It did not.
    """
    if "numbers" in packed:
        return list(_unpacked("f", packed["numbers"]))
    names = packed["names"]
    return [names[place] for place in _unpacked(_size(names), packed["places"])]


def _size(names: Sequence[Any]) -> str:
    """How wide a place among so many names is: one byte, or four."""
    return "B" if len(names) <= 256 else "I"


def _packed(code: str, values: Iterable[Any]) -> str:
    content = _little_endian(array.array(code, values)).tobytes()
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _unpacked(code: str, text: str) -> array.array[Any]:
    values: array.array[Any] = array.array(code)
    values.frombytes(zlib.decompress(base64.b64decode(text)))
    return _little_endian(values)


def _little_endian(values: array.array[Any]) -> array.array[Any]:
    """The same in the order of bytes of the file, or back in the machine's."""
    if sys.byteorder == "big":
        values.byteswap()
    return values
