"""How long commands take over 20,000 records: `python benchmarks/records.py`.

Copies of real records are written to a temporary directory, some of them with predictions. Beside
each command stands what it takes over the real records alone. Exit 1 above the limit.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import count, islice
from pathlib import Path

from gpteval.records import Result
from gpteval.results.store import ResultStore
from gpteval.results.unit_store import UnitStore

GPTEVAL = str(Path(sys.executable).with_name("gpteval"))
SEEDS = 5
LIMIT = 10.0
"""Most seconds of a command."""


def used() -> float:
    """Seconds of all CPUs that processes used which ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


CLOCK: list[Callable[[], float]] = [time.perf_counter]

RUN = ("run", "--tasks", "all", "--sample", "--limit", "8", "--epochs", "1", "--results")
ZEROSHOT = ("zeroshot", "--all", "--sample", "--limit", "8", "--results")


def copies(results: Iterable[Result]) -> Iterator[Result]:
    """The results again and again, of ever other models, each with several seeds."""
    results = list(results)
    for number in count():
        model, seed = divmod(number, SEEDS)
        for own in results:
            name = f"{own.model}-{model}"
            key = sha256(f"{own.key} {name} {seed}".encode()).hexdigest()
            digest = sha256(f"{own.model_digest} {name}".encode()).hexdigest()
            path = f"predictions/{own.task}-{own.split}-{key[:12]}.jsonl"
            more = {"key": key, "seed": seed, "model": name, "model_digest": digest}
            yield replace(own, predictions=path, **more)


def fill(store: ResultStore, size: int, *, apart: bool) -> int:
    """Add so many copies to a store, some with predictions; returns how many it held before.

    With `apart` each has a file of its own, as workers leave it.
    """
    real = store.read()
    made = list(islice(copies(real), size))
    for own, result in zip(real * (2 * SEEDS), made, strict=False):
        shutil.copyfile(store.directory / own.predictions, store.directory / result.predictions)
    if apart:
        UnitStore(store.directory).put([(None, result) for result in made])
    else:
        store.append(made)
    return len(real)


def commands(directory: Path) -> list[tuple[str, ...]]:
    """What is timed; all of them succeed over real records, and `verify` finds what copies lack."""
    place, baseline = str(directory), str(directory / "baseline.json")
    return [
        (*RUN, place),
        (*ZEROSHOT, place),
        ("leaderboard", place),
        ("leaderboard", place, "--all-splits", "--format", "markdown"),
        ("leaderboard", place, "--cost", "--json"),
        ("leaderboard", place, "--tasks", "rte"),
        ("compare", f"{place}@mini,finetune", f"{place}@mini,zeroshot"),
        ("bless", f"{place}@mini", "--output", baseline),
        ("check", f"{place}@mini", "--baseline", baseline),
        ("results", "verify", place),
    ]


def seconds(command: tuple[str, ...], directory: Path) -> float:
    """Of a whole process, by the clock that `CLOCK` says."""
    began = CLOCK[0]()
    done = subprocess.run([GPTEVAL, *command], cwd=directory, stdout=subprocess.DEVNULL)  # noqa: PLW1510
    if done.returncode > ("verify" in command):
        sys.exit(f"{' '.join(command)}: exit {done.returncode}")
    return CLOCK[0]() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--apart", action="store_true", help="A file each, as workers leave.")
    parser.add_argument("--cpu", action="store_true", help="Seconds of CPU, on a busy machine.")
    given = parser.parse_args()
    CLOCK[0] = used if given.cpu else time.perf_counter
    size = given.records
    with tempfile.TemporaryDirectory() as root:
        store = ResultStore(Path(root, "results"))
        for command in (RUN, ZEROSHOT):
            seconds((*command, str(store.directory)), Path(root))
        timed = commands(store.directory)
        before = [seconds(command, Path(root)) for command in timed]
        real = fill(store, size, apart=given.apart)
        after = [seconds(command, Path(root)) for command in timed]
    print(f"{real + size} records; in brackets the {real} alone that the others are copies of")
    for command, few, many in zip(timed, before, after, strict=True):
        print(f"{' '.join(command)[:60]:60} {many:6.2f} s [{few:.2f}]")
    return int(max(after) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
