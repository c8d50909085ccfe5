import json
import shutil
from dataclasses import fields, replace

import pytest
from click.testing import CliRunner
from fabricated import measured

from gpteval import rescore as rescored
from gpteval import score_baselines
from gpteval.cli.rescore import command as rescore_command
from gpteval.cli.results import command as results_command
from gpteval.errors import DataError, ResultError
from gpteval.plugins import registry
from gpteval.records import Result
from gpteval.results.merging import merge
from gpteval.results.pairing import side
from gpteval.results.store import ResultStore
from gpteval.studies.noise import noise
from gpteval.studies.rescore import faults, rescore


def edited(directory, digest="", **changes):
    """The first record with other fields; by default as of earlier code, which wrote no digest."""
    path = directory / "records.jsonl"
    first, *others = path.read_text().splitlines()
    row = json.loads(first) | changes
    known = row.pop("digest")
    if digest:
        row |= {"digest": {"kept": known}.get(digest, digest)}
    path.write_text("\n".join([json.dumps(row), *others]) + "\n")
    return ResultStore(directory)


def run(command, *arguments):
    return CliRunner().invoke(
        command, [str(word) for word in arguments], catch_exceptions=False, standalone_mode=False
    )


@pytest.mark.parametrize("name", ["rte", "cola", "stsb", "race", "mrpc"])
def test_what_was_written_is_in_order_and_scores_as_it_did(tmp_path, name):
    store = ResultStore(measured(tmp_path, name, seeds=2))
    assert list(faults(store)) == []
    assert rescore(store).changed == []


def test_a_metric_added_later_is_computed_from_the_predictions(tmp_path, monkeypatch):
    store = ResultStore(measured(tmp_path, "rte"))
    tasks = registry().tasks()
    tasks["rte"] = replace(tasks["rte"], metrics=("accuracy", "f1"))
    monkeypatch.setattr(registry(), "tasks", lambda: tasks)
    page = run(rescore_command, tmp_path, "--dry-run").stdout
    assert "f1 is new" in page
    assert "f1" not in store.read()[0].scores
    run(rescore_command, tmp_path)
    assert set(store.read()[0].scores) == {"accuracy", "f1"}
    assert rescore(store).changed == []


def test_rescoring_touches_no_other_line(tmp_path):
    measured(tmp_path, "rte"), measured(tmp_path, "cola")
    before = (tmp_path / "records.jsonl").read_bytes().splitlines()
    edited(tmp_path, scores={"accuracy": 0.94})
    with (tmp_path / "records.jsonl").open("ab") as file:
        file.write(b'{"torn":\n')
    run(rescore_command, tmp_path, "--tasks", "rte")
    after = (tmp_path / "records.jsonl").read_bytes().splitlines()
    assert after == [*before, b'{"torn":']


def test_older_records_get_a_digest_and_stay_what_they_were(tmp_path):
    store = ResultStore(measured(tmp_path, seeds=2))
    before, known = store.records.read_bytes(), store.read()
    store = edited(tmp_path)
    told = run(results_command, "verify", tmp_path).stdout
    assert told.startswith("2 results, nothing wrong; 1 without a digest")
    assert store.read() == known
    assert "1 others have a digest now" in run(rescore_command, tmp_path).stdout
    assert store.records.read_bytes() == before


@pytest.mark.parametrize("name", [field.name for field in fields(Result)])
def test_an_edit_of_any_field_is_found_and_such_a_record_counts_nowhere(tmp_path, name):
    known = ResultStore(measured(tmp_path, seeds=2)).read()
    store = ResultStore(tmp_path)
    row = json.loads(store.records.read_bytes().splitlines()[0])
    other = row["seconds"] if name == "cost" else row["cost"]
    edited(tmp_path, "kept", **{name: OTHER.get(type(row[name]), lambda value: other)(row[name])})
    (fault,) = (line for line in faults(store) if "no result is of these" not in line)
    assert fault.startswith("records.jsonl:1: not a result (")
    assert store.read() == known[1:]
    content = store.records.read_bytes()
    assert run(rescore_command, tmp_path).return_value is None
    assert store.records.read_bytes() == content
    merge([store], ResultStore(tmp_path / "joined"))
    assert ResultStore(tmp_path / "joined").read() == known[1:]


OTHER = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    str: lambda value: f"{value}x",
    list: lambda value: [*value, 1],
}
"""A value of the same type, for which a record could be mistaken."""


def _predictions(directory):
    (path,) = (directory / "predictions").iterdir()
    return path


def _rewrite(directory, change):
    path = directory / "records.jsonl"
    path.write_text(change(path.read_text()))


def _append(directory, text):
    _rewrite(directory, lambda known: known + text + "\n")


def _answer(directory):
    path = _predictions(directory)
    first, *others = path.read_text().splitlines()
    row = json.loads(first)
    row["prediction"] = {"entailment": "not_entailment"}.get(row["prediction"], "entailment")
    path.write_text("\n".join([json.dumps(row), *others]) + "\n")


def _cut(directory):
    path = _predictions(directory)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def _stray(directory):
    (directory / "predictions" / "stray.jsonl").write_text("")


FAULTS = {
    "a line that was cut short": (lambda d: _append(d, '{"key": "abc'), "not a result"),
    "a missing end": (lambda d: _rewrite(d, lambda text: text[:-1]), "has no end"),
    "a result twice": (lambda d: _rewrite(d, lambda text: text * 2), "is the result of line 1"),
    "no predictions": (lambda d: _predictions(d).unlink(), "no predictions of rte dev"),
    "an answer that was changed": (_answer, "by the predictions, on record"),
    "a prediction missing": (_cut, "by the predictions, on record"),
    "a score that was changed": (lambda d: edited(d, scores={"accuracy": 0.94}), "accuracy is"),
    "an interval that was changed": (lambda d: edited(d, interval=[0.9, 0.99]), "interval"),
    "a number of examples": (lambda d: edited(d, n=199), "n is 200"),
    "a key": (lambda d: edited(d, key="another-key-altogether"), "its key is not that of"),
    "a setting": (lambda d: edited(d, changed={"lr": 1.0}), "lr is one thing in config"),
    "a seed": (lambda d: edited(d, "kept", seed=7), "edited since it was written"),
    "a digest": (lambda d: edited(d, "f" * 64), "edited since it was written"),
    "predictions of nothing": (_stray, "no result is of these"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_the_exit_code_says_so(tmp_path, fault):
    damage, told = FAULTS[fault]
    damage(measured(tmp_path))
    assert any(told in line for line in faults(ResultStore(tmp_path)))
    assert run(results_command, "verify", tmp_path).return_value == 1


def test_directories_of_several_machines_are_joined(tmp_path):
    (
        measured(tmp_path / "a", "rte"),
        measured(tmp_path / "b", "cola"),
        measured(tmp_path / "b", "rte"),
    )
    page = run(results_command, "merge", tmp_path / "a", tmp_path / "b", "--output", tmp_path / "c")
    assert page.stdout.startswith("2 results added")
    assert {m.task for m in side(str(tmp_path / "c"))} == {"rte", "cola"}
    assert list(faults(ResultStore(tmp_path / "c"))) == []


def test_joining_twice_adds_nothing(tmp_path):
    source, target = ResultStore(measured(tmp_path / "a")), ResultStore(tmp_path / "b")
    assert merge([source, source], target) == (1, 1)
    assert merge([source], target) == (0, 1)


def test_predictions_of_one_name_and_other_content_are_both_kept(tmp_path):
    first, second = (ResultStore(measured(tmp_path / place)) for place in "ab")
    _answer(tmp_path / "b")
    store, target = second, ResultStore(tmp_path / "c")
    store.rewrite(rescore(store).changed)
    merge([first, second], target)
    given = [target.read_predictions(result) for result in target.read()]
    assert given[0][0].prediction != given[1][0].prediction
    assert merge([first, second], target) == (0, 2)


def test_a_source_without_its_predictions_is_refused(tmp_path):
    _predictions(measured(tmp_path / "a")).unlink()
    with pytest.raises(ResultError, match="no predictions of rte dev"):
        merge([ResultStore(tmp_path / "a")], ResultStore(tmp_path / "b"))


def test_noise_is_the_spread_over_the_seeds(tmp_path):
    measured(tmp_path, seeds=5, training=0.1)
    scores = [result.scores["accuracy"] for result in ResultStore(tmp_path).read()]
    mean = sum(scores) / 5
    found = noise(side(str(tmp_path)))["rte/dev/accuracy"]
    assert found.deviation**2 == pytest.approx(sum((s - mean) ** 2 for s in scores) / 4)
    assert 0 < found.shared < found.deviation
    assert found.seeds == 5


@pytest.fixture
def unclustered(tmp_path):
    """Results on a sample whose questions stand on articles, and the same as if nobody knew."""
    results = score_baselines("race", sample=True, limit=60, results=tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "bare")
    for path in (tmp_path / "bare" / "predictions").iterdir():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        kept = [{k: v for k, v in row.items() if k not in ("cluster", "part")} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    assert any(result.interval for result in results)
    assert rescored(tmp_path / "bare")
    return tmp_path / "bare"


def files_in(directory):
    return {p.name: p.read_bytes() for p in directory.rglob("*.jsonl")}


def test_clusters_and_parts_that_predictions_lack_come_from_the_rows(unclustered, tmp_path):
    before = files_in(unclustered)
    page = run(rescore_command, unclustered, "--data-dir", tmp_path, "--dry-run").stdout
    assert "4 of 4 results would change" in page
    assert files_in(unclustered) == before
    run(rescore_command, unclustered, "--tasks", "race", "--data-dir", tmp_path)
    assert files_in(unclustered) == files_in(tmp_path / "whole")
    assert list(faults(ResultStore(unclustered))) == []


@pytest.mark.parametrize("change", [{"label": 3}, {"id": "another"}])
def test_rows_that_are_not_those_that_were_scored_are_refused(
    change, unclustered, tmp_path, caplog
):
    path = next((unclustered / "predictions").glob("race-test*"))
    first, *others = path.read_text().splitlines()
    wrong = json.loads(first)
    change = change | ({"label": (wrong["label"] + 1) % 4} if "label" in change else {})
    path.write_text("\n".join([json.dumps(wrong | change), *others]) + "\n")
    before = files_in(unclustered)
    with pytest.raises(DataError, match=r"these rows are not those that .* was scored on"):
        rescored(unclustered, "race", data_dir=tmp_path)
    assert files_in(unclustered) == before
    rescored(unclustered, data_dir=tmp_path)
    assert "these rows are not those that" in caplog.text
    assert files_in(unclustered)[path.name] == before[path.name]


def test_predictions_whose_rows_are_not_there_stay_as_they_are(unclustered, tmp_path, caplog):
    store = ResultStore(unclustered)
    for old in store.read():
        store.rewrite([(old, replace(old, data=replace(old.data, origin="files")))])
    before = files_in(unclustered / "predictions")
    rescored(unclustered, data_dir=tmp_path)
    assert "its predictions stay as they are: race: no test split" in caplog.text
    assert files_in(unclustered / "predictions") == before
