"""What resampling two sides' answers takes: `python benchmarks/resampling.py`.

CPU seconds and peak memory of a process with one thread: a bootstrap by itself, then a comparison,
which has one of its own and a permutation test (accuracy an exact test instead), each of 10,000
resamples; of 10,000 examples and of 40,430 (QQP's development set).
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import numpy as np
from fabricated import task
from simulated import NAMES

from gpteval.score.paired import Paired
from gpteval.score.resampling import Answers, scores

SIZES = (10_000, 40_430)
METRICS = ("accuracy", "f1", "matthews", "pearson")


def answers(name: str, count: int) -> Answers:
    """Of two sides, of which the second is a little worse."""
    generator = np.random.default_rng(0)
    if name == "pearson":
        gold = generator.normal(size=count)
        sides = [gold + generator.normal(size=count) for _ in range(2)]
        return Answers(gold.tolist(), [""] * count, [side.tolist() for side in sides])
    gold = generator.integers(0, 2, count)
    wrong = [generator.random(count) < share for share in (0.2, 0.21)]
    given = [NAMES[np.where(own, 1 - gold, gold)].tolist() for own in wrong]
    return Answers(NAMES[gold].tolist(), [""] * count, given)


def measured(name: str, count: int, resamples: int) -> tuple[float, float]:
    """CPU seconds, and peak memory in MiB."""
    given, kind = answers(name, count), "regress" if name == "pearson" else "classify"
    began = time.process_time()
    made = task(name, kind=kind)
    scores(made, [name], given, resamples)  # accuracy itself needs none: McNemar's test is exact
    Paired(made, [name], given, 1, resamples=resamples).difference([name])
    seconds = time.process_time() - began
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--metric", choices=METRICS, help="This one only.")
    given = parser.parse_args()
    print("| metric | examples | CPU seconds | peak, MiB |\n|---|---|---|---|")
    for name in [given.metric] if given.metric else METRICS:
        for count in SIZES:
            with get_context("spawn").Pool(1) as pool:  # a peak of its own
                seconds, peak = pool.apply(measured, (name, count, given.resamples))
            print(f"| {name} | {count:,} | {seconds:.1f} | {peak:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
