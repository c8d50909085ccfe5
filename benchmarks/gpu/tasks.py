"""Fine-tunings of a plan, several at once on one device, each worker taking the next.

A plan is a list of runs in the order of their worth. A worker is a process that loads a model once
and reads rows once; results go to one directory, whose appends are locked. A run that is finished
is found there and not made again. No run is begun that would, by the ones so far, not end in time.

Run: `python benchmarks/gpu/tasks.py --plan paper,fresh --model hf:DIR --data DIR --results DIR`.
`--choose FILE` writes which rate and weight of the plan `grid` had the best development scores.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import controls

from gpteval import load_model
from gpteval.results.store import ResultStore

TUNING = {"rte": (0,), "copa": (0, 1)}
"""The sets on whose development scores the recipe `small` is chosen, with the seeds."""
SMALLEST = ("wnli", "copa")
"""Of which a score says little with one seed."""
QUICK = ("cola", "stsb", "mrpc", "rte", "rocstories", "wnli", "copa")
"""The complete sets that are quick, the longest first."""
LONGER = {"epochs": 10, "warmup": 0.1, "lr_width": 768}


@dataclass(frozen=True)
class Run:
    """One fine-tuning.

    Attributes:
        task, seed, recipe, changes: As of `gpteval run`.
        pretrained: Whether it begins with the model's weights, or with fresh ones.
        model, data: Others than the kit's, as paths beside its own.
    """

    task: str
    seed: int = 0
    recipe: str = "paper"
    changes: Mapping[str, Any] = field(default_factory=dict)
    pretrained: bool = True
    model: str = ""
    data: str = ""

    @property
    def name(self) -> str:
        """For the log."""
        changed = " ".join(f"{key}={value}" for key, value in self.changes.items())
        fresh = "" if self.pretrained else "fresh weights"
        words = [self.model, self.data, self.task, f"seed {self.seed}", self.recipe, changed, fresh]
        return " ".join(word for word in words if word)


def seeded(recipe: str, seeds: Sequence[int], tasks: Sequence[str] = QUICK) -> list[Run]:
    """A recipe on the quick sets: all with one seed, then with the next."""
    return [Run(task, seed, recipe) for seed in seeds for task in tasks]


def fresh(recipe: str, seeds: Sequence[int] = (0,)) -> list[Run]:
    """The same shape without pre-training."""
    tasks = ("cola", "rocstories", "copa")
    return [Run(task, seed, recipe, pretrained=False) for seed in seeds for task in tasks]


def grid(tasks: Sequence[str] = tuple(TUNING)) -> list[Run]:
    """What the recipe `small` is chosen from: rates and the weight of the auxiliary loss."""
    return [
        Run(task, seed, changes={"lr": lr, "lm_weight": weight, **LONGER})
        for task in tasks
        for seeds in [TUNING[task]]
        for seed in seeds
        for lr in (6.25e-5, 1.25e-4, 2.5e-4, 5e-4)
        for weight in (0.5, 0.0)
    ]


def control() -> list[Run]:
    """Permuted labels and permuted weights, which leave a model at chance, and what they were."""
    tasks, alike = ("cola", "rte"), {"recipe": "small"}
    dealt = [Run(task, data="random-labels", **alike) for task in tasks]
    return dealt + [Run(task, model="hf:rows-permuted", **alike) for task in tasks]


def mini() -> list[Run]:
    """The bundled model on whole sets by both recipes, with its weights and with fresh ones."""
    return [
        Run(task, seed, recipe, pretrained=pretrained, model="mini")
        for seed in (0, 1, 2)
        for pretrained in (True, False)
        for recipe in ("small", "paper")
        for task in QUICK
    ]


PLANS = {
    "paper": lambda: seeded("paper", [0]),
    "paper-seeds": lambda: seeded("paper", [1, 2]),
    "fresh": lambda: fresh("paper"),
    "sst2": lambda: [Run("sst2")],
    "grid": grid,
    "grid-copa": lambda: grid(["copa"]),
    "small": lambda: seeded("small", [0]),
    "smallest": lambda: seeded("paper", [1, 2], SMALLEST) + seeded("small", [1, 2], SMALLEST),
    "small-seeds": lambda: seeded("small", [1, 2]),
    "fresh-small": lambda: fresh("small"),
    "control": control,
    "mini": mini,
}


class Worker:
    """One process: the sessions of its models and data, and what each task took."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.sessions: dict[tuple[str, str], Any] = {}
        self.slowest: dict[tuple[str, int], float] = {}

    def config(self, made: Run) -> Any:
        """What `gpteval run` would make of it."""
        from gpteval import Compute
        from gpteval.methods.settings import RunConfig, settled

        options = self.options
        data, changes = made.data or options.data, dict(made.changes)
        changes |= {"epochs": 1, "batch_size": 4} if options.small else {}
        return settled(RunConfig, made.task, {
            "model": made.model or options.model, "data_dir": data or None, "sample": not data,
            "results": options.results, "recipe": made.recipe, "changes": changes,
            "seeds": (made.seed,), "save_seconds": 1e9, "compute": Compute(options.device),
            "limit": 8 if options.small else None,
            "transfer_layers": "all" if made.pretrained else "none",
        })  # fmt: skip

    def expected(self, made: Run) -> float:
        """Seconds that a run is thought to take: as long as the last of its length."""
        return self.slowest.get(self.length(made), 1.0)

    def length(self, made: Run) -> tuple[str, int]:
        """Task and passes over it."""
        return made.task, self.config(made).config.epochs

    def make(self, made: Run) -> str:
        """Run it; what is to be said of it."""
        from gpteval.methods.run import execute
        from gpteval.methods.session import Session
        from gpteval.progress import Silent

        config, began = self.config(made), time.time()
        place = config.model_reference, made.data
        if place not in self.sessions:
            self.sessions = {place: Session(config)}  # one model at a time
        results = execute(config, Silent(), self.sessions[place])
        spent = time.time() - began
        self.slowest[self.length(made)] = max(self.expected(made), spent)
        return f"{made.name}: {spent:.1f} s; {'; '.join(map(line, results))}"


def line(result: Any) -> str:
    """A result, shortly: the scored split, its scores, development scores, seconds of training."""
    scores = " ".join(f"{name} {100 * value:.1f}" for name, value in result.scores.items())
    history = " ".join(f"{100 * point['score']:.1f}" for point in result.history)
    return f"{result.split} {scores} (dev {history}; {result.seconds['train']:.1f} s)"


def work(options: argparse.Namespace, runs: Any, ends: float, told: Any) -> None:
    """Make one run after another until none is left or the time is up."""
    import torch

    from gpteval import GptevalError

    torch.set_num_threads(2)
    worker = Worker(options)
    while (made := runs.get()) is not None:
        if time.time() + worker.expected(made) > ends:
            told.put(f"no time for {made.name}")
            continue
        try:
            told.put(worker.make(made))
        except GptevalError as error:
            told.put(f"{made.name}: {error}")
        except Exception:  # one run's fault is not the others'
            told.put(f"{made.name}: {traceback.format_exc()}")
    told.put(None)


def share(options: argparse.Namespace, runs: Sequence[Run]) -> bool:
    """Share the runs among the workers, and say what each gave; whether all were tried in time."""
    ends = time.time() + options.seconds - 3
    context = multiprocessing.get_context("spawn")
    waiting, told = context.Queue(), context.Queue()
    for made in [*runs, *[None] * options.workers]:
        waiting.put(made)
    workers = [
        context.Process(target=work, args=(options, waiting, ends, told), daemon=True)
        for _ in range(options.workers)
    ]
    for worker in workers:
        worker.start()
    left = len(workers)
    while left and time.time() < ends + 2:
        try:
            said = told.get(timeout=1)
        except queue.Empty:
            if not any(worker.is_alive() for worker in workers):
                break
            continue
        left -= said is None
        if said is not None:
            print(said, flush=True)
    for worker in workers:
        worker.kill()
    return not left


def choose(results: Path, output: Path) -> None:
    """Write the settings of the grid with the best mean of development scores, and all means."""
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in ResultStore(results).read():
        if "lr_width" in result.config:
            setting = json.dumps({k: result.config[k] for k in ("lr", "lm_weight")})
            best = max(point["score"] for point in result.history)
            scores[setting][result.task].append(best)
    table = {
        setting: {task: mean(values) for task, values in tasks.items()}
        for setting, tasks in scores.items()
    }
    ranked = sorted(table, key=lambda setting: -mean(table[setting].values()))
    for setting in ranked:
        print(setting, {task: round(100 * value, 1) for task, value in table[setting].items()})
    found = {"chosen": json.loads(ranked[0]), "development": table}
    output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def prepare(runs: Sequence[Run], options: argparse.Namespace) -> None:
    """Make what all workers read, and what the controls of a plan need, where this runs."""
    if options.model.startswith("hf:"):
        load_model(options.model)  # a GGUF file is converted once
    if any(made.data for made in runs):
        controls.labels(Path(options.data), Path("random-labels"))
    if any(made.model == "hf:rows-permuted" for made in runs):
        controls.weights(Path(options.model.removeprefix("hf:")), Path("rows-permuted"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plan", default="paper", help=f"{', '.join(PLANS)}, or several: a,b")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--data", default="", help="official rows; default: the samples")
    parser.add_argument("--results", default="results")
    parser.add_argument("--choose", type=Path, help="write the best settings of the grid here")
    parser.add_argument("--workers", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=500)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="8 rows of a few runs, once")
    options = parser.parse_args()
    runs = [made for name in options.plan.split(",") for made in PLANS[name]()]
    runs = runs[:4] if options.small else runs
    prepare(runs, options)
    print(json.dumps({"runs": len(runs), "model": options.model}), file=sys.stderr, flush=True)
    done = share(options, runs)
    if options.choose:
        choose(Path(options.results), options.choose)
    sys.exit(not done)


if __name__ == "__main__":
    main()
