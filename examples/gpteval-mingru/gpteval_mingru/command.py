"""`gpteval mingru`: train one on a corpus, with the settings that suit it."""

from __future__ import annotations

from pathlib import Path

import click

from gpteval import PretrainConfig


@click.command()
@click.argument("corpus", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="To write.")
@click.option("--updates", default=4000, show_default=True, help="Optimiser steps.")
@click.option("--merges", default=8000, show_default=True, help="Of the tokenizer.")
@click.option("--held-out", default=1, show_default=True, help="Documents to measure it on.")
def mingru(
    corpus: tuple[Path, ...], output: Path, updates: int, merges: int, held_out: int
) -> None:
    """Train a minGRU on a corpus: files of text, or directories of them.

    The same command goes on where it was stopped. `gpteval pretrain --preset mingru` does the same
    with all its options.
    """
    from gpteval.cli.progress import listener
    from gpteval.pretrain.pretrain import pretrain

    config = PretrainConfig(
        preset="mingru",
        merges=merges,
        batch_size=4,
        updates=updates,
        warmup=updates // 10,
        lr=4e-3,
        dropout=0.0,
        held_out=held_out,
    )
    made = pretrain(list(corpus), output, config, progress=listener())
    measured = f", {made.bits_per_byte:.3f} bits per byte" if made.bits_per_byte else ""
    click.echo(f"{made.model}: loss {made.loss:.3f}{measured}")
