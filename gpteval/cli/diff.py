"""`gpteval diff`: the examples that two sides answer differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpteval.cli import output
from gpteval.cli.options import data_dir_option, json_option, sample_option
from gpteval.errors import DataError, ResultError
from gpteval.text import printable

if TYPE_CHECKING:
    from gpteval.results.pairing import Measurement
    from gpteval.studies.flips import Flip
    from gpteval.task import Example

LONGEST = 400
"""Characters of a text that are shown of it."""


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--task", required=True, help="The task whose examples to show.")
@click.option("--split", help="Default: the last that both scored.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@data_dir_option
@sample_option
@json_option
def command(
    first: str,
    second: str,
    task: str,
    split: str | None,
    limit: int,
    data_dir: tuple[Path, ...],
    sample: bool,
    as_json: bool,
) -> None:
    """Show the examples that A and B (see `gpteval compare`) answer differently, surest first.

    With their text, where the data set is there.

    \b
    gpteval diff runs/main runs/branch --task rte --data-dir DATA
    gpteval diff @tfidf @mini,finetune --task sst2 --json
    """
    from gpteval.data.rows import origin
    from gpteval.results.pairing import paired, side
    from gpteval.studies.flips import flips, texts

    sides = [[m for m in side(text) if m.task == task] for text in (first, second)]
    pairs = [(a, b) for a, b in paired(*sides) if a and b and split in (None, a.split)]
    if not pairs:
        where = f"{task} {split}" if split else task
        raise ResultError(f"nothing of {where} was scored on both sides")
    one, other = pairs[-1]
    found = flips(one, other)
    try:
        shown = texts(task, one.split, origin(data_dir, sample))
    except DataError as error:
        output.tell(f"without their texts: {error}")
        shown = {}
    if as_json:
        output.show_json(*_json_values(one, found, shown))
    else:
        _print(one, other, found, shown, limit)


def _json_values(
    one: Measurement, found: list[Flip], shown: Mapping[str, Example]
) -> Iterator[dict[str, Any]]:
    """What was compared, then every flip."""
    yield {"task": one.task, "split": one.split, "n": one.n, "differ": len(found)}
    for flip in found:
        example = shown.get(flip.id)
        texts = {"context": example.context, "texts": example.sequences} if example else {}
        yield asdict(flip) | texts


def _print(
    one: Measurement,
    other: Measurement,
    found: list[Flip],
    shown: Mapping[str, Example],
    limit: int,
) -> None:
    better = sum(flip.gain > 0 for flip in found)
    worse = sum(flip.gain < 0 for flip in found)
    _line(
        f"{one.task} {one.split}: {one.entrant} → {other.entrant}: {len(found)} of {one.n} differ: "
        f"{better} better, {worse} worse, {len(found) - better - worse} as wrong as before"
    )
    for flip in found[:limit]:
        word = "better" if flip.gain > 0 else "worse" if flip.gain < 0 else "wrong still"
        answers = f"{_value(flip.first)} → {_value(flip.second)}"
        output.write("\n")
        _line(f"{flip.id}  {word}: {answers}; gold: {_value(flip.label)}")
        if example := shown.get(flip.id):
            for text in _texts(example):
                _line(f"    {text}")
    if len(found) > limit:
        _line(f"… and {len(found) - limit} more: --limit {len(found)} shows all")


def _texts(example: Example) -> list[str]:
    sequences = example.sequences
    if len({frozenset(own) for own in sequences}) == 1:
        sequences = sequences[:1]  # both orders of a pair
    lines = [example.context, *(" | ".join(own) for own in sequences)]
    flat = (" ".join(line.split()) for line in lines if line)
    return [line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in flat]


def _value(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _line(text: str) -> None:
    output.write(f"{printable(text)}\n")
