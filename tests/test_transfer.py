"""What is kept of a pre-trained model, what is drawn afresh, and what a result says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import gpteval
from gpteval import Compute, ConfigError, GptevalError, Loaded
from gpteval.cli.run import command
from gpteval.methods.settings import RunConfig
from gpteval.report.leaderboard import json_rows, markdown
from gpteval.report.standings import standings
from gpteval.weights.transfer import Transfer, transfers

RESULTS = Path(__file__).parent.parent / "results"


@pytest.fixture
def settings(tiny_directory: Path, tmp_path: Path) -> dict[str, object]:
    return {
        "model": str(tiny_directory),
        "sample": True,
        "limit": 8,
        "results": tmp_path,
        "changes": {"epochs": 1},
        "compute": Compute(device="cpu"),
    }


def same(a: torch.nn.Module, b: torch.nn.Module) -> set[str]:
    """The names of the matrices that two models share."""
    other = b.state_dict()
    return {n for n, w in a.state_dict().items() if w.ndim > 1 and torch.equal(w, other[n])}


@pytest.mark.parametrize("layers", [-1, 0, 1, 2])
def test_the_first_layers_are_kept_and_the_rest_is_fresh(layers: int, tiny: Loaded) -> None:
    kept = same(tiny.model, Transfer(layers).model(tiny))
    embeddings = {"tokens", "positions"} if layers >= 0 else set()
    above = {name.split(".")[1] for name in kept - {"tokens", "positions"}}
    assert kept & {"tokens", "positions"} == embeddings
    assert above == {str(n) for n in range(layers)}
    assert sum("blocks" in name for name in kept) == 4 * max(layers, 0)


def test_fresh_weights_come_from_the_random_state(tiny: Loaded) -> None:
    models = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        models.append(Transfer(-1).model(tiny))
    everything = {n for n, w in models[0].state_dict().items() if w.ndim > 1}
    assert same(models[0], models[1]) == everything
    assert not same(models[0], models[2])


def test_a_copy_of_everything_is_not_the_loaded_model_itself(tiny: Loaded) -> None:
    copy = Transfer().model(tiny)
    copy.tokens.data.zero_()
    assert tiny.model.tokens.any()


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("all", [None]),
        ("2", [None]),
        ("none", [-1]),
        ("0..2", [0, 1, None]),
        ("none,0..1", [-1, 0, 1]),
        (" 1 , 0,1", [1, 0]),
        ("none..all", [-1, 0, 1, None]),
    ],
)
def test_layers_are_named_one_by_one_or_as_a_range(
    text: str, layers: list[int | None], tiny: Loaded
) -> None:
    assert [t.layers for t in transfers(text, tiny)] == layers


@pytest.mark.parametrize("text", ["", "two", "1..", "-1", "0...2", "all..2", "1;2"])
def test_what_is_no_number_of_layers_is_found_before_anything_is_loaded(text: str) -> None:
    with pytest.raises(ConfigError, match="a number of layers, or several"):
        RunConfig(tasks=("rte",), transfer_layers=text)


@pytest.mark.parametrize("text", ["3", "0..3", "2..1"])
def test_more_layers_than_the_model_has_are_one_line(text: str, tiny: Loaded) -> None:
    with pytest.raises(ConfigError, match="has 2 layers, so numbers from 0 to 2"):
        transfers(text, tiny)


def test_a_family_that_can_not_begin_afresh_says_so(tiny: Loaded) -> None:
    adapted = Loaded(tiny.model, tiny.tokenizer, "x:y", "", family="x")
    assert transfers("all", adapted) == [Transfer()]
    with pytest.raises(ConfigError, match="x:y can't be built with fresh weights"):
        transfers("none", adapted)


def test_every_beginning_is_a_result_of_its_own(settings: dict[str, object]) -> None:
    found = gpteval.run("copa", transfer_layers="none,0,all", **settings)
    dev = [r for r in found if r.split == "dev"]
    assert len({r.key for r in found}) == 3
    assert [Transfer.of(r.config).layers for r in dev] == [-1, 0, None]
    assert dev[0].changed["pretraining"] is False
    assert "transfer_layers" not in dev[2].changed
    plain = gpteval.run("copa", **settings)
    assert [r.key for r in plain] == [r.key for r in found[-2:]]
    assert gpteval.run("copa", transfer_layers="2", **settings) == plain


def test_ablated_results_have_rows_of_their_own(settings: dict[str, object]) -> None:
    rows = standings(gpteval.run("copa", transfer_layers="none..all", **settings))
    page = markdown(rows, "command")
    labels = ["", ", no pre-training", ", embeddings only", ", 1 layer"]
    assert all(page.count(f"{label} |") == 1 for label in labels[1:])
    assert {row["transfer"] for row in json_rows(rows)} == {label[2:] for label in labels}
    assert len(rows) == 4


def test_the_command_takes_the_papers_two_ablations(settings: dict[str, object]) -> None:
    options = "--tasks copa --sample --limit 8 --epochs 1 --device cpu --json".split()
    options += ["--model", str(settings["model"]), "--results", str(settings["results"])]
    arguments = [*options, "--no-pretraining", "--no-aux-lm"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["config"]["lm_weight"] for r in records] == [0.0, 0.0]
    assert [r["config"]["pretraining"] for r in records] == [False, False]


@pytest.mark.parametrize(
    "options",
    ["--no-pretraining --transfer-layers 2", "--no-aux-lm --lm-weight 0.3"],
)
def test_two_words_for_one_thing_are_refused(options: str) -> None:
    done = CliRunner().invoke(command, ["--tasks", "copa", *options.split()])
    assert done.exit_code == 2
    assert "give one of them" in done.output
    assert not isinstance(done.exception, GptevalError)
