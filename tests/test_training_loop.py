"""A pre-training that is killed resumes where it stopped and ends as if it had not been."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from filelock import FileLock
from official import write_cola
from processes import FRESH, started, until

from gpteval import BpeTokenizer, Compute, PretrainConfig, load_model, read_config
from gpteval.cli.pretrain import command
from gpteval.compute.device import resolve
from gpteval.corpus.documents import find_documents
from gpteval.corpus.tokens import encode_documents
from gpteval.errors import GptevalError, TrainingError
from gpteval.files import remove_partial
from gpteval.pretrain.bits_per_byte import Objective
from gpteval.pretrain.pretraining import RECENT, Pretraining
from gpteval.train.optimiser import adamw
from gpteval.train.state import save_state
from gpteval_models.gpt import GPT, GPTConfig

WORDS = "the a captain boy ship sea saw sold old and was glad of apples . home went".split()
TIMES = {"seconds", "utilisation"}
SMALL = ["--context", "16", "--merges", "40", "--held-out", "1", "--batch-size", "2", "--device"]
SMALL += ["cpu", "--warmup", "2", "--lr", "1e-3", "--updates", "30"]
OFTEN = ["--save-updates", "3", "--evaluate", "7", "--snapshots", "2", "--watch", "cola"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory, draw = tmp_path_factory.mktemp("corpus"), random.Random(0)
    for number in range(3):
        (directory / f"{number}.txt").write_text(" ".join(draw.choices(WORDS, k=600)))
    return directory


@pytest.fixture(autouse=True, scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the model is asked on the way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPTEVAL_DATA", str(write_cola(tmp_path_factory.mktemp("data"))))
        yield


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing interrupted."""
    output = tmp_path_factory.mktemp("whole")
    pretrain(corpus, output, *OFTEN)
    return output


def pretrain(corpus: Path, output: Path, *more: str) -> Result:
    arguments = [str(corpus), "--output", str(output), *SMALL, *more]
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def error(corpus: Path, output: Path, *more: str) -> str:
    with pytest.raises(GptevalError) as caught:
        pretrain(corpus, output, *more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def trained(corpus: Path, directory: Path) -> Pretraining:
    """One update of two layers."""
    paths = sorted(corpus.iterdir())
    tokenizer = BpeTokenizer.train([paths[0].read_text()], merges=20)
    data = encode_documents(find_documents(paths), tokenizer, directory / "train.tokens")
    config = PretrainConfig(context=16, batch_size=2, updates=9, warmup=2)
    model = GPT(GPTConfig(tokenizer.vocab_size, context=16, width=32, layers=2, heads=2))
    training = Pretraining(Objective(model), data, None, config, resolve(Compute("cpu")))
    training.step()
    return training


def points(output: Path) -> list[dict[str, Any]]:
    """The curve without its times."""
    lines = (output / "curve.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


def states(output: Path) -> list[Path]:
    return sorted((output / "unfinished").glob("update-*.safetensors"))


def killed(corpus: Path, output: Path, wait: float, *more: str) -> bool:
    """Train in a process that is killed some time after it saved a state; False if it ended."""
    before = states(output)
    child = started(pretrain, corpus, output, *more)
    until(lambda: states(output) != before, child)
    child.join(wait)
    child.kill()
    child.join()
    return child.exitcode == -signal.SIGKILL


def test_a_training_killed_at_random_moments_ends_with_the_same_weights_and_curve(
    corpus: Path, whole: Path, tmp_path: Path
) -> None:
    moments, kills = random.Random(0), 0
    while kills < 4 and killed(corpus, tmp_path, moments.uniform(0, 0.1), *OFTEN):
        kills += 1
    assert kills >= 2
    assert "resumes after update" in pretrain(corpus, tmp_path, *OFTEN).stderr
    assert points(tmp_path) == points(whole)
    lines = (tmp_path / "curve.jsonl").read_text().splitlines()
    seconds = [json.loads(line)["seconds"] for line in lines]
    assert seconds == sorted(seconds)  # those of every start count
    for name in ("model", "checkpoints/update-00000015", "checkpoints/update-00000030"):
        assert load_model(f"{tmp_path}/{name}").digest == load_model(f"{whole}/{name}").digest
    assert not (tmp_path / "unfinished").exists()


def test_a_probe_leaves_the_model_as_it_was(corpus: Path, tmp_path: Path) -> None:
    training = trained(corpus, tmp_path)
    assert "zero_shot" not in training.point(0.1, 1.0)
    training.losses, training.marks = [2.0], {1}
    training.monitor = lambda model: {"evaluates": float(not model.eval().training)}
    assert training.point(0.1, 1.0)["zero_shot"] == {"evaluates": 1.0}
    assert training.model.training


def test_a_point_that_was_torn_is_made_again(corpus: Path, whole: Path, tmp_path: Path) -> None:
    assert killed(corpus, tmp_path, 0, *OFTEN)
    with (tmp_path / "curve.jsonl").open("a") as file:
        file.write('{"update": 1')
    pretrain(corpus, tmp_path, *OFTEN)
    assert points(tmp_path) == points(whole)


def test_the_last_states_are_kept(corpus: Path, tmp_path: Path) -> None:
    assert killed(corpus, tmp_path, 0.05, *OFTEN, "--keep", "1")
    assert len(states(tmp_path)) <= 2  # the earlier one goes when the new one is whole
    pretrain(corpus, tmp_path, *OFTEN)


def test_the_clock_is_not_counted_again_at_every_save(corpus: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    pretrain(corpus, tmp_path, "--save-updates", "1")
    lines = (tmp_path / "curve.jsonl").read_text().splitlines()
    assert 0 < json.loads(lines[-1])["seconds"] <= time.monotonic() - began


def test_snapshots_are_models_of_their_update(whole: Path) -> None:
    found = sorted((whole / "checkpoints").iterdir())
    updates = [read_config(directory)["pretraining"]["update"] for directory in found]
    assert updates == [0, 15, 30]
    assert [d.name for d in found] == [f"update-{update:08}" for update in updates]
    details = load_model(str(found[1])).details["pretraining"]
    assert (
        details["bits_per_byte"]
        == next(p for p in points(whole) if p["update"] == 15)["bits_per_byte"]
    )
    assert load_model(str(found[2])).digest == load_model(f"{whole}/model").digest


def test_a_finished_training_is_not_run_again(corpus: Path, whole: Path) -> None:
    before = (whole / "model/model.safetensors").stat().st_mtime_ns
    again = pretrain(corpus, whole, *OFTEN)
    assert "finished before, not run again" in again.stderr
    assert str(whole / "model") in again.stdout
    assert (whole / "model/model.safetensors").stat().st_mtime_ns == before


def test_other_settings_are_refused(corpus: Path, whole: Path, tmp_path: Path) -> None:
    expected = "holds a training with --lr 0.001, not 0.002: give what it was started with"
    assert expected in error(corpus, whole, "--lr", "2e-3")
    killed(corpus, tmp_path, 0, *OFTEN)
    assert expected in error(corpus, tmp_path, "--lr", "2e-3")
    assert "--preset mini, not small" in error(corpus, tmp_path, "--preset", "small")
    (tmp_path / "other").mkdir()
    for path in corpus.iterdir():
        (tmp_path / "other" / path.name).write_text(path.read_text() + " one more .")
    assert "another corpus or tokenizer" in error(tmp_path / "other", tmp_path, *OFTEN)


def test_the_state_of_another_kind_of_training_is_refused(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "unfinished/update-00000001.safetensors"
    model = torch.nn.Linear(3, 2)
    save_state(path, model, adamw(model, 0.1, 0.0), {}, {"done": {}})
    assert "it does not say 'settings'" in error(corpus, tmp_path)


def test_two_commands_can_not_share_a_directory(corpus: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / "pretrain.lock"):
        assert "another gpteval pretrain is at work" in error(corpus, tmp_path)


def test_what_is_no_number_names_its_texts_and_the_last_state(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert killed(corpus, tmp_path, 0, *OFTEN)
    good, step = states(tmp_path)[-1], Pretraining.step

    def broken(training: Pretraining) -> tuple[float, float, float]:
        torch.nn.init.constant_(next(training.model.parameters()), float("nan"))
        return step(training)

    monkeypatch.setattr(Pretraining, "step", broken)
    said = error(corpus, tmp_path, *OFTEN)
    assert "the loss is nan at update" in said and "(token " in said and ".txt" in said
    assert said.endswith(f"the state before is saved in {good}")


def test_a_leap_of_the_loss_stops_unless_told_to_go_on(corpus: Path, tmp_path: Path) -> None:
    training = trained(corpus, tmp_path)
    training.recent = [2.0 + 0.01 * (number % 7) for number in range(RECENT - 1)] + [4.9]
    training.spike(3.0)
    training.recent[-1] = 5.1
    training.spike(0.0)
    with pytest.raises(TrainingError, match=r"leapt to 5.100 from a mean of 2.030 at update 1 of"):
        training.spike(3.0)


def test_no_loss_is_a_leap_before_enough_are_known(corpus: Path, tmp_path: Path) -> None:
    training = trained(corpus, tmp_path)
    training.recent = [2.0] * (RECENT - 2) + [90.0]
    training.spike(3.0)


def test_what_a_kill_left_beside_the_model_is_cleared_up_by_the_same_command(
    corpus: Path, whole: Path, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(whole, tmp_path / "output"))
    (output / "curve.png").unlink()
    for name in ("unfinished", f".model.{'0f' * 8}.partial", f"checkpoints/.u.{'0f' * 8}.partial"):
        (output / name).mkdir()
        (output / name / "update-00000027.safetensors").write_bytes(b"left")
    before = (output / "model/model.safetensors").stat()
    assert "not run again" in pretrain(corpus, output, *OFTEN).stderr
    assert (output / "model/model.safetensors").stat() == before
    assert sorted(p.name for p in output.iterdir()) == sorted(p.name for p in whole.iterdir())
    assert not list(output.rglob("*.partial"))


def test_a_checkpoint_that_a_kill_took_out_of_its_place_is_put_back(tmp_path: Path) -> None:
    scratch = tmp_path / f".model.{'0f' * 8}.partial"
    (scratch / "model.earlier").mkdir(parents=True)
    remove_partial(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_curve_that_was_changed_is_told_and_not_drawn(
    corpus: Path, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = Path(shutil.copytree(whole, tmp_path / "output"))
    (output / "curve.png").unlink()
    (output / "curve.jsonl").write_text((output / "curve.jsonl").read_text().replace("1", "2", 1))
    pretrain(corpus, output, *OFTEN)
    assert "curve.jsonl is not as it was when the training ended" in caplog.text
    assert not (output / "curve.png").exists()


def with_files_of(limit: int, corpus: Path, output: Path) -> str:
    """What the command says where no file may be larger, as on a disk that is full."""
    told, tell = FRESH.Pipe(duplex=False)
    child = started(limited, limit, corpus, output, tell)
    tell.close()
    said: str = told.recv()
    child.join()
    return said


def limited(limit: int, corpus: Path, output: Path, tell: Connection) -> None:
    """The process, which tells what it said."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        pretrain(corpus, output, *OFTEN)
        tell.send("nothing")
    except GptevalError as error:
        tell.send(str(error))
    except BaseException as error:
        tell.send(f"not told: {error!r}")


@pytest.mark.parametrize("limit", [0, 100, 1000, 5000, 100_000, 5_100_000, 15_000_000])
def test_a_full_disk_is_one_line_and_nothing_is_lost(
    corpus: Path, whole: Path, tmp_path: Path, limit: int
) -> None:
    said = with_files_of(limit, corpus, tmp_path)
    assert "can't be written" in said and "make room" in said and "\n" not in said
    assert not list(tmp_path.rglob("*.partial"))
    pretrain(corpus, tmp_path, *OFTEN)
    assert points(tmp_path) == points(whole)
    assert load_model(f"{tmp_path}/model").digest == load_model(f"{whole}/model").digest


FILES = ["curve.jsonl", "curve.png", "pretrain.lock", "tokens/train.tokens", "tokens/train.json"]
FILES += ["tokens/train.documents", "tokens/train.lock", "tokens/tokenizer.json"]


@pytest.mark.parametrize("name", [*FILES, "tokens/survey.json"])
def test_a_directory_where_a_file_is_due_is_one_line(
    corpus: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir(parents=True)
    assert "can't be written" in error(corpus, tmp_path)


@pytest.mark.parametrize("name", ["tokens", "checkpoints", "unfinished", "model"])
def test_a_file_where_a_directory_is_due_is_one_line(
    corpus: Path, tmp_path: Path, name: str
) -> None:
    output = tmp_path / "output"
    output.mkdir()
    (output / name).write_text("a file")
    said = error(corpus, output, *OFTEN)
    assert "can't be written" in said or "was not trained here" in said
    assert "can't be written" in error(corpus, output / name / "below")
