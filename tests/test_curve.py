"""Zero-shot scores along a pre-training: which checkpoints, normalised how, drawn as what."""

from __future__ import annotations

import json
from pathlib import Path

import official
import pytest
import torch
from click.testing import CliRunner
from conftest import TEXT

import gpteval
from gpteval import BpeTokenizer, Compute, save_checkpoint
from gpteval.cli.curve import command
from gpteval.errors import ConfigError
from gpteval.methods.settings import ZeroshotConfig
from gpteval.plugins import registry
from gpteval.progress import Silent
from gpteval.report.curve import figure
from gpteval.results.store import ResultStore
from gpteval.studies.curve import Point, best_before, checkpoints, points
from gpteval_models.gpt import GPT, GPTConfig

SST2 = "sentence\tlabel\n" + "".join(
    f"a {w} old ship \t{i % 2}\n" for i, w in enumerate("abcdefgh")
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints as `gpteval pretrain --snapshots 2` leaves them, and its final model."""
    output = tmp_path_factory.mktemp("run")
    tokenizer = BpeTokenizer.train([TEXT], merges=60)
    torch.manual_seed(0)
    model = GPT(GPTConfig(tokenizer.vocab_size, context=512, width=32, layers=2, heads=2))
    for update in (0, 500, 1000):
        details = {"pretraining": {"update": update} | ({"tokens": update * 64} if update else {})}
        folder = output / "checkpoints" / f"update-{update:08}"
        save_checkpoint(folder, "gpt", model, tokenizer, details)
        with torch.no_grad():
            model.tokens.add_(torch.randn_like(model.tokens), alpha=0.1)
    save_checkpoint(output / "model", "gpt", model, tokenizer, details)
    return output


def settings(store: Path, *tasks: str, **more: object) -> ZeroshotConfig:
    return ZeroshotConfig(tasks, results=store, compute=Compute("cpu"), **more)


def scored(run: Path, store: Path, *tasks: str) -> list[Point]:
    found, _ = points([run], settings(store, *tasks, sample=True, limit=16), Silent())
    return found


def test_checkpoints_are_found_in_the_order_of_updates(run: Path) -> None:
    (run / "checkpoints" / "notes").mkdir(exist_ok=True)
    (run / "checkpoints" / ".update-00002000.partial").mkdir(exist_ok=True)
    found = checkpoints(run)
    assert [(each.update, each.tokens) for each in found] == [(0, 0), (500, 32_000), (1000, 64_000)]
    assert checkpoints(run / "checkpoints") == found


def test_a_directory_without_checkpoints_says_how_to_make_some(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigError, match="make some with `gpteval pretrain BOOKS"):
            checkpoints(directory)


def test_two_runs_in_one_directory_are_refused(tmp_path: Path, roomy_directory: Path) -> None:
    loaded = gpteval.load_model(str(roomy_directory))
    for name in ("a", "b"):
        details = {"pretraining": {"update": 5}}
        save_checkpoint(tmp_path / name, "gpt", loaded.model, loaded.tokenizer, details)
    with pytest.raises(ConfigError, match="are both of update 5"):
        checkpoints(tmp_path)


def test_results_before_gpt_1_are_those_of_the_blog_post() -> None:
    known = {name: best_before(task) for name, task in registry().tasks().items() if task.prompt}
    assert known == {
        "cola": 0.35, "sst2": 0.932, "race": 0.533, "copa": 0.712, "rocstories": 0.776,
        "dpr": None, "wsc273": None,
    }  # fmt: skip


def test_a_random_guess_is_0_and_a_perfect_score_1_on_samples(run: Path, tmp_path: Path) -> None:
    for point in scored(run, tmp_path, "copa", "cola"):
        guess = 0.5 if point.task == "copa" else 0.0
        assert point.normalised == pytest.approx((point.score - guess) / (1 - guess), abs=1e-6)
        if point.normalised_interval is None:  # a correlation that a handful of 16 decides
            assert point.task == "cola"
        else:
            low, high = point.normalised_interval
            assert low <= point.normalised <= high
        assert (point.of, point.n) == ("a perfect score", 16)


def test_the_best_before_gpt_1_is_1_on_the_real_sets(run: Path, tmp_path: Path) -> None:
    official.write(tmp_path, "glue/SST-2/dev.tsv", SST2)
    found, _ = points([run], settings(tmp_path, "sst2", data_dir=tmp_path), Silent())
    for point in found:
        assert point.normalised == pytest.approx((point.score - 0.5) / (0.932 - 0.5), abs=1e-6)
        assert (point.of, point.complete) == ("the best before GPT-1", False)


def test_a_task_without_an_earlier_result_is_left_out_on_the_real_sets(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no result from before GPT-1 is known for dpr, wsc273"):
        points([tmp_path], settings(tmp_path, "winograd", data_dir=tmp_path), Silent())


def test_scores_are_those_of_zeroshot_and_not_computed_twice(run: Path, tmp_path: Path) -> None:
    first = scored(run, tmp_path, "copa")
    assert scored(run, tmp_path, "copa") == first
    assert len(ResultStore(tmp_path).read()) == len(first) == 3
    (alone,) = gpteval.score_zeroshot(
        "copa", model=first[-1].checkpoint, sample=True, limit=16, results=tmp_path / "alone",
        untrained=False, compute=Compute("cpu"),
    )  # fmt: skip
    assert (alone.scores["accuracy"], alone.key) == (first[-1].score, first[-1].key)


def test_the_figure_has_a_line_per_task_and_run(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = scored(run, tmp_path, "copa", "sst2")
    axes = figure(found).axes[0]
    drawn = {line.get_label(): line for line in axes.lines}
    for task in ("copa", "sst2"):
        assert list(drawn[task].get_xdata()) == [0, 500, 1000]
        wanted = [point.normalised for point in found if point.task == task]
        assert list(drawn[task].get_ydata()) == wanted


def test_the_command_writes_points_and_picture(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    options = ["--sample", "--tasks", "copa,sst2", "--limit", "8", "--device", "cpu"]
    options += ["--results", str(tmp_path / "out")]
    found = CliRunner().invoke(command, [str(run), *options], catch_exceptions=False)
    assert "1: a perfect score" in found.stdout
    assert (tmp_path / "out" / "curve.png").read_bytes().startswith(b"\x89PNG")
    lines = (tmp_path / "out" / "points.jsonl").read_text().splitlines()
    again = CliRunner().invoke(command, [str(run), *options, "--json"]).stdout.splitlines()
    assert [json.loads(line) for line in again] == [json.loads(line) for line in lines]
    assert [json.loads(line)["update"] for line in lines] == [0, 0, 500, 500, 1000, 1000]


def test_without_matplotlib_one_line_says_what_to_install(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    options = [str(run), "--sample", "--tasks", "copa", "--limit", "5", "--results", str(tmp_path)]
    error = CliRunner().invoke(command, options).exception
    assert isinstance(error, ConfigError)
    assert "pip install 'gpteval[plots]'" in str(error)
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(command, [*options, "--no-picture"]).exit_code == 0


def test_a_constant_answer_to_cola_has_a_point_without_interval(run: Path, tmp_path: Path) -> None:
    """As the records it is made of; the committed curve is held to the same."""
    found, _ = points([run], settings(tmp_path, "cola", sample=True, limit=2), Silent())
    assert [p.score for p in found if p.interval is None] == [0.0] * len(found)
    assert all(p.normalised_interval is None for p in found)
    for line in (RESULTS / "curve" / "points.jsonl").read_text().splitlines():
        point = Point(**json.loads(line))
        for bounds in (point.interval, point.normalised_interval):
            assert bounds is None or bounds[0] < bounds[1]


RESULTS = Path(__file__).parent.parent / "results"
