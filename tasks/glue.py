"""What GLUE's tasks share: where the benchmark is, how its files are named, its macro mean."""

from __future__ import annotations

from gpteval import PaperScore, Split, Suite

HUB = "nyu-mll/glue"
REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
ASK = "https://gluebenchmark.com/tasks"


def splits(folder: str, train: int, dev: int, test: int) -> dict[str, Split]:
    """GLUE's three splits, from their official row counts; the labels of test are private."""
    return {
        "train": Split(train, (f"glue/{folder}/train.tsv",), hub="train"),
        "dev": Split(dev, (f"glue/{folder}/dev.tsv",), hub="validation"),
        "test": Split(test, (f"glue/{folder}/test.tsv",), hub="test", labelled=False),
    }


GLUE = Suite(
    "glue",
    {
        "cola": ("matthews",),
        "sst2": ("accuracy",),
        "mrpc": ("f1", "accuracy"),
        "stsb": ("pearson", "spearman"),
        "qqp": ("f1", "accuracy"),
        "mnli": ("accuracy",),
        "qnli": ("accuracy",),
        "rte": ("accuracy",),
        "wnli": ("accuracy",),
    },
    published=(PaperScore("macro mean", 72.8, "test", "P t.4", data="QNLI v1", best_before=68.9),),
    submission={
        "CoLA.tsv": ("cola", "test"),
        "SST-2.tsv": ("sst2", "test"),
        "MRPC.tsv": ("mrpc", "test"),
        "STS-B.tsv": ("stsb", "test"),
        "QQP.tsv": ("qqp", "test"),
        "MNLI-m.tsv": ("mnli", "test"),
        "MNLI-mm.tsv": ("mnli", "test_mismatched"),
        "QNLI.tsv": ("qnli", "test"),
        "RTE.tsv": ("rte", "test"),
        "WNLI.tsv": ("wnli", "test"),
        "AX.tsv": ("mnli", "diagnostic"),
    },
    title="GLUE",
)
"""The nine tasks of the official macro mean, with the metrics averaged first (Wang et al. 2018).

The names of the server's files are those of jiant, its authors' toolkit (nyu-mll/jiant, commit
daa5a25: `jiant/scripts/benchmarks/benchmarks.py`).
"""

_TASKS = {
    "cola": ("matthews",),
    "sst2": ("accuracy",),
    "mrpc": ("f1",),
    "stsb": ("pearson",),
    "qqp": ("f1",),
    "mnli": ("accuracy",),
    "qnli": ("accuracy",),
    "rte": ("accuracy",),
}
_TABLE = {
    "full": (74.7, 45.4, 91.3, 82.3, 82.0, 70.3, 81.8, 88.1, 56.0),
    "no pre-training": (59.9, 18.9, 84.0, 79.4, 30.9, 65.5, 75.7, 71.2, 53.8),
    "no auxiliary LM": (75.0, 47.9, 92.0, 84.9, 83.2, 69.8, 81.1, 86.9, 54.4),
    "LSTM": (69.1, 30.3, 90.5, 83.2, 71.8, 68.1, 73.7, 81.1, 54.6),
}
"""Row of table 5 → the average as printed there, then the tasks in their order."""

ABLATIONS = Suite(
    "ablations",
    _TASKS,
    table={
        setup: dict(zip(("", *_TASKS), scores, strict=True)) for setup, scores in _TABLE.items()
    },
    title="P t.5, on GLUE's test splits",
)
"""The paper's ablations, with the metric it gives; MNLI's is the mean of both halves."""
