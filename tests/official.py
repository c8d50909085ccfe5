"""Small data sets in official layouts, written into a test's directory, and tasks to read them."""

import random
from dataclasses import replace
from pathlib import Path

from gpteval import Split, Task
from gpteval.data.rows import Origin, SplitRows, load_split
from gpteval.plugins import registry

GLUE = {"cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"}
GROUPS = {
    "glue": GLUE,
    "nli": {"snli", "mnli", "qnli", "scitail", "rte", "wnli", "breaking_nli"},
    "similarity": {"stsb", "qqp", "mrpc"},
    "choice": {"race", "copa", "rocstories"},
}
NAMES = {name for members in GROUPS.values() for name in members}
RTE = "index\tsentence1\tsentence2\tlabel\n0\tIt rains.\tIt is wet.\tentailment\n"


def task(name: str) -> Task:
    return registry().tasks()[name]


def write(root: Path, name: str, content: str | bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_cola(root: Path, rows: int = 12) -> Path:
    """Both splits, of three short words a row."""
    draw, words = random.Random(0), ("a", "boy", "saw", "old", "home")
    for split in ("train", "dev"):
        texts = (" ".join(draw.choices(words, k=3)) for _ in range(rows))
        lines = (f"x\t{number % 2}\t\t{text}\n" for number, text in enumerate(texts))
        write(root, f"glue/CoLA/{split}.tsv", "".join(lines))
    return root


def read(name: str, split: str, root: Path, limit: int | None = None) -> SplitRows:
    return load_split(task(name), split, Origin("files", root), limit)


def rte(root: Path, content: str | bytes) -> SplitRows:
    write(root, "glue/RTE/dev.tsv", content)
    return read("rte", "dev", root)


def with_split(base: Task, name: str, split: Split) -> Task:
    splits = {**base.source.splits, name: split}
    return replace(base, source=replace(base.source, splits=splits))
