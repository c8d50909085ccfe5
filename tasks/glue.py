"""What GLUE's tasks share: where the benchmark is, and how its files are named."""

from __future__ import annotations

from gpteval import Split

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
