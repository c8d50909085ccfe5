"""Two controls that a sound harness scores at chance: permuted labels, permuted weights.

`labels` copies RTE and CoLA with the training labels dealt out anew: what a model learns of them
says nothing of the development rows. `weights` saves a model whose tensors hold the same numbers
with their rows in another order: as large, as many, and without what pre-training made of them.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

LABEL = {"RTE": 3, "CoLA": 1}
"""Column of the label in the official training files, from 0."""


def labels(data: Path, output: Path, seed: int = 0) -> None:
    """Copy the sets with their training labels permuted; the first line of RTE is its header."""
    for name, column in LABEL.items():
        there = output / "glue" / name
        if there.is_dir():
            continue
        shutil.copytree(data / "glue" / name, there)
        lines = (there / "train.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
        begin = int(name == "RTE")
        rows = [line.split("\t") for line in lines[begin:]]
        drawn = [row[column] for row in rows]
        random.Random(seed).shuffle(drawn)
        for row, label in zip(rows, drawn, strict=True):
            row[column] = label
        text = "\n".join([*lines[:begin], *("\t".join(row) for row in rows), ""])
        (there / "train.tsv").write_text(text, encoding="utf-8", newline="\n")


def weights(source: Path, output: Path, seed: int = 0) -> None:
    """Copy the model of a directory's GGUF file with the rows of each of its tensors permuted."""
    import torch
    from safetensors.torch import load_file, save_file

    from gpteval_models.gguf import converted

    if output.is_dir():
        return
    (file,) = source.glob("*.gguf")
    partial = output.with_suffix(".partial")
    shutil.copytree(converted(file), partial, dirs_exist_ok=True)
    tensors = load_file(partial / "model.safetensors")
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in tensors.items():
        tensors[name] = tensor[torch.randperm(len(tensor), generator=generator)].contiguous()
    save_file(tensors, partial / "model.safetensors", metadata={"format": "pt"})
    partial.rename(output)
