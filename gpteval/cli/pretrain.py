"""`gpteval pretrain`: a model of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gpteval.cli.options import DIRECTORY, UserPath, options_from
from gpteval.cli.output import write
from gpteval.config import MONITORED_ROWS, PretrainConfig, Sharing
from gpteval.plugins import registry
from gpteval.text import duration, printable
from gpteval.upkeep import Reading, Upkeep

PRESETS = [
    name for family in registry().models().values() if family.build for name in family.presets
]


@click.command()
@click.argument("corpus", nargs=-1, required=True, type=UserPath())
@click.option(
    "--output",
    required=True,
    type=DIRECTORY,
    help="Directory to write: model/, curve.jsonl, tokens/; what is unfinished there is resumed.",
)
@click.option(
    "--watch",
    "monitor",
    help="Tasks asked by likelihood wherever the held-out loss is measured, names and groups by "
    f"commas: the first {MONITORED_ROWS} rows of their splits, from --data-dir or $GPTEVAL_DATA, "
    "else the bundled samples; default: none.",
)
@options_from(PretrainConfig, "config", preset=PRESETS)
@options_from(Reading, "reading")
@options_from(Upkeep, "upkeep")
@options_from(Sharing, "compute")
def command(corpus: tuple[Path, ...], output: Path, monitor: str | None, **settings: Any) -> None:
    """Train a language model on a corpus, to fine-tune later.

    CORPUS is files and directories: text (.txt, a file is a document), JSONL (.jsonl, a line is
    one), each plain, .gz or .zst; parquet (.parquet, a row is one); or hub:owner/name, or
    hub:owner/name:configuration, whose split train is streamed. None need fit into memory.

    Before training it is told, and written to tokens/survey.json, which documents nearly repeat
    others, and with --overlap how many test examples share 13 words in a row with the corpus. The
    settings are those of the paper, except for the length of training.

    With --watch the curve has zero-shot scores too; the training is the same with and without.

    The preset skipthought learns to tell the sentences around one, not the next token: only
    `gpteval probe --state last` reads such a model.

    A training that was killed resumes with the same command. torchrun shares every batch among
    processes: the losses are those of one process, but for rounding and dropout.

    \b
    gpteval pretrain BOOKS --output mine --batch-size 4 --updates 7000 --lr 2e-3 --dropout 0
    gpteval run --sample --tasks glue --model mine/model
    The same with scores on the way:
    gpteval pretrain BOOKS --output mine --evaluate 500 --watch copa,rocstories
    The paper's, on eight GPUs:
    torchrun --nproc-per-node 8 -m gpteval pretrain BOOKS --output gpt1 \\
        --preset gpt1 --merges 40000 --epochs 100
    """
    from gpteval.api.measure import pretrain_model
    from gpteval.cli.progress import listener
    from gpteval.compute.processes import rank

    done = pretrain_model(corpus, output, watch=monitor or (), progress=listener(), **settings)
    if rank():
        return
    measured = "" if done.bits_per_byte is None else f", {done.bits_per_byte:.3f} bits per byte"
    write(
        f"{printable(done.model)}: {done.tokens:,} tokens in {duration(done.seconds)}, "
        f"loss {done.loss:.3f}{measured}\n"
    )
