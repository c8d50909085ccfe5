"""What a run leaves behind: one `Result` per task, split and seed, one `Prediction` per example.

Both are plain JSON lines, so that a number can be defended, rescored and paired without the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

SCHEMA = 1

Mode = Literal["finetune", "zeroshot", "baseline"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said of one example.

    Attributes:
        id: The example's id.
        label: Gold label: a name (classify), a number (regress), an index (choose), or None.
        prediction: In the same terms.
        scores: Probabilities of the labels, in the task's order, or of the answers; empty for
            regression. Zero-shot: log-probabilities, by the rule that the prediction follows.
        part, cluster: As in `Example`.
        variants: Zero-shot: other normalisation → scores of the answers or labels by it.
    """

    id: str
    label: str | int | float | None
    prediction: str | int | float
    scores: tuple[float, ...] = ()
    part: str = ""
    cluster: str = ""
    variants: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataRecord:
    """What a score was measured on, and what the model was trained on.

    Attributes:
        origin: "files", "hub" or "sample".
        digest: SHA-256 over the rows of the training, selection and scored splits.
        rows: Scored rows; `official` what the publisher's split holds.
        complete: False where rows of the scored or the training split are missing.
        train_rows, train_official: The same for the training split.
        left_out: Rows of the scored split without a gold label.
        limit: Most rows of every split that were asked for; 0 where all were.
    """

    origin: str
    digest: str
    rows: int
    official: int
    complete: bool
    train_rows: int = 0
    train_official: int = 0
    left_out: int = 0
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One score and everything it depends on.

    Attributes:
        key: Digest of model, task version, data, configuration, seed: what is finished is found by
            it and not run again. The splits of one run share it.
        task, version, mode, split, n: What was scored, and on how many examples.
        scores: Metric → fraction (correlations from -1), also metric/part for the parts.
        interval: 95 % interval of the headline metric (see `gpteval.score.statistics`).
        baselines: Baseline → metric → fraction; "majority" always.
        model, model_digest, parameters: The model, or the name and settings of a baseline.
        recipe, config, changed: Named recipe, every hyper-parameter, those that differ from the
            recipe `paper`.
        seed: Seed of weights, order and dropout.
        data: The rows behind the number.
        degenerate: True where one answer was given to every example.
        versions, plugins, commit: Software.
        device, precision: Hardware and arithmetic.
        seconds: Phase → seconds: load, encode, train, evaluate.
        cost: tokens, tokens_computed, flops, peak_memory_bytes and the like.
        history: One entry per evaluation while training: update, loss, dev score.
        predictions: Path of the predictions file, below the results directory.
        time: When it was written, UTC, ISO 8601.
    """

    key: str
    task: str
    version: int
    mode: Mode
    split: str
    n: int
    scores: Mapping[str, float]
    interval: tuple[float, float]
    baselines: Mapping[str, Mapping[str, float]]
    model: str
    model_digest: str
    parameters: int
    recipe: str
    config: Mapping[str, Any]
    changed: Mapping[str, Any]
    seed: int
    data: DataRecord
    degenerate: bool
    versions: Mapping[str, str]
    plugins: Mapping[str, str]
    commit: str
    device: str
    precision: str
    seconds: Mapping[str, float]
    cost: Mapping[str, float]
    history: tuple[Mapping[str, float], ...] = ()
    predictions: str = ""
    time: str = ""
    schema: int = field(default=SCHEMA)


def misfit(record: Any) -> str:
    """The first field of a dataclass value that is not of its annotated type; "" where all are."""
    kind: Any = type(record)
    kinds = _kinds(kind)
    return next(
        (f.name for f in fields(record) if not _fits(getattr(record, f.name), kinds[f.name])), ""
    )


@cache
def _kinds(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value read from JSON is of an annotated type; a whole number is a float too."""
    origin, of = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in of
    if origin is UnionType:
        return any(_fits(value, each) for each in of)
    if origin in (Mapping, dict):
        return isinstance(value, dict) and all(_fits(each, of[1]) for each in value.values())
    if origin in (tuple, list):
        length = len(value) if isinstance(value, origin) else -1
        kinds = of if origin is tuple and of[-1] is not ... else of[:1] * length
        return len(kinds) == length and all(map(_fits, value, kinds))
    if kind in (int, float) and isinstance(value, bool):
        return False
    return kind is Any or isinstance(value, (int, float) if kind is float else kind)
