"""`gpteval vectors`: word vectors of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from gpteval.cli.options import UserPath, options_from
from gpteval.cli.output import write
from gpteval.pretrain.vectors import VectorsConfig
from gpteval.text import printable


@click.command()
@click.argument("corpus", nargs=-1, required=True, type=UserPath())
@click.option(
    "--output",
    required=True,
    type=UserPath(dir_okay=False),
    help="File to write: in word2vec's binary format where it ends in .bin, else as text.",
)
@options_from(VectorsConfig, "config")
def command(corpus: tuple[Path, ...], output: Path, config: VectorsConfig) -> None:
    """Train word vectors on a corpus: word2vec's skip-gram, by gensim.

    CORPUS is what `gpteval pretrain` takes. Words are runs of letters and digits, in small letters.
    `gpteval baselines --vectors` then scores what they tell of every task.

    \b
    gpteval vectors BOOKS --output books.vec
    gpteval baselines --tasks all --data-dir DATA --vectors books.vec
    """
    from gpteval.cli.progress import listener
    from gpteval.pretrain.vectors import train_vectors

    made = train_vectors(corpus, output, config, progress=listener())
    write(
        f"{printable(made.path)}: {made.words:,} vectors of {made.width} numbers, "
        f"from {made.tokens:,} words\n"
    )
