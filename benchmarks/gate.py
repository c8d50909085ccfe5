"""Error rates of the gate over simulated pairs of models: `python benchmarks/gate.py`.

Prints a Markdown table: the share of pairs of equal models of which a task is called REGRESSED, at
tolerance 0; the same for the usual percentile interval of a bootstrap over seeds and examples; and
the drop that a comparison states as its minimal detectable effect (mean, in points), with how often
the next comparison finds one as large. Exit code 1 where more than 5 % are called REGRESSED, or
less than 75 or more than 85 % of the drops are found. `tests/simulated.py` has the populations.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

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
MOST_ALARMS = 0.05
LEAST_CAUGHT, MOST_CAUGHT = 0.75, 0.85


def row(name: str, pairs: int, resamples: int) -> tuple[str, bool]:
    """One line of the table, and whether it is as it should be."""
    model = MODELS[name]
    if model.runs == 1:
        resamples *= 5  # a permutation test has no p below one in as many
    alarms = false_alarms(model, pairs, resamples)
    usual = percentile_alarms(model, pairs // 5, 4 * resamples) if model.runs > 1 else None
    cells = [f"{100 * alarms:.1f} %", "" if usual is None else f"{100 * usual:.0f} %"]
    right = alarms <= MOST_ALARMS
    for place in range(len(METRICS)):
        effect, share = caught(model, place, pairs, resamples)
        cells.append(f"{100 * effect:.1f}: {100 * share:.0f} %")
        right &= LEAST_CAUGHT <= share <= MOST_CAUGHT
    return f"| {name} | {' | '.join(cells)} |", right


def main() -> int:
    """Compute the rows side by side, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000, help="Of models, for each cell.")
    parser.add_argument("--resamples", type=int, default=300, help="Five times, of one run each.")
    given = parser.parse_args()
    print("| models | REGRESSED though equal | percentile bootstrap |", end="")
    print("".join(f" {name} |" for name in METRICS))
    print("|---" * (3 + len(METRICS)) + "|")
    wrong = False
    with ProcessPoolExecutor(2) as pool:
        one = partial(row, pairs=given.pairs, resamples=given.resamples)
        for line, right in pool.map(one, MODELS):
            print(line, flush=True)
            wrong |= not right
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
