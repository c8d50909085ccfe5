"""A model is asked tasks while it is pre-trained, and learns what it would have learnt anyway."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from official import write_cola

from gpteval import Compute, GptevalError, load_model, score_zeroshot
from gpteval.cli.pretrain import command
from gpteval.config import MONITORED_ROWS
from gpteval.progress import Silent
from gpteval.studies.monitor import read_monitors

SMALL = ["--context", "16", "--merges", "40", "--held-out", "1", "--batch-size", "2"]
SMALL += ["--updates", "6", "--warmup", "2", "--lr", "1e-3", "--evaluate", "4", "--device", "cpu"]
OTHERS = {"seconds", "utilisation", "zero_shot"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cola(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory, draw = tmp_path_factory.mktemp("corpus"), random.Random(0)
    for number in range(3):
        text = " ".join(draw.choices("a boy saw the old captain go home .".split(), k=300))
        (directory / f"{number}.txt").write_text(text)
    return directory


@pytest.fixture(scope="module")
def asked(corpus: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that is monitored."""
    output = tmp_path_factory.mktemp("asked")
    pretrain(corpus, output, "--watch", "cola", "--data-dir", str(data))
    return output


def pretrain(corpus: Path, output: Path, *more: str) -> None:
    arguments = [str(corpus), "--output", str(output), *SMALL, *more]
    CliRunner().invoke(command, arguments, catch_exceptions=False)


def curve(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "curve.jsonl").read_text().splitlines()]


def test_scores_stand_beside_the_held_out_loss_and_are_those_of_zeroshot(
    asked: Path, data: Path, tmp_path: Path
) -> None:
    points = [point for point in curve(asked) if "zero_shot" in point]
    assert [point["update"] for point in points] == [4, 6]
    assert all("bits_per_byte" in point for point in points)
    settings = {"model": f"{asked}/model", "data_dir": data, "results": tmp_path}
    (result,) = score_zeroshot("cola", compute=Compute("cpu"), untrained=False, **settings)
    assert points[-1]["zero_shot"] == {"cola": pytest.approx(result.scores["matthews"])}


def test_weights_and_losses_are_those_of_a_training_without(
    corpus: Path, asked: Path, tmp_path: Path
) -> None:
    pretrain(corpus, tmp_path)
    assert load_model(f"{tmp_path}/model").digest == load_model(f"{asked}/model").digest
    ours, theirs = (
        [{k: v for k, v in point.items() if k not in OTHERS} for point in curve(output)]
        for output in (asked, tmp_path)
    )
    assert ours == theirs


def test_rows_from_all_over_a_split_are_asked(tmp_path: Path) -> None:
    ((_, rows, _),) = read_monitors(
        ["cola"], str(write_cola(tmp_path, MONITORED_ROWS + 2)), Silent()
    ).rows
    assert list(rows) == ["train", "dev"]
    asked = [int(row["id"]) for row in rows["dev"].rows]
    assert asked == sorted(set(asked))
    assert len(asked) == MONITORED_ROWS


def test_samples_are_asked_where_there_is_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPTEVAL_DATA", raising=False)
    ((task, rows, _),) = read_monitors(["copa"], "", Silent()).rows
    assert (task.name, rows["test"].origin.kind) == ("copa", "sample")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--watch", "colla"], "unknown task or group 'colla'; did you mean 'cola'"),
        (["--watch", "rte"], "no likelihood heuristic is known for rte"),
        (
            ["--watch", "cola,rte"],
            "no likelihood heuristic is known for rte: leave out of --watch",
        ),
        (["--watch", "cola", "--shard"], "--watch asks a whole model and --shard splits it"),
        (["--watch", "cola", "--context", "1"], "train.tsv:1: cola train: example 0: "),
    ],
)
def test_a_mistake_is_one_clear_line_before_training(
    corpus: Path, data: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    whole = [str(corpus), "--output", str(tmp_path), *SMALL, "--data-dir", str(data), *arguments]
    error = CliRunner().invoke(command, whole).exception
    assert isinstance(error, GptevalError)
    assert message in str(error) and "\n" not in str(error)
    assert not (tmp_path / "curve.jsonl").exists()
