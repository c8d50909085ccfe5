"""What a run leaves behind: one `Result` per task, split and seed, one `Prediction` per example.

Both are plain JSON lines, so that a number can be defended, rescored and paired without the model.
A result's line ends in a digest of all its fields, which shows an edit of any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from gpteval.files import digest

SCHEMA = 1
DIGEST = "digest"
"""Field of a result's line beside those of `Result`; lines of earlier code lack it."""
Record = TypeVar("Record", bound="Result | Prediction")

Mode = Literal["finetune", "zeroshot", "probe", "baseline"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said of one example.

    Attributes:
        id: The example's id.
        label: Gold label: a name (classify), a number (regress), an index (choose), or None.
        prediction: In the same terms.
        scores: Probabilities of the labels, in the task's order, or of the answers; empty for
            regression. Zero-shot: log-probabilities, by the rule that the prediction follows;
            sliding window: weights.
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
        scores: Metric → fraction (correlations from -1), also metric/part for the parts. Empty, as
            are interval and baselines, where the labels are private: predicted, not scored.
        interval: 95 % interval of the headline metric (see `gpteval.score.statistics`); None where
            the examples support none.
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
        run_file: What the file of `gpteval run FILE` said, option → value, with the options that
            were typed beside it; {} without a file.
    """

    key: str
    task: str
    version: int
    mode: Mode
    split: str
    n: int
    scores: Mapping[str, float]
    interval: tuple[float, float] | None
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
    run_file: Mapping[str, Any] = field(default_factory=dict)
    schema: int = field(default=SCHEMA)

    @property
    def private(self) -> bool:
        """Whether the labels are private, so that there is nothing but the predictions."""
        return not (self.scores or self.interval or self.baselines)


class NewerError(ValueError):
    """A record that a later gpteval wrote."""


def with_digest(fields_written: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a result's line, with their digest."""
    return {**fields_written, DIGEST: digest(fields_written)}


def read_record(line: str | bytes, kind: type[Record]) -> Record:
    """A record from its JSON.

    Args:
        line: Strict JSON: no NaN, no infinity.
        kind: `Result` or `Prediction`.

    Raises:
        NewerError: Its schema is a later one.
        ValueError: Not JSON, a field missing, unknown or of another type, which is named; or
            fields that their digest is not of.
    """
    import msgspec

    try:
        fields_read = msgspec.json.decode(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(fields_read, dict):
        raise ValueError(f"expected an object, found {fields_read!r:.40}")
    schema = fields_read.get("schema", SCHEMA)
    if isinstance(schema, int) and schema > SCHEMA:
        raise NewerError(f"schema {schema}, and this gpteval reads up to {SCHEMA}")
    sealed = kind is Result and DIGEST in fields_read
    if sealed and fields_read.pop(DIGEST) != digest(fields_read):
        raise ValueError("edited since it was written: its digest is another")
    unknown = fields_read.keys() - FIELDS[kind]
    if unknown:
        raise ValueError(f"unknown field {min(unknown)!r:.40}")
    record = msgspec.convert(fields_read, kind)
    if isinstance(record, Result) and not record.private and all("/" in n for n in record.scores):
        raise ValueError("no scores of the whole split")
    return record


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `records.jsonl` and of the predictions' files."""
    import msgspec

    (result, prediction), parts = msgspec.json.schema_components([Result, Prediction])
    for part in parts.values():
        part.pop("description", None)  # the docstring, whose indentation is Python's affair
    parts[Result.__name__]["properties"][DIGEST] = {"type": "string"}
    lines = {"records.jsonl": result, "predictions": prediction}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **lines, "$defs": parts}


FIELDS: dict[Any, set[str]] = {
    kind: {field.name for field in fields(kind)} for kind in (Result, Prediction)
}
