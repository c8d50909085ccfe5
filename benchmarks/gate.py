"""Error rates of the gate over simulated pairs of models: `python benchmarks/gate.py`.

Prints a Markdown table: the share of pairs of equal models of which a task is called REGRESSED, at
tolerance 0 and with McNemar's, the permutation and the seeds' tests as they are; the same for the
usual percentile interval of a bootstrap over seeds and examples; and the share of true drops of the
stated minimal detectable effect that is caught. Takes about an hour on two cores.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from simulated import METRICS, Model, caught, false_alarms, percentile_alarms

MODELS = {
    "one run of each": Model(),
    "2 seeds, of some weight": Model(runs=2, training=0.05),
    "3 seeds, of no weight": Model(runs=3, noise=0.7),
    "3 seeds, of some weight": Model(runs=3, training=0.04),
    "3 seeds, of much weight": Model(runs=3, training=0.1),
    "5 seeds, of some weight": Model(runs=5, training=0.05),
}


def row(name: str, pairs: int, resamples: int) -> str:
    """One line of the table."""
    model = MODELS[name]
    alarms = false_alarms(model, pairs, resamples)
    usual = percentile_alarms(model, pairs // 5, 4 * resamples) if model.runs > 1 else None
    cells = [f"{100 * alarms:.1f} %", "" if usual is None else f"{100 * usual:.1f} %"]
    for place in range(len(METRICS)):
        effect, share = caught(model, place, pairs, resamples)
        cells.append(f"{100 * share:.0f} % of {100 * effect:.1f}")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Compute the rows side by side, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=500)
    given = parser.parse_args()
    print(f"{given.pairs} pairs of models, 15 tasks each, {given.resamples} resamples\n")
    print("| models | REGRESSED though equal | percentile bootstrap |", end="")
    print("".join(f" caught, {name} |" for name in METRICS))
    print("|---" * (3 + len(METRICS)) + "|")
    with ProcessPoolExecutor(2) as pool:
        count = len(MODELS)
        for line in pool.map(row, MODELS, [given.pairs] * count, [given.resamples] * count):
            print(line, flush=True)


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
