import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from fabricated import predictions, result

import gpteval
from gpteval.errors import ResultError
from gpteval.records import SCHEMA, Prediction, json_schema
from gpteval.results.store import ResultStore
from gpteval.results.unit_store import UnitStore

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
from gpteval.results.unit_store import UnitStore
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
from gpteval.results.unit_store import UnitStore
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


def told(caplog):
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    return record.getMessage()


BAD = ['{"key": "a', "<<<<<<< HEAD", "[1, 2]", "", "null", "\xff", "  ", "NaN"]


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_costs_itself_alone_and_is_told_once(tmp_path, caplog, line):
    store = ResultStore(tmp_path)
    store.append([result("rte"), result("cola")])
    first, second = store.records.read_bytes().splitlines(keepends=True)
    store.records.write_bytes(first + line.encode("latin-1") + b"\n" + second)
    assert [r.task for r in store.read()] == ["rte", "cola"]
    store.append([result("race")])
    assert [r.task for r in ResultStore(tmp_path).read()] == ["rte", "cola", "race"]
    assert f"{store.records}:2: passed over, not a result" in told(caplog)


def test_many_bad_lines_are_one_line(tmp_path, caplog):
    store = ResultStore(tmp_path)
    store.append([result()])
    store.records.write_bytes(b"\n" * 1000 + store.records.read_bytes())
    assert len(store.read()) == 1
    assert "so are 999 other lines (2, 3, 4, 5, 6, …)" in told(caplog)


def test_a_torn_line_where_nothing_can_be_written_is_passed_over(tmp_path, caplog):
    store = ResultStore(tmp_path)
    store.append([result("rte"), result("cola")])
    store.records.write_bytes(store.records.read_bytes()[:-40])
    (tmp_path / "records.lock").unlink()
    (tmp_path / "records.lock").mkdir()  # root may write anywhere: the lock can't be taken
    assert [r.task for r in store.read()] == ["rte"]
    assert "records.jsonl:2: passed over" in told(caplog)


UNTRUE = [
    ({"scores": {"accuracy": 99.9}}, "accuracy is 99.9, outside 0 to 1"),
    ({"scores": {"accuracy": 0.999}, "interval": (0.4, 0.67)}, "far from its interval 0.4 to 0.67"),
    ({"scores": {"matthews": -1.5}}, "matthews is -1.5, outside -1 to 1"),
    ({"scores": {"accuracy": 0.5, "accuracy/high": 2.0}}, "accuracy/high is 2, outside 0 to 1"),
    ({"baselines": {"majority": {"accuracy": 50.0}}}, "accuracy is 50, outside 0 to 1"),
    ({"interval": (0.7, 0.5)}, "its interval is 0.7 to 0.5"),
    ({"scores": {"accuracy/high": 0.5}}, "no scores of the whole split"),
    ({"scores": {}}, "no scores of the whole split"),
    ({"n": 0}, "n is 0"),
    ({"version": "2"}, "Expected `int`, got `str`"),
]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *UNTRUE,
        ({"schema": SCHEMA + 1}, "upgrade gpteval"),
        ({"task": None}, "missing required field `task`"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"data": {"origin": "files"}}, "not a result"),
        ({"cost": {"tokens": 10**400}}, "out of range"),
        ({"scores": {"accuracy": float("nan")}}, "malformed"),
        ({"model": "\ud800"}, "surrogate"),
    ],
)
def test_a_record_that_can_not_be_is_passed_over_in_one_line(tmp_path, caplog, change, message):
    row = asdict(result()) | change
    row = {name: value for name, value in row.items() if value is not None}
    store = ResultStore(tmp_path)
    store.records.write_text(json.dumps(asdict(result())) + "\n" + json.dumps(row) + "\n")
    assert store.read() == [result()]
    assert f"{store.records}:2: passed over" in told(caplog) and message in told(caplog)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *((change, message) for change, message in UNTRUE),
        ({"seconds": {"train": float("nan")}}, "seconds is {'train': nan}"),
        ({"cost": {"tokens": float("inf")}}, "cost is {'tokens': inf}"),
        ({"cost": {"tokens": 10**400}}, "out of range"),
        ({"cost": {"tokens": np.float32(1)}}, "cost is"),
        ({"model": "\ud800"}, r"model is '\ud800'"),
        ({"config": {"a": {1}}}, "config is"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path, change, message):
    store = ResultStore(tmp_path)
    store.append([result("rte")])
    before = store.records.read_bytes()
    with pytest.raises(ResultError, match="could not be read again") as error:
        store.append([result("cola"), replace(result("mine"), **change)])
    assert "mine test" in str(error.value) and message in str(error.value)
    assert "\n" not in str(error.value)
    assert store.records.read_bytes() == before


@pytest.mark.parametrize(
    "change", [{"scores": (float("nan"),)}, {"id": "\ud800"}, {"id": 1}, {"label": np.int64(1)}]
)
def test_a_prediction_that_could_not_be_read_again_is_not_written(tmp_path, change):
    wrong = replace(Prediction("1", "yes", "no"), **change)
    with pytest.raises(ResultError, match=r"prediction of .* could not be read again"):
        ResultStore(tmp_path).write_predictions("k" * 64, "rte", "dev", [wrong])
    assert not list(tmp_path.rglob("*.jsonl"))


FULL = """
import resource, sys
from fabricated import predictions, result
from gpteval.errors import ResultError
from gpteval.results.store import ResultStore
from gpteval.results.unit_store import UnitStore
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


def test_every_committed_record_is_of_the_published_schema(caplog):
    assert all(ResultStore(d).read() for d in (RESULTS, RESULTS / "layers"))
    assert not caplog.records


CLAIMS = """
import sys
from pathlib import Path
from gpteval.results.store import ResultStore
from gpteval.results.unit_store import UnitStore

store, counted = ResultStore(sys.argv[1]), Path(sys.argv[2])
for _ in range(150):
    with store.claimed("0123456789abcdef", lambda: None):
        counted.write_text(str(int(counted.read_text()) + 1))
"""


def test_processes_that_claim_one_unit_take_turns(tmp_path):
    """Each that is done removes the file, and the directory that others are about to lock it in."""
    counted = tmp_path / "counted"
    counted.write_text("0")
    claimants = [python(CLAIMS, tmp_path / "results", counted) for _ in range(4)]
    said = [claimant.communicate()[1] for claimant in claimants]
    assert [claimant.returncode for claimant in claimants] == [0] * 4, said
    assert counted.read_text() == str(4 * 150)
    assert not (tmp_path / "results" / "unfinished").exists()


def test_what_workers_left_is_read_beside_the_records(tmp_path):
    plain, worker = ResultStore(tmp_path), UnitStore(tmp_path)
    plain.append([result("rte", key="a")])
    made = [result("cola", key="b", split=split) for split in ("dev", "test")]
    worker.put([(None, own) for own in made])
    assert plain.read() == [result("rte", key="a"), *made]
    assert plain.finished("b") == worker.finished("b") == made
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 1


def test_a_unit_that_two_workers_computed_is_there_once(tmp_path):
    ResultStore(tmp_path).append([result(key="a", split="dev", seed=1)])
    for seed in (2, 3):
        UnitStore(tmp_path).put([(None, result(key="a", split="dev", seed=seed))])
    assert [r.seed for r in ResultStore(tmp_path).read()] == [3]
    assert ResultStore(tmp_path).finished("a") == ResultStore(tmp_path).read()


def test_a_result_of_a_worker_is_replaced_where_it_lies(tmp_path):
    UnitStore(tmp_path).put([(None, result(key="a", split=s)) for s in ("dev", "test")])
    store = ResultStore(tmp_path)
    old, other = store.read()
    store.put([(old, replace(old, seed=7))])
    assert ResultStore(tmp_path).read() == [replace(old, seed=7), other]
    assert not store.records.exists()


def test_a_file_of_another_key_counts_nothing(tmp_path):
    UnitStore(tmp_path).put([(None, result(key="a"))])
    (tmp_path / "records" / "b.jsonl").write_bytes((tmp_path / "records" / "a.jsonl").read_bytes())
    assert ResultStore(tmp_path).read() == [result(key="a")]


def test_workers_need_no_file_lock(tmp_path):
    store = UnitStore(tmp_path)
    for name in ("records.lock", "unfinished/aaaaaaaaaaaaaaaa.lock"):
        (tmp_path / name).mkdir(parents=True)  # nobody can lock what is no file
    with store.claimed("a" * 64, lambda: None):
        store.put([(None, result(key="a" * 64))])
    assert store.read() == [result(key="a" * 64)]


AT_ONCE = """
import sys
from fabricated import predictions, result
from gpteval.results.unit_store import UnitStore

store = UnitStore(sys.argv[1])
for seed in range(100):
    written = store.write_predictions("k" * 64, "rte", "dev", predictions(["a"], ["a"]) * 50)
    store.put([(None, result(key="k" * 64, split="dev", predictions=written))])
"""


def test_workers_that_no_lock_holds_back_at_one_unit_leave_it_once_and_whole(tmp_path):
    workers = [python(AT_ONCE, tmp_path) for _ in range(3)]
    said = [worker.communicate()[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 3, said
    (found,) = ResultStore(tmp_path).read()
    assert len(ResultStore(tmp_path).read_predictions(found)) == 50
    assert [p.name for p in tmp_path.rglob("*.partial")] == []
