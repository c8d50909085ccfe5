"""`gpteval diff`: the examples that two sides answer differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpteval.cli import output
from gpteval.cli.examples import json_texts, read_texts, show_line, show_more, show_texts
from gpteval.cli.options import data_dir_option, json_option, sample_option

if TYPE_CHECKING:
    from gpteval.results.pairing import Measurement
    from gpteval.studies.flips import Flip
    from gpteval.task import Example


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
    from gpteval.studies.flips import flips, pair

    one, other = pair(first, second, task, split)
    found = flips(one, other)
    texts = read_texts(one, data_dir, sample)
    if as_json:
        output.show_json(*_json_values(one, found, texts))
    else:
        _print(one, other, found, texts, limit)


def _json_values(
    one: Measurement, found: list[Flip], texts: Mapping[str, Example]
) -> Iterator[dict[str, Any]]:
    """What was compared, then every flip."""
    yield {"task": one.task, "split": one.split, "n": one.n, "differ": len(found)}
    for flip in found:
        yield asdict(flip) | json_texts(texts.get(flip.id))


def _print(
    one: Measurement,
    other: Measurement,
    found: list[Flip],
    texts: Mapping[str, Example],
    limit: int,
) -> None:
    from gpteval.report.telling import told

    better = sum(flip.gain > 0 for flip in found)
    worse = sum(flip.gain < 0 for flip in found)
    show_line(
        f"{one.task} {one.split}: {one.entrant} → {other.entrant}: {len(found)} of {one.n} differ: "
        f"{better} better, {worse} worse, {len(found) - better - worse} as wrong as before"
    )
    for flip in found[:limit]:
        word = "better" if flip.gain > 0 else "worse" if flip.gain < 0 else "wrong still"
        answers = f"{told(flip.first)} → {told(flip.second)}"
        output.write("\n")
        show_line(f"{flip.id}  {word}: {answers}; gold: {told(flip.label)}")
        show_texts(texts.get(flip.id))
    show_more(len(found), limit)
