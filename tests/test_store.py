import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from fabricated import predictions, result

import gpteval
from gpteval.errors import ResultError
from gpteval.records import SCHEMA, Prediction, json_schema
from gpteval.results.store import ResultStore

TESTS = Path(__file__).parent
RESULTS = TESTS.parent / "results"


def python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=TESTS, stderr=subprocess.PIPE, text=True)


def test_results_come_back_as_they_were(tmp_path):
    store = ResultStore(tmp_path / "results")
    written = [
        result("rte", {"accuracy": 0.1 + 0.2}, history=({"update": 1, "loss": 0.5},)),
        result("race", {"accuracy": 0.5, "accuracy/high": 1 / 3}, model="modèle"),
    ]
    store.append(written[:1])
    store.append(written[1:])
    assert store.read() == written


def test_a_directory_that_does_not_exist_holds_no_results_and_is_not_made(tmp_path):
    assert ResultStore(tmp_path / "none").read() == []
    assert not (tmp_path / "none").exists()


def test_finished_finds_the_splits_of_one_run(tmp_path):
    store = ResultStore(tmp_path)
    store.append([result(key="a", split="dev"), result(key="a"), result(key="b")])
    assert [r.split for r in store.finished("a")] == ["dev", "test"]
    assert store.finished("c") == []


APPEND = """
import sys
from fabricated import result
from gpteval.results.store import ResultStore
for number in range(200):
    row = result(sys.argv[2], seed=number)
    ResultStore(sys.argv[1]).append([row, row] if number % 10 == 0 else [row])
"""


def test_two_processes_appending_at_once_lose_nothing(tmp_path):
    running = [python(APPEND, tmp_path, name) for name in ("first", "second")]
    assert [process.wait() for process in running] == [0, 0]
    found = ResultStore(tmp_path).read()
    for name in ("first", "second"):
        assert [r.seed for r in found if r.task == name] == [
            seed for n in range(200) for seed in [n] * (2 if n % 10 == 0 else 1)
        ]


def test_a_line_cut_short_is_set_aside_and_the_rest_stays(tmp_path, caplog):
    store = ResultStore(tmp_path)
    store.append([result("rte"), result("cola")])
    content = store.records.read_bytes()
    store.records.write_bytes(content[:-40])
    store.append([result("race")])
    assert [r.task for r in store.read()] == ["rte", "race"]
    torn = (tmp_path / "records.torn.jsonl").read_bytes()
    assert torn == content.splitlines()[1][:-39] + b"\n"
    assert "the last line was cut short" in caplog.text


def test_reading_sets_a_torn_line_aside_too(tmp_path):
    store = ResultStore(tmp_path)
    store.append([result("rte")])
    with store.records.open("ab") as file:
        file.write('{"key": "é'.encode()[:-1])
    assert [r.task for r in store.read()] == ["rte"]
    assert store.records.read_bytes().endswith(b"}\n")


def test_a_whole_last_line_that_only_lacks_its_newline_is_kept(tmp_path):
    store = ResultStore(tmp_path)
    store.append([result("rte"), result("cola")])
    store.records.write_bytes(store.records.read_bytes().rstrip(b"\n"))
    store.append([result("race")])
    assert [r.task for r in store.read()] == ["rte", "cola", "race"]
    assert not (tmp_path / "records.torn.jsonl").exists()


KILLED = """
import os, sys
from fabricated import result
from gpteval.results.store import ResultStore
store = ResultStore(sys.argv[1])
with store._locked():
    with store.records.open("ab") as file:
        file.write(b'{"key": "half a li')
        file.flush()
    os.kill(os.getpid(), 9)
"""


def test_a_run_killed_while_it_writes_neither_blocks_nor_spoils_the_next(tmp_path):
    store = ResultStore(tmp_path)
    store.append([result("rte")])
    assert python(KILLED, tmp_path).wait() == -9
    store.append([result("cola")])
    assert [r.task for r in store.read()] == ["rte", "cola"]


@pytest.mark.parametrize("line", ['{"key": "a', "<<<<<<< HEAD", "[1, 2]", "", "null", "\xff"])
def test_a_bad_line_in_the_middle_is_named(tmp_path, line):
    store = ResultStore(tmp_path)
    store.append([result()])
    good = store.records.read_bytes()
    store.records.write_bytes(good + line.encode("latin-1") + b"\n" + good)
    with pytest.raises(ResultError, match=r"records\.jsonl:2: not a result") as error:
        store.read()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": SCHEMA + 1}, "upgrade gpteval"),
        ({"task": None}, "missing required field `task`"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"data": {"origin": "files"}}, "not a result"),
        ({"interval": None}, "interval"),
    ],
)
def test_a_record_of_another_form_is_refused_in_one_line(tmp_path, change, message):
    row = asdict(result()) | change
    row = {name: value for name, value in row.items() if value is not None}
    store = ResultStore(tmp_path)
    store.records.write_text(json.dumps(row) + "\n")
    with pytest.raises(ResultError, match=message) as error:
        store.read()
    assert f"{store.records}:1: " in str(error.value)
    assert "\n" not in str(error.value)


FULL = """
import resource, sys
from fabricated import predictions, result
from gpteval.errors import ResultError
from gpteval.results.store import ResultStore
store = ResultStore(sys.argv[1])
limit = store.records.stat().st_size + 100
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    if sys.argv[2] == "append":
        store.append([result("rte"), result("cola")])
    else:
        store.write_predictions("k" * 64, "rte", "test", predictions(["a"], ["a"]) * 1000)
except ResultError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("action", "message"),
    [("append", "the results of rte, cola are not saved"), ("predictions", "of rte test are not")],
)
def test_a_full_disk_leaves_what_was_there_and_says_what_is_not_saved(tmp_path, action, message):
    store = ResultStore(tmp_path)
    store.append([result("race")])
    before = store.records.read_bytes()
    _, said = python(FULL, tmp_path, action).communicate()
    assert message in said
    assert store.records.read_bytes() == before
    assert not list(tmp_path.rglob("predictions/*"))


def test_a_directory_that_cant_be_made_is_refused_in_one_line(tmp_path):
    (tmp_path / "results").write_text("a file")
    store = ResultStore(tmp_path / "results")
    with pytest.raises(ResultError, match="not saved") as error:
        store.append([result()])
    assert "\n" not in str(error.value)


def test_records_that_cant_be_read_are_refused_in_one_line(tmp_path):
    (tmp_path / "records.jsonl").mkdir()
    with pytest.raises(ResultError, match="can't be read"):
        ResultStore(tmp_path).read()


def test_predictions_come_back_with_scores_of_six_digits(tmp_path):
    store = ResultStore(tmp_path)
    written = [
        Prediction("1", "yes", "no", (1 / 3, 2 / 3), "middle", "article 1"),
        Prediction("2", None, 0, (0.5,)),
        Prediction("3", 0.0, 2.123456789),
    ]
    path = store.write_predictions("0123456789abcdef", "rte", "dev", written)
    assert path == "predictions/rte-dev-0123456789ab.jsonl"
    first = Prediction("1", "yes", "no", (0.333333, 0.666667), "middle", "article 1")
    assert store.read_predictions(result(predictions=path)) == [first, *written[1:]]


def test_predictions_written_again_replace_the_earlier_ones(tmp_path):
    store = ResultStore(tmp_path)
    for answers in (["a", "b"], ["b", "b"]):
        path = store.write_predictions("k" * 64, "t", "dev", predictions(["a", "a"], answers))
    found = store.read_predictions(result(predictions=path))
    assert [p.prediction for p in found] == ["b", "b"]
    assert [p.name for p in (tmp_path / "predictions").iterdir()] == [Path(path).name]


def test_missing_or_damaged_predictions_are_named(tmp_path):
    store = ResultStore(tmp_path)
    with pytest.raises(ResultError, match=r"no predictions of made test at .*none\.jsonl"):
        store.read_predictions(result(predictions="predictions/none.jsonl"))
    (tmp_path / "bad.jsonl").write_text('{"id": "1", "label": 0, "prediction": 0}\n{"id": "2"}\n')
    with pytest.raises(ResultError, match=r"bad\.jsonl:2: not a prediction"):
        store.read_predictions(result(predictions="bad.jsonl"))


def test_the_published_schema_is_that_of_the_code():
    published = json.loads(
        (Path(gpteval.__file__).parent / "records.schema.json").read_text("utf-8")
    )
    assert published == json.loads(json.dumps(json_schema()))


def test_committed_records_are_of_the_published_schema():
    assert [r for d in (RESULTS, RESULTS / "layers") for r in ResultStore(d).read()]
