"""Tasks, predictions and results made up for the tests of scoring and reporting."""

import numpy as np

from gpteval.plugins import registry
from gpteval.records import DataRecord, Prediction, Result
from gpteval.results.store import ResultStore
from gpteval.score.metrics import score
from gpteval.score.statistics import interval
from gpteval.task import Source, Task


def task(*metrics, name="made", kind="classify", labels=("no", "yes"), **more):
    named = labels if kind == "classify" else ()
    return Task(name, 1, kind, Source("", {}, ()), lambda row: None, metrics, labels=named, **more)


def predictions(labels, answers, parts=None, clusters=None):
    count = len(labels)
    rows = zip(labels, answers, parts or [""] * count, clusters or [""] * count, strict=True)
    return [
        Prediction(str(i), label, answer, part=part, cluster=cluster)
        for i, (label, answer, part, cluster) in enumerate(rows)
    ]


def data(**more):
    facts = {"origin": "files", "digest": "d", "rows": 100, "official": 100, "complete": True}
    return DataRecord(**(facts | {"train_rows": 500, "train_official": 500} | more))


def result(name="made", scores=None, **more):
    scores = scores or {"accuracy": 0.6}
    first = next(iter(scores.values()))
    facts = {
        "key": f"{name}-{more.get('seed', 0)}-key-of-a-run",
        "version": 1,
        "mode": "finetune",
        "split": "test",
        "n": 100,
        "interval": (first - 0.1, first + 0.1),
        "baselines": {"majority": dict.fromkeys(scores, 0.5)},
        "model": "mini",
        "model_digest": "abcdef012345",
        "parameters": 10,
        "recipe": "paper",
        "config": {"lr": 6.25e-5},
        "changed": {},
        "seed": 0,
        "data": data(),
        "degenerate": False,
        "versions": {"python": "3.11"},
        "plugins": {"gpteval": "0.1.0"},
        "commit": "c",
        "device": "cpu",
        "precision": "fp32",
        "seconds": {"train": 1.5},
        "cost": {"tokens": 12.0},
    }
    return Result(task=name, scores=scores, **(facts | more))


def measured(directory, name="rte", right=0.8, count=200, seeds=1, training=0.0, drawn=0, **more):
    """Write what an entrant answered to a task; examples are the same whatever the answers.

    Args:
        right: Share of right answers; of numbers, how close they are.
        training: How much that share moves with the seed.
        drawn: Of the answers.
    """
    made, store = registry().tasks()[name], ResultStore(directory)
    answers, split = np.random.default_rng(drawn), more.pop("split", "dev")
    rows = np.random.default_rng(7)
    ease = rows.random(count)
    if made.kind == "regress":
        gold = rows.integers(0, 6, count).astype(float).tolist()
    else:
        names = made.labels or tuple(range(4))
        gold = [names[i] for i in rows.integers(len(names), size=count)]
    for seed in range(seeds):
        share = min(max(right + training * answers.normal(), 0.05), 1.0)
        if made.kind == "regress":
            given = (np.array(gold) + (1 - share) * answers.normal(size=count)).tolist()
        else:
            hits = (ease + answers.random(count)) / 2 < share**0.5 / 1.05
            given = [g if hit else names[(names.index(g) + 1) % len(names)]
                     for g, hit in zip(gold, hits, strict=True)]  # fmt: skip
        key = f"{name}{seed}{split}{drawn}{right}{more.get('model', '')}".ljust(12, "k")[-40:][::-1]
        rows_given = [
            Prediction(str(i), label, answer, (0.7, 0.3))
            for i, (label, answer) in enumerate(zip(gold, given, strict=True))
        ]
        found = result(
            name,
            score(made, rows_given),
            key=key,
            seed=seed,
            split=split,
            n=count,
            version=more.get("version", made.version),
            interval=interval(made, rows_given),
            degenerate=len(set(given)) == 1,
            predictions=store.write_predictions(key, name, split, rows_given),
            **{k: v for k, v in more.items() if k != "version"},
        )
        store.append([found])
    return directory
