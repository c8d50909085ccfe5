"""The recurrence, the rules of the kit, and the way of a model through the harness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from gpteval_mingru.model import scan
from torch import Tensor

import gpteval
from gpteval.cli.main import cli
from gpteval.encode.batch import pack_trees
from gpteval.testing import check_model, check_plugin
from gpteval.tree import fold

WORDS = "the captain looked at the sea and asked the boy whether he had seen the ship".split()


def stepwise(keep: Tensor, add: Tensor, path: list[int]) -> Tensor:
    """The recurrence as it is written, token by token."""
    state = torch.zeros(keep.shape[1], dtype=keep.dtype)
    for token in path:
        state = keep[token] * state + add[token]
    return state


def test_it_is_found_and_sound() -> None:
    check_plugin("gpteval-mingru")


def test_it_conforms() -> None:
    check_model("mingru")


def test_all_states_at_once_are_those_of_one_token_after_another() -> None:
    torch.manual_seed(0)
    sequences = [[1, 2, 3, 4, *tail] for tail in ([5], [6, 7, 8], [6, 7, 9, *range(10, 40)])]
    tree = fold([*sequences, [50, 51]], min_shared=1)
    trees = pack_trees([tree, tree])
    keep = torch.rand(len(trees.tokens), 3, dtype=torch.float64)
    add = torch.randn(len(trees.tokens), 3, dtype=torch.float64)
    states = scan(keep, add, trees.parents)
    for token in range(len(tree.tokens)):
        expected = stepwise(keep, add, tree.path(token))
        torch.testing.assert_close(states[token], expected)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that the package's command trained on a few sentences."""
    place = tmp_path_factory.mktemp("mingru")
    (place / "books").mkdir()
    for number in range(3):
        text = "\n".join(" ".join(WORDS[number:] + WORDS[: n % 7]) for n in range(60))
        (place / "books" / f"{number}.txt").write_text(text)
    words = ["mingru", place / "books", "--output", place / "out", "--updates", 6, "--merges", 60]
    done = CliRunner().invoke(cli, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return place / "out" / "model"


def test_the_command_leaves_a_model_that_has_learnt_something(trained: Path) -> None:
    points = [json.loads(line) for line in (trained.parent / "curve.jsonl").open()]
    assert points[-1]["loss"] < 0.6 * points[0]["loss"]
    assert gpteval.load_model(str(trained)).family == "mingru"


def test_it_is_asked_and_fine_tuned_as_any_other(trained: Path, tmp_path: Path) -> None:
    settings = {"model": str(trained), "sample": True, "results": tmp_path, "limit": 24}
    (asked,) = gpteval.score_zeroshot("copa", untrained=False, **settings)
    *_, tuned = gpteval.run("sst2", changes={"epochs": 1}, **settings)
    assert (asked.mode, tuned.mode) == ("zeroshot", "finetune")
    assert asked.model_digest == tuned.model_digest
    assert asked.plugins["gpteval-mingru"] == "0.1.0"


def test_the_doctor_finds_that_batching_changes_nothing(trained: Path) -> None:
    done = CliRunner().invoke(
        cli, ["doctor", "--sample", "--tasks", "copa", "--limit", "8", "--model", str(trained)]
    )
    assert done.exit_code == 0, done.output
