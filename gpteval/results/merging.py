"""Results directories of several machines, joined without loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gpteval.files import write_whole, writing
from gpteval.records import Result
from gpteval.results.lines import reading
from gpteval.results.store import ResultStore


def merge(sources: Sequence[ResultStore], target: ResultStore) -> tuple[int, int]:
    """Add the results and predictions of several directories to one.

    A result that is there already is not added again. Where two have predictions of one name that
    are not the same, both are kept, the later under another name.

    Returns:
        How many results were added, and how many were there.

    Raises:
        ResultError: A file is missing, can't be read or written; what was added before is whole.
    """
    added = there = 0
    known: dict[str, list[Result]] = {}
    for result in target.read_all():
        known.setdefault(result.key, []).append(result)
    for source in sources:
        fresh: list[Result] = []
        for result in source.read_all():
            moved = _with_predictions(source, target, result)
            same_run = known.setdefault(moved.key, [])
            if moved in same_run:
                there += 1
            else:
                same_run.append(moved)
                fresh.append(moved)
        if fresh:
            target.append(fresh)
        added += len(fresh)
    return added, there


def _with_predictions(source: ResultStore, target: ResultStore, result: Result) -> Result:
    """The result with its predictions copied: under their own name, or one that is free."""
    if not result.predictions:
        return result
    source.read_predictions(result)  # or a line that says which is missing or damaged
    content = _bytes(source.directory / result.predictions)
    name, copy = PurePosixPath(result.predictions), 1
    while _differs(target.directory / name, content):
        copy += 1
        name = PurePosixPath(result.predictions).with_stem(f"{name.stem.partition('~')[0]}~{copy}")
    path = target.directory / name
    if not path.exists():
        with writing(path):
            write_whole(path, content)
    return replace(result, predictions=str(name))


def _differs(path: Path, content: bytes) -> bool:
    return path.exists() and _bytes(path) != content


def _bytes(path: Path) -> bytes:
    with reading(path):
        return path.read_bytes()
