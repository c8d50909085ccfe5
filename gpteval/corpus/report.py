"""What is told of a corpus before training: its size, its near-duplicates, the tests it quotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpteval.config import task_names
from gpteval.corpus.contamination import Runs, find_quotes
from gpteval.corpus.duplicates import near_duplicates
from gpteval.corpus.tokens import TokenFile
from gpteval.data.raw import AbsentError
from gpteval.data.rows import SplitRows, load_split, origin, scored_splits
from gpteval.encode.tokenizer import BpeTokenizer
from gpteval.errors import DataError
from gpteval.files import read_sealed, write_sealed, writing
from gpteval.plugins import registry
from gpteval.progress import Progress
from gpteval.task import Task
from gpteval.upkeep import Reading

SHOWN = 3
"""Near-duplicates named on the screen; the page has all."""


def survey(
    files: Sequence[TokenFile],
    tokenizer: BpeTokenizer,
    reading: Reading,
    page: Path,
    progress: Progress,
) -> None:
    """Tell what the token files hold, and write it as JSON; what an earlier survey found is reused.

    Args:
        files: The documents to train on and, if any, those held out.
        tokenizer: The one they were encoded with.
        reading: Names the tasks whose scored splits are looked up in the documents to train on.
        page: File to write.
        progress: Told what is found.

    Raises:
        DataError: A split named that is not there or can't be read.
        ResultError: The page can't be written.
    """
    splits, absent = _tests(reading)
    about = {
        "digests": [file.digest for file in files],
        "tests": [[task.name, task.version, rows.split, rows.digest] for task, rows in splits],
    }
    facts = read_sealed(page)
    if {name: facts.get(name) for name in about} != about:
        facts = about | _sizes(files)
        facts["near_duplicates"] = [asdict(pair) for pair in near_duplicates(files, progress)]
        facts["overlap"] = _overlap(files[0], tokenizer, splits, progress)
    facts["not_looked_up"] = absent
    _write(page, facts)
    _tell(facts, page, progress)


def _tests(reading: Reading) -> tuple[list[tuple[Task, SplitRows]], dict[str, str]]:
    """The splits to look up, and why others can't be."""
    splits: list[tuple[Task, SplitRows]] = []
    absent: dict[str, str] = {}
    rows_from = origin(reading.data_dir)
    if not (reading.overlap or reading.data_dir):
        return [], {"any test": "name --overlap TASKS, or --data-dir DATA for all that are there"}
    names = task_names(reading.overlap or "all")
    named = registry().named(names)
    for task in registry().select(names):
        for split in scored_splits(task, rows_from):
            try:
                splits.append((task, load_split(task, split, rows_from)))
            except DataError as error:
                if task.name in named:
                    raise
                kind = "not there" if isinstance(error, AbsentError) else str(error)
                absent[f"{task.name} {split}"] = kind
    return splits, absent


def _overlap(
    file: TokenFile,
    tokenizer: BpeTokenizer,
    splits: Sequence[tuple[Task, SplitRows]],
    progress: Progress,
) -> list[dict[str, Any]]:
    """What of each split stands in a token file; JSON values."""
    if not splits:
        return []
    progress.begin("read test examples", len(splits))
    wanted: list[Runs] = []
    for task, rows in splits:
        wanted.append(Runs(task, rows, tokenizer))
        progress.advance(1, task.name)
    progress.end()
    return [asdict(quoted) for quoted in find_quotes(file, tokenizer, wanted, progress)]


def _sizes(files: Sequence[TokenFile]) -> dict[str, Any]:
    names = ("train", "held_out")
    return {
        name: {
            "documents": len(file.documents),
            "tokens": len(file.tokens),
            "bytes": file.documents.size,
        }
        for name, file in zip(names, files, strict=False)
    }


def _tell(facts: dict[str, Any], page: Path, progress: Progress) -> None:
    """The survey in a few lines."""
    for name in ("train", "held_out"):
        if name in facts:
            size = facts[name]
            progress.say(
                f"{name.replace('_', ' ')}: {size['documents']:,} documents, "
                f"{size['bytes']:,} bytes, {size['tokens']:,} tokens"
            )
    pairs = facts["near_duplicates"]
    progress.say(f"{len(pairs):,} documents nearly repeat an earlier one (details: {page})")
    for pair in pairs[:SHOWN]:
        progress.say(f"  {pair['document']} repeats {pair['earlier']}: {pair['similarity']:.2f}")
    for quoted in facts["overlap"]:
        told, short = quoted["examples"] - quoted["short"], quoted["short"]
        progress.say(
            f"{quoted['task']} {quoted['split']}: {len(quoted['found']):,} of {told:,} examples "
            f"share 13 words with the corpus" + (f"; {short:,} are shorter" if short else "")
        )
    for name, reason in facts["not_looked_up"].items():
        progress.say(f"not looked up: {name}: {reason}")


def _write(page: Path, facts: dict[str, Any]) -> None:
    with writing(page, "make room, or name another --output"):
        write_sealed(page, facts)
