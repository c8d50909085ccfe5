"""Tasks, predictions and results made up for the tests of scoring and reporting."""

from gpteval.records import DataRecord, Prediction, Result
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
