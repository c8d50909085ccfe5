"""Predictions browsed: the wrong ones, the surest first, with the texts that were scored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fabricated import data, measured

from gpteval.cli.main import cli
from gpteval.data.rows import load_split, origin
from gpteval.errors import ResultError
from gpteval.plugins import registry
from gpteval.records import Prediction
from gpteval.results.store import ResultStore
from gpteval.studies.browse import one, said

RTE = registry().tasks()["rte"]


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """One answer to every row of the sample, ever surer."""
    measured(tmp_path, data=data(origin="sample"))
    store, rows = ResultStore(tmp_path), load_split(RTE, "dev", origin(sample=True)).rows
    (result,) = store.read()
    sure = [0.5 + place / 1000 for place in range(len(rows))]
    given = [
        Prediction(row["id"], row["label"], "entailment", (p, 1 - p))
        for row, p in zip(rows, sure, strict=True)
    ]
    store.replace_predictions(result, given)
    return tmp_path


def test_the_wrong_ones_are_shown_surest_first_with_their_texts(results: Path) -> None:
    rows = load_split(RTE, "dev", origin(sample=True)).rows
    wrong = [row for row in rows if row["label"] != "entailment"][::-1]
    header, *lines = map(json.loads, call("show", results, "--wrong", "--json").stdout.splitlines())
    assert (header["task"], header["shown"], header["of"]) == ("rte", 20, len(wrong))
    assert [line["id"] for line in lines] == [row["id"] for row in wrong[:20]]
    assert [line["texts"][0] for line in lines] == [
        [row["sentence1"], row["sentence2"]] for row in wrong[:20]
    ]
    page = call("show", results, "--wrong", "--limit", 2).stdout
    assert f"{len(wrong)} of 200 answered wrongly" in page
    assert f"{wrong[0]['id']}  entailment; gold: not_entailment" in page
    assert f"{wrong[1]['sentence1']} | {wrong[1]['sentence2']}" in page
    assert f"{len(wrong) - 2} more: --limit {len(wrong)} shows all" in page


def test_all_of_them_are_shown_where_nothing_is_asked(results: Path) -> None:
    rows = load_split(RTE, "dev", origin(sample=True)).rows
    header, *lines = call("show", results, "--limit", 10_000, "--json").stdout.splitlines()
    assert json.loads(header)["of"] == len(lines) == len(rows)
    assert {bool(json.loads(line)["wrong"]) for line in lines} == {True, False}


def test_texts_of_another_data_set_are_not_shown(results: Path) -> None:
    store = ResultStore(results)
    (result,) = store.read()
    (first, *others) = store.read_predictions(result)
    (other,) = {*RTE.labels} - {first.label}
    given = [replace(first, label=other), *others]
    store.replace_predictions(result, given)
    done = call("show", results)
    assert (done.exit_code, done.stderr.count("\n")) == (0, 1)
    assert "without their texts: example" in done.stderr
    assert "entailment; gold: " in done.stdout


def test_of_numbers_the_largest_error_comes_first(tmp_path: Path) -> None:
    found = said(one(str(measured(tmp_path, "stsb"))), wrong=True)
    errors = [abs(own.prediction - own.label) for own in found]
    assert errors == sorted(errors, reverse=True) == [own.wrong for own in found]


def test_of_several_seeds_the_most_frequent_answer_counts(tmp_path: Path) -> None:
    store = ResultStore(measured(tmp_path, seeds=3, count=3))
    answers = ["entailment", "not_entailment", "entailment"]
    for result, answer in zip(store.read(), answers, strict=True):
        given = [
            Prediction(p.id, "entailment", answer, p.scores) for p in store.read_predictions(result)
        ]
        store.replace_predictions(result, given)
    found = said(one(str(tmp_path)))
    assert [own.prediction for own in found] == ["entailment"] * 3
    assert not said(one(str(tmp_path)), wrong=True)


def test_one_of_several_results_has_to_be_chosen(tmp_path: Path) -> None:
    measured(tmp_path), measured(tmp_path, "cola"), measured(tmp_path, "cola", model="b", drawn=1)
    with pytest.raises(
        ResultError, match=r"has several results, rte of mini .* and 1 more: choose"
    ):
        one(str(tmp_path))
    with pytest.raises(ResultError, match=r"cola of mini .*, cola of b .*@mini,finetune"):
        one(str(tmp_path), "CoLA")
    assert one(f"{tmp_path}@b").task == "cola"
    assert one(str(tmp_path), "RTE").task == "rte"
    with pytest.raises(ResultError, match="no results of split 'test'"):
        one(str(tmp_path), "rte", "test")
