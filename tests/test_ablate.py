"""Table 5 and figure 2 (left): the runs behind them, the paper's figures, the picture."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest
from click.testing import CliRunner, Result
from fabricated import result
from rich.console import Console

from gpteval import ConfigError, ablate_pieces, run
from gpteval.cli.ablate import FIGURE, TABLE, command
from gpteval.plugins import registry
from gpteval.report.ablations import AblationTable
from gpteval.report.layers import check_plot, plot, points
from gpteval.results.store import ResultStore
from gpteval.studies.ablate import ablate
from gpteval_tasks.glue import ABLATIONS

METRICS = {task: metric for task, (metric,) in ABLATIONS.members.items()}


def invoke(*options: object) -> Result:
    return CliRunner().invoke(command, [str(o) for o in options], catch_exceptions=False)


@pytest.fixture
def short(tiny_directory: Path, tmp_path: Path) -> list[object]:
    options = "--sample --limit 8 --epochs 1 --device cpu --tasks copa,mnli".split()
    return [*options, "--model", tiny_directory, "--results", tmp_path / "results"]


def printed(table: AblationTable) -> str:
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_papers_averages_are_those_of_its_scores() -> None:
    for setup, row in ABLATIONS.table.items():
        scores = [score for task, score in row.items() if task]
        assert len(scores) == len(METRICS)
        assert fmean(scores) == pytest.approx(row[""], abs=0.07), setup


def test_the_tables_metrics_are_the_tasks_headlines() -> None:
    tasks = registry().tasks()
    assert {name: tasks[name].metrics[0] for name in METRICS} == dict(METRICS)
    assert {t.name for t in registry().select([TABLE])} == set(METRICS)
    assert {t.name for t in registry().select([FIGURE])} == {"race", "mnli"}


def made(**scores: float) -> list[object]:
    rows = [("rte", "dev", scores["rte"]), ("mnli", "dev", scores["m"])]
    rows.append(("mnli", "dev_mismatched", scores["mm"]))
    return [result(name, {"accuracy": s}, split=split, key=name) for name, split, s in rows]


def test_ours_stands_above_the_papers_with_mnli_as_the_mean_of_its_halves() -> None:
    table = AblationTable({"no pre-training": made(rte=0.5, m=0.6, mm=0.62)})
    ours, theirs = table.lines()
    assert ours.scores == pytest.approx({"rte": 50.0, "mnli": 61.0})
    assert theirs.scores == {"rte": 53.8, "mnli": 75.7}
    assert (ours.average, theirs.average) == pytest.approx((55.5, (53.8 + 75.7) / 2))
    page = printed(table)
    assert "P t.5, on GLUE's test splits; nothing is subtracted" in page


def test_with_all_eight_tasks_the_papers_average_is_the_printed_one() -> None:
    every = [result(name, {metric: 0.5}, split="dev", key=name) for name, metric in METRICS.items()]
    lines = AblationTable({"LSTM": every}).lines()
    assert [line.average for line in lines] == [50.0, 69.1]


def test_the_table_is_made_of_runs_that_are_found_again(short: list[object]) -> None:
    first = [json.loads(line) for line in invoke(*short, "--json").stdout.splitlines()]
    assert [r["setup"] for r in first] == [n for n in list(ABLATIONS.table)[:3] for _ in range(2)]
    assert len({row["key"] for row in first}) == 6
    results = ResultStore(short[-1]).read()
    again = invoke(*short)
    assert len(ResultStore(short[-1]).read()) == len(results)
    assert "no auxiliary LM" in again.stdout
    assert "GPT-1" not in again.stdout  # samples never stand beside the paper


def test_an_lstm_is_the_last_row(short: list[object], tiny_directory: Path) -> None:
    settings = {"sample": True, "limit": 8, "changes": {"epochs": 1}, "results": short[-1]}
    found = ablate("copa", lstm=str(tiny_directory), model="mini", **settings)
    assert list(found) == list(ABLATIONS.table)
    assert found["LSTM"][0].model == str(tiny_directory)


def test_layers_are_counted_from_nothing_to_all_and_drawn(
    short: list[object], tmp_path: Path
) -> None:
    picture = tmp_path / "figure.svg"
    done = invoke(*short, "--layers", "--plot", picture)
    assert "embeddings only" in done.stdout
    rows = [json.loads(line) for line in picture.with_suffix(".jsonl").read_text().splitlines()]
    assert [(r["task"], r["layers"]) for r in rows if r["task"] == "copa"] == [
        ("copa", n) for n in (-1, 0, 1, 2)
    ]
    assert {r["split"] for r in rows} == {"dev"}
    assert "</svg>" in picture.read_text()


def test_the_score_of_every_seed_enters_its_point(tmp_path: Path) -> None:
    runs = [
        result("rte", {"accuracy": s}, split="dev", seed=n, config={"transfer_layers": 1})
        for n, s in enumerate((0.5, 0.7, 0.55))
    ]
    whole = result("rte", {"accuracy": 0.8}, split="dev")
    one, all_layers = points([*runs, whole], 4)
    assert (one.layers, one.score, one.highest, one.seeds) == (1, pytest.approx(55), 70, 3)
    assert all_layers.layers == 4
    plot([one, all_layers], tmp_path / "new" / "p.png", "title")
    assert (tmp_path / "new" / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [("--plot p.png", "give both"), ("--layers --lstm x", "which --layers leaves out")],
)
def test_options_that_exclude_each_other_are_refused(options: str, message: str) -> None:
    done = invoke(*options.split())
    assert (done.exit_code, message in done.output) == (2, True)


def test_what_can_not_be_done_is_found_before_any_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name a file ending in \.png"):
        check_plot(tmp_path / "figure.txt")
    with pytest.raises(ConfigError, match="leaves no auxiliary loss"):
        ablate("copa", sample=True, changes={"lm_weight": 0.0})


def test_pieces_of_a_recipe_are_taken_back_one_at_a_time(
    tiny_directory: Path, tmp_path: Path
) -> None:
    """Each is an ordinary run, and its worth is what `compare` says of the two."""
    settings = {
        "model": str(tiny_directory),
        "sample": True,
        "limit": 16,
        "results": tmp_path / "r",
    }
    changes = {"epochs": 2, "lr": 1e-3}
    pieces = ablate_pieces("copa", recipe="paper", changes=changes, **settings)
    both = [("paper", None), ("lr", 1e-3), ("epochs", 2)]
    assert [(p.name, p.value, p.row.split) for p in pieces] == [
        (*piece, split) for piece in both for split in ("dev", "test")
    ]
    pieces = [piece for piece in pieces if piece.row.split == "test"]
    recipes = [{}, {"epochs": 2}, {"lr": 1e-3}, changes]
    paper, no_lr, no_epochs, whole = (
        run("copa", recipe="paper", changes=own, **settings)[-1] for own in recipes
    )
    for piece, without in zip(pieces, (paper, no_lr, no_epochs), strict=True):
        found = piece.row.difference
        assert found.first == pytest.approx(without.scores["accuracy"])
        assert found.second == pytest.approx(whole.scores["accuracy"])
    assert len(ResultStore(tmp_path / "r").read()) == 2 * 4  # two splits; nothing was run again


def test_pieces_are_shown_and_the_papers_recipe_has_none(short: list[object]) -> None:
    shown = invoke("--pieces", "--lr", "1e-3", *short).output
    assert "worth" in shown
    assert "paper" in shown
    rows = invoke("--pieces", "--lr", "1e-3", "--json", *short).stdout.splitlines()
    pieces = {json.loads(row)["piece"] for row in rows}  # of the samples' recipe with that rate
    assert pieces == {"paper", "lr", "batch_size", "epochs", "warmup", "dropout"}
    options = [option for option in short if option not in ("--epochs", "1")]
    with pytest.raises(ConfigError, match="is the paper's"):
        invoke("--pieces", "--recipe", "paper", *options)
