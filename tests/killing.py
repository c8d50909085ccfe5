"""Commands killed in the middle of writing, and what differs from a run that was left in peace.

A moment is a change of the file system: it comes at the same place on every machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from official import write_cola
from processes import FRESH, started

WRITES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree"}
"""What Python tells its audit hooks of beside `open`, before it is done."""

TORN = "records.torn.jsonl"
"""Where a line that a kill cut off is kept, which is told."""

CUT = 100
"""Bytes after which a write is cut."""

MEASURED = {"seconds", "time", "utilisation", "ceiling", "peak_memory_bytes"}
"""What no two runs share, in results and curves."""


WORDS = "the a captain boy ship sea saw sold old and was glad of apples . home went".split()
RUN = """run --tasks sst2,cola --sample --limit 40 --epochs 2 --dropout 0.1 --save-seconds 0
 --results {} --save-model {}/kept"""
ZEROSHOT = "zeroshot --tasks rte,copa --sample --limit 16 --results {}"
BASELINES = "baselines --tasks sst2,stsb,rte --sample --limit 40 --results {}"
PRETRAIN = """pretrain --context 16 --merges 40 --held-out 1 --batch-size 2 --warmup 2 --lr 1e-3
 --updates 12 --save-updates 3 --evaluate 5 --snapshots 2 --watch cola"""


def commands(place: Path, model: Path) -> dict[str, list[str]]:
    """What is killed: a command line of each kind, with {} for its directory.

    Args:
        place: Directory to write a corpus and data sets to.
        model: Directory of a small checkpoint.
    """
    corpus, draw = place / "corpus", random.Random(0)
    corpus.mkdir()
    for number in range(3):
        (corpus / f"{number}.txt").write_text(" ".join(draw.choices(WORDS, k=600)))
    data, asked = write_cola(place / "data"), ["--model", str(model), "--device", "cpu"]
    trained = ["--device", "cpu", "--data-dir", str(data), str(corpus), "--output", "{}"]
    return {
        "run": [*RUN.split(), *asked],
        "zeroshot": [*ZEROSHOT.split(), *asked],
        "baselines": BASELINES.split(),
        "pretrain": [*PRETRAIN.split(), *trained],
    }


@dataclass(frozen=True, slots=True)
class Moment:
    """When a command is killed.

    Attributes:
        change: Of the file system, just before which it is.
        number: Which of several such changes, from 1.
        cut: Whether the file is written, up to `CUT` bytes, before it is.
    """

    change: str
    number: int = 1
    cut: bool = False

    def __str__(self) -> str:
        return f"{'cut off in' if self.cut else 'before'} {self.change} {self.number}"


@dataclass
class Watch:
    """Counts a process's changes of one directory, and ends it at a moment.

    Attributes:
        directory: Only changes below it count.
        moment: When; None: never.
        changes: Seen so far, in order.
    """

    directory: Path
    moment: Moment | None = None
    changes: list[str] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook."""
        if event in WRITES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            path = arguments[1 if event == "os.rename" else 0]
            if isinstance(path, str | os.PathLike):
                self.seen(event, Path.cwd() / path)

    def seen(self, event: str, path: Path) -> None:
        """Note a change that is about to be made, unless that is the end."""
        if not path.is_relative_to(self.directory):
            return
        name = re.sub(r"[0-9a-f]{16}\.partial", "*.partial", str(path.relative_to(self.directory)))
        change = f"{event.removeprefix('os.')} {name}"
        self.changes.append(change)
        moment = self.moment
        if moment and (moment.change, moment.number) == (change, self.changes.count(change)):
            if not moment.cut:
                os.kill(os.getpid(), signal.SIGKILL)
            size = path.stat().st_size if path.is_file() else 0
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + CUT, size + CUT))


def gpteval(
    arguments: Sequence[str], directory: Path, moment: Moment | None = None
) -> tuple[int, list[str]]:
    """Run a command in a process of its own, which is killed where a moment is given.

    Args:
        arguments: Of the command line, with {} for the directory.
        directory: What it writes to.
        moment: When it is killed; None: it runs to its end.

    Returns:
        Its exit code, negative where a signal ended it, and all changes of a run to the end.
    """
    log = directory.with_name(f"{directory.name}.log")
    told, tell = FRESH.Pipe(duplex=False)
    filled = [a.replace("{}", str(directory)) for a in arguments]
    process = started(_run, filled, directory, moment, log, tell)
    tell.close()
    try:
        changes = told.recv()
    except EOFError:
        changes = []
    process.join()
    if process.exitcode and process.exitcode > 0:
        said = log.read_text()[-2000:] if log.exists() else "nothing"
        raise AssertionError(f"{' '.join(arguments)} failed and said {said}")
    return process.exitcode or 0, changes


def _run(
    arguments: list[str], directory: Path, moment: Moment | None, log: Path, tell: Any
) -> None:
    """The process: the command line, watched."""
    from gpteval.cli.main import main

    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv = ["gpteval", *arguments]
    if moment and moment.cut:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it: a write would fail
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watch = Watch(directory, moment)
    sys.addaudithook(watch)
    try:
        main()
    except SystemExit as ended:
        watch.moment = None
        tell.send(watch.changes)
        sys.exit(ended.code)


def moments(changes: Sequence[str], count: int, cuts: int) -> list[Moment]:
    """Moments spread over what a command changes, some of them within a write.

    Args:
        changes: Of a run to the end.
        count: How many.
        cuts: How many of them are within a write.
    """
    known = [Moment(name, changes[: place + 1].count(name)) for place, name in enumerate(changes)]
    # Where the clock decides when to save, half as many saves come on any machine.
    sure = [m for m in known if m.number <= (changes.count(m.change) + 1) // 2]
    opened = [
        Moment(m.change, m.number, cut=True)
        for m in sure
        if m.change.startswith("open ") and not m.change.endswith((".lock", ".probe"))
    ]
    return [*_spread(sure, count - cuts), *_spread(opened, cuts)]


def _spread(found: Sequence[Moment], count: int) -> list[Moment]:
    return [found[int((place + 0.5) * len(found) / count)] for place in range(count)]


def differences(found: Path, expected: Path) -> list[str]:
    """How two directories that a command wrote differ, but for what is measured."""
    ours, theirs = contents(found), contents(expected)
    told = [f"{name} is left over" for name in ours.keys() - theirs.keys()]
    told += [f"{name} is missing" for name in theirs.keys() - ours.keys()]
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name] != theirs[name]:
            told += [f"{name}: {line}" for line in _apart(ours[name], theirs[name])]
    return told


def contents(directory: Path) -> dict[str, Any]:
    """Everything below a directory: JSON without what is measured, of other files the digest."""
    return {
        str(path.relative_to(directory)): _content(path) if path.is_file() else "a directory"
        for path in directory.rglob("*")
        if path.name != TORN
    }


def _content(path: Path) -> Any:
    if path.suffix == ".png":
        return "a picture"
    if path.suffix in (".json", ".jsonl"):
        lines = [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines()
        return [_lasting(json.loads(line)) for line in lines]
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _lasting(value: Any) -> Any:
    """A JSON value without what is measured, and without checksums of it."""
    if isinstance(value, list):
        return [_lasting(item) for item in value]
    if not isinstance(value, dict):
        return value
    left_out = MEASURED | ({"digest"} if "schema" in value else set())
    left_out |= {"curve"} if "update" in value else set()
    return {name: _lasting(item) for name, item in value.items() if name not in left_out}


def _apart(ours: Any, theirs: Any, place: str = "") -> list[str]:
    """Where two JSON values differ, briefly."""
    if type(ours) is type(theirs) is dict:
        names = sorted({*ours, *theirs})
        pairs = [(f"{place}.{name}", ours.get(name), theirs.get(name)) for name in names]
    elif type(ours) is type(theirs) is list and len(ours) == len(theirs):
        pairs = [(f"{place}[{n}]", *both) for n, both in enumerate(zip(ours, theirs, strict=True))]
    else:
        return [f"{place} {ours!s:.80}, not {theirs!s:.80}"]
    return [line for where, a, b in pairs if a != b for line in _apart(a, b, where)]
