"""The package on rows of its tasks' own layouts, written here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from gpteval_babylm import RECIPE, SUITE
from gpteval_babylm.command import blimp, table
from layouts import FILES, TEXT, write_layouts

import gpteval
from gpteval.data.examples import examples_of, prompts_of
from gpteval.data.rows import SplitRows, load_split, origin
from gpteval.plugins import registry
from gpteval.testing import check_plugin, task_faults


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The files, and those of further splits as copies."""
    return write_layouts(tmp_path)


def rows(task: str, split: str, data: Path) -> SplitRows:
    return load_split(registry().tasks()[task], split, origin(data))


def test_the_package_is_found_and_sound() -> None:
    check_plugin("gpteval-babylm")


@pytest.mark.parametrize("name", ["blimp", "boolq", "multirc", "wsc"])
def test_its_tasks_conform(name: str, data: Path) -> None:
    assert task_faults(registry().tasks()[name], data_dir=data, learn=False) == []


def test_of_a_pair_the_acceptable_sentence_is_the_label(data: Path) -> None:
    task = registry().tasks()["blimp"]
    prompts = prompts_of(task, rows("blimp", "test", data))
    chosen = [p.candidates[p.label].continuation for p in prompts if isinstance(p.label, int)]
    assert chosen == [row["sentence_good"] for row in FILES["blimp/principle_A.jsonl"]]
    assert {p.label for p in prompts} == {0, 1}
    assert prompts[0].id == "principle_A/0"
    assert prompts[0].part == "syntax_semantics;binding;principle_A"


def test_an_answer_is_a_row_and_a_passage_its_context(data: Path) -> None:
    made = examples_of(registry().tasks()["multirc"], rows("multirc", "train", data))
    assert [(e.label, e.context) for e in made] == [("true", TEXT), ("false", TEXT)]
    assert made[0].cluster == made[1].cluster != ""
    assert made[0].sequences == (("Whom did Ann meet?", "Bob"),)


def test_the_pronoun_is_marked_and_the_noun_stands_behind(data: Path) -> None:
    made = examples_of(registry().tasks()["wsc"], rows("wsc", "train", data))
    assert [(example.label, *example.sequences) for example in made] == [
        ("true", ("Ann saw Eve when *she* left.", "Ann")),
        ("false", ("Ann saw Eve when *she* left.", "Eve")),
    ]


def test_true_and_false_are_boolqs_labels(data: Path) -> None:
    labels = [row["label"] for row in rows("boolq", "train", data).rows]
    assert labels == ["true", "false"] * 4


def test_blimp_is_scored_by_sums_in_every_slice(data: Path, tmp_path: Path) -> None:
    settings = {"model": "mini", "data_dir": data, "results": tmp_path / "out"}
    (result,) = gpteval.score_zeroshot("blimp", untrained=False, **settings)
    names = {"accuracy", "accuracy/syntax_semantics", "accuracy/binding", "accuracy/principle_A"}
    assert names <= result.scores.keys()
    assert len({result.scores[name] for name in names}) == 1
    predictions = (tmp_path / "out" / result.predictions).read_text().splitlines()
    for prediction in map(json.loads, predictions):
        best = max(range(2), key=prediction["scores"].__getitem__)
        assert prediction["prediction"] == best
    shown = CliRunner().invoke(blimp, [str(tmp_path / "out")]).output
    assert "binding" in shown


def test_a_boolq_is_fine_tuned_by_the_challenges_recipe(data: Path, tmp_path: Path) -> None:
    settings = {"model": "mini", "data_dir": data, "results": tmp_path / "out"}
    changes = {"epochs": 1, "batch_size": 4}
    (result,) = gpteval.run("boolq", recipe="babylm", changes=changes, **settings)
    assert (result.recipe, result.n, result.config["lr"]) == ("babylm", 8, RECIPE.lr)


def test_mnli_and_qqp_are_cut_to_ten_thousand_rows() -> None:
    for name in ("mnli_10k", "qqp_10k"):
        train = registry().tasks()[name].source.splits["train"]
        assert (train.rows, train.part and train.part.stop) == (10_000, 10_000)


def test_the_suite_is_what_the_command_fine_tunes() -> None:
    assert registry().suites()["babylm"].members == SUITE


def test_a_table_has_a_line_for_every_slice() -> None:
    lines = table({"accuracy": 0.5, "accuracy/binding": 0.25, "accuracy_mean": 0.1})
    assert lines[:2] == [" 50.0  all", " 25.0  binding"]


@pytest.mark.skipif("GPTEVAL_DATA" not in os.environ, reason="GPTEVAL_DATA names no real data")
def test_the_official_files_hold_67_paradigms_13_phenomena_and_4_fields() -> None:
    task = registry().tasks()["blimp"]
    made = prompts_of(task, load_split(task, "test", origin()))
    kinds = [set(), set(), set()]  # type: list[set[str]]
    for prompt in made:
        for kind, part in zip(kinds, prompt.part.split(";"), strict=True):
            kind.add(part)
    assert len(made) == 67_000
    assert [len(kind) for kind in kinds] == [4, 13, 67]
    assert not kinds[0] & kinds[1] | kinds[1] & kinds[2] | kinds[0] & kinds[2]
