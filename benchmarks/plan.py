"""What `gpteval plan` says of ten fine-tunings on the bundled samples, beside what they then take.

Every round plans and runs the ten with `mini`, each side as its command does, with nothing kept
from an earlier round; tasks take turns, so that both sides meet the same neighbours. Seconds are
those on record: reading, encoding, training, predicting. `--clock cpu` counts the seconds that this
process computes, for a machine that is shared: others' work is not in them, on either side.

Run: `python benchmarks/plan.py`. Exit 1 where the median of a task's rounds is more than 25 % off,
or tokens, updates or FLOPs are not exactly those of the run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from gpteval.encode.cache import VARIABLE
from gpteval.methods.run import execute
from gpteval.methods.settings import RunConfig
from gpteval.progress import Silent
from gpteval.studies.plan import plan

TASKS = "cola,sst2,mrpc,stsb,rte,wnli,scitail,copa,rocstories,race"
COUNTED = ("updates", "tokens", "predicted", "evaluated_tokens", "train_flops", "evaluate_flops")
TOLERANCE = 0.25


def once(task: str, recipe: str, limit: int | None) -> tuple[float, float]:
    """Seconds that are predicted for a task, and those it takes.

    Raises:
        SystemExit: What can be counted is not what the run counts.
    """
    with tempfile.TemporaryDirectory() as place:
        os.environ[VARIABLE] = place
        results = Path(place) / "results"
        config = RunConfig((task,), sample=True, results=results, recipe=recipe, limit=limit)
        ((planned,), _) = plan(config, Silent())
        result = execute(config, Silent())[0]
    for name in COUNTED:
        if getattr(planned, name) != result.cost[name]:
            sys.exit(f"{task}: {name} {getattr(planned, name)} planned, {result.cost[name]} made")
    load = result.seconds["load"]
    return planned.seconds + load, sum(result.seconds.values())


def main() -> None:
    """Print a line for every task; the last has the largest error."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", default=TASKS)
    parser.add_argument("--recipe", default="sample")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    asked = parser.parse_args()
    if asked.clock == "cpu":
        time.perf_counter = time.process_time
    worst, tasks = 0.0, asked.tasks.split(",")
    pairs: dict[str, list[tuple[float, float]]] = {task: [] for task in tasks}
    for _ in range(asked.rounds):
        for task in tasks:
            pairs[task].append(once(task, asked.recipe, asked.limit))
            print(f"{task}: {pairs[task][-1]}", file=sys.stderr, flush=True)
    for task, own in pairs.items():
        planned, made = (median(side) for side in zip(*own, strict=True))
        ratio = median(first / second for first, second in own)
        worst = max(worst, abs(ratio - 1))
        low, high = min(a / b for a, b in own), max(a / b for a, b in own)
        print(f"{task:12} planned {planned:6.1f} s, made {made:6.1f} s: "
              f"{ratio:.2f} [{low:.2f}..{high:.2f}]", flush=True)  # fmt: skip
    print(f"largest error of {len(tasks)}: {100 * worst:.0f} %")
    sys.exit(int(worst > TOLERANCE))


if __name__ == "__main__":
    main()
