"""Small data sets in official layouts, written into a test's directory, and tasks to read them."""

import csv
import io
import json
import random
from collections.abc import Callable
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


def write_official(root: Path, rows: int = 12, names: set[str] | None = None) -> Path:
    """Every split of the built-in tasks in its official layout, with a few rows each.

    Files that the harness cuts (COPA's, the Cloze Test's) have as many as the cuts need.
    """
    for name, known in registry().tasks().items():
        if name not in (names or NAMES | {"dpr", "wsc273"}):
            continue
        for split in known.source.splits.values():
            cut = max(split.part.start, split.part.held_out) if split.part else 0
            for file in split.files[: 2 if name == "race" else 1]:
                made = [official_row(known, number) for number in range(rows + cut)]
                write(root, file.replace("*", "1"), _written(known, split, made))
    return root


def official_row(known: Task, number: int) -> dict[str, str]:
    """Columns of a made-up row, as the publisher names and spells them; labels take turns."""
    source = known.source
    spelt = {label: label for label in known.labels}
    spelt |= {name: raw for raw, name in reversed(source.label_names.items())}
    raw = [*spelt.values()] or (["1.5", "4.0"] if known.kind == "regress" else ["0", "1"])
    word = "wet" if number % len(raw) else "dry"
    made = dict.fromkeys(source.columns, f"It is {word} on day {number}.")
    return {"index": str(number), source.id: str(number)} | made | {
        source.label: raw[number % len(raw)]
    }  # fmt: skip


def _written(known: Task, split: Split, rows: list[dict[str, str]]) -> str:
    """The text of a file of those rows."""
    source = known.source
    if callable(source.reader):
        return OWN[known.name](rows)
    if source.reader == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows)
    names = split.header or ("index", *source.columns, source.id, source.label)
    names = [n for n in names if n and (split.labelled or n != source.label)]
    lines = [] if split.header else [names]
    lines += [[row.get(name, "x") for name in names] for row in rows]
    if source.reader == "tsv":
        return "".join("\t".join(cells) + "\n" for cells in lines)
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()


def _race(rows: list[dict[str, str]]) -> str:
    asked = [row["question"] for row in rows]
    options = [[f"{row['article']} {letter}" for letter in "ABCD"] for row in rows]
    answers = [row["answer"] for row in rows]
    made = {"article": "It is wet.", "questions": asked, "options": options, "answers": answers}
    return json.dumps(made)


def _copa(rows: list[dict[str, str]]) -> str:
    item = '<item id="{}" asks-for="cause" most-plausible-alternative="{}">{}</item>'
    texts = "<p>It is wet.</p><a1>It rained.</a1><a2>It shone.</a2>"
    items = (item.format(1 + n, 1 + n % 2, texts) for n, _ in enumerate(rows))
    return f"<copa-corpus>{''.join(items)}</copa-corpus>"


def _dpr(rows: list[dict[str, str]]) -> str:
    block = "The boy fed the dog because he liked it.\nhe\nthe boy,the dog\nthe {}\n\n"
    return "".join(block.format("boy" if n % 2 else "dog") for n, _ in enumerate(rows))


def _wsc273(rows: list[dict[str, str]]) -> str:
    schema = (
        "<schema><text><txt1>The boy fed the dog because</txt1><pron>he</pron>"
        "<txt2>liked it.</txt2></text><answers><answer>The boy</answer><answer>the dog</answer>"
        "</answers><correctAnswer>{}.</correctAnswer></schema>"
    )
    schemas = (schema.format("AB"[n % 2]) for n, _ in enumerate(rows))
    return f"<collection>{''.join(schemas)}</collection>"


OWN: dict[str, Callable[[list[dict[str, str]]], str]] = {
    "race": _race,
    "copa": _copa,
    "dpr": _dpr,
    "wsc273": _wsc273,
}
"""Tasks whose files have layouts of their own."""


def read(name: str, split: str, root: Path, limit: int | None = None) -> SplitRows:
    return load_split(task(name), split, Origin("files", root), limit)


def rte(root: Path, content: str | bytes) -> SplitRows:
    write(root, "glue/RTE/dev.tsv", content)
    return read("rte", "dev", root)


def with_split(base: Task, name: str, split: Split) -> Task:
    splits = {**base.source.splits, name: split}
    return replace(base, source=replace(base.source, splits=splits))
