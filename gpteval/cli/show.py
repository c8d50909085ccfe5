"""`gpteval show`: what was predicted, example by example."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from gpteval.cli import output
from gpteval.cli.examples import json_texts, read_texts, show_line, show_more, show_texts
from gpteval.cli.options import data_dir_option, json_option, sample_option


@click.command()
@click.argument("result")
@click.option("--task", help="The task, where RESULT has several.")
@click.option("--split", help="Default: the last that was scored.")
@click.option("--wrong", is_flag=True, help="Only what was answered wrongly.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@data_dir_option
@sample_option
@json_option
def command(
    *,
    result: str,
    task: str | None,
    split: str | None,
    wrong: bool,
    limit: int,
    data_dir: tuple[Path, ...],
    sample: bool,
    as_json: bool,
) -> None:
    """Browse the predictions of RESULT (a directory; see `gpteval compare`), surest first.

    With their text, where the data set is there; of numbers, the largest errors come first.

    \b
    gpteval show runs --task sst2 --wrong
    gpteval show results@mini,finetune --task rte --wrong --data-dir DATA --limit 5
    """
    from gpteval.report.telling import told
    from gpteval.studies.browse import one, said

    measurement = one(result, task, split)
    found = said(measurement, wrong=wrong)
    texts = read_texts(measurement, data_dir, sample)
    facts = {"task": measurement.task, "split": measurement.split, "n": measurement.n}
    if as_json:
        rows = [asdict(own) | json_texts(texts.get(own.id)) for own in found[:limit]]
        output.show_json({**facts, "shown": len(rows), "of": len(found)}, *rows)
        return
    what = "answered wrongly" if wrong else "predictions"
    show_line(
        f"{measurement.task} {measurement.split}: {measurement.entrant}: {len(found)} of "
        f"{measurement.n} {what}"
    )
    for own in found[:limit]:
        output.write("\n")
        show_line(f"{own.id}  {told(own.prediction)}; gold: {told(own.label)}")
        show_texts(texts.get(own.id))
    show_more(len(found), limit)
