"""Predictions of sets whose labels are private: made, kept, packed as GLUE's server takes them."""

import json
import os
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from official import GLUE, write_official

import gpteval
from gpteval.cli.submit import command
from gpteval.errors import ConfigError, GptevalError, ResultError
from gpteval.plugins import registry
from gpteval.records import DIGEST
from gpteval.report.standings import standings
from gpteval.report.submission import tsv
from gpteval.results.merging import merge
from gpteval.results.store import ResultStore
from gpteval.studies.rescore import faults, rescore

ROWS = 12
BITS = {"0", "1"}
PAIR = {"entailment", "not_entailment"}
NLI = {"entailment", "neutral", "contradiction"}
FILES = {
    "CoLA.tsv": BITS,
    "SST-2.tsv": BITS,
    "MRPC.tsv": BITS,
    "STS-B.tsv": None,
    "QQP.tsv": BITS,
    "MNLI-m.tsv": NLI,
    "MNLI-mm.tsv": NLI,
    "QNLI.tsv": PAIR,
    "RTE.tsv": PAIR,
    "WNLI.tsv": BITS,
    "AX.tsv": NLI,
}
"""The server's files and the words in them, as nyu-mll/jiant at daa5a25 writes them: written down
here by hand, not taken from the tasks."""


def write_glue(root: Path) -> Path:
    """Every split of the nine tasks in its official layout, a few rows each."""
    return write_official(root, ROWS, GLUE)


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What TF-IDF answers to all of it."""
    data = write_glue(tmp_path_factory.mktemp("data"))
    results = tmp_path_factory.mktemp("made") / "results"
    gpteval.score_baselines("glue", data_dir=data, results=results, predict=True)
    return results


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks, as if that many rows were all there are."""
    tasks = {
        name: replace(task, source=replace(task.source, splits={
            word: replace(split, rows=ROWS) for word, split in task.source.splits.items()
        }))
        for name, task in registry().tasks().items()
    }  # fmt: skip
    monkeypatch.setattr(registry(), "tasks", lambda: tasks)


def submit(*words: object) -> str:
    given = [str(word) for word in words]
    done = CliRunner().invoke(command, given, catch_exceptions=False, standalone_mode=False)
    return done.stdout


@pytest.mark.usefixtures("few")
def test_the_zip_is_what_the_server_takes(predicted: Path, tmp_path: Path) -> None:
    path = tmp_path / "glue.zip"
    page = submit(f"{predicted}@tfidf", "--output", path, "--json")
    assert [json.loads(line)["file"] for line in page.splitlines()] == list(FILES)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == list(FILES)
        for name, words in FILES.items():
            header, *lines = archive.read(name).decode("ascii").split("\n")
            assert (header, lines.pop()) == ("index\tprediction", "")
            index, answers = zip(*(line.split("\t") for line in lines), strict=True)
            assert index == tuple(str(number) for number in range(ROWS)), name
            if words is None:
                assert all(0 <= float(answer) <= 5 for answer in answers)
            else:
                assert set(answers) <= words and len(set(answers)) > 1, name


@pytest.mark.usefixtures("few")
def test_the_words_are_those_of_the_answers_by_name(predicted: Path, tmp_path: Path) -> None:
    submit(f"{predicted}@tfidf", "--output", tmp_path / "glue.zip")
    (wnli,) = [r for r in ResultStore(predicted).read_all()
               if (r.task, r.model, r.private) == ("wnli", "tfidf", True)]  # fmt: skip
    answers = Counter(p.prediction for p in ResultStore(predicted).read_predictions(wnli))
    with zipfile.ZipFile(tmp_path / "glue.zip") as archive:
        lines = archive.read("WNLI.tsv").decode().splitlines()[1:]
    written = Counter(line.split("\t")[1] for line in lines)
    assert written == {"0": answers["not_entailment"], "1": answers["entailment"]}


def test_a_similarity_is_clipped_to_the_scale() -> None:
    task = registry().tasks()["stsb"]
    given = [gpteval.Prediction(str(n), None, x) for n, x in enumerate((-0.2, 2.34567, 5.1))]
    assert tsv(task, given).splitlines()[1:] == ["0\t0.000", "1\t2.346", "2\t5.000"]


def test_too_few_rows_are_refused(predicted: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"CoLA.tsv: .* cola test: it has 12 rows of 1063"):
        submit(f"{predicted}@tfidf", "--output", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_what_is_missing_is_named_and_nothing_is_written(predicted: Path, tmp_path: Path) -> None:
    store = ResultStore(predicted)
    some = [r for r in store.read_all() if r.task != "qqp" and r.split != "diagnostic"]
    (tmp_path / "some").mkdir()
    ResultStore(tmp_path / "some").append([replace(r, predictions=str(predicted / r.predictions))
                                           for r in some])  # fmt: skip
    told = r"2 of 11 .*: QQP.tsv \(qqp test\), AX.tsv \(mnli diagnostic\).*--tasks qqp,mnli --pred"
    with pytest.raises(ResultError, match=told):
        submit(f"{tmp_path}/some@tfidf", "--output", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([""], "mnli test was predicted by tfidf .*hypothesis-only .*: choose one"),
        (["@tfidf", "--seed", 3], r"with the seeds \[0\], not 3"),
        (["@nobody"], "no results of 'nobody'"),
    ],
)
def test_one_entrant_and_one_run_are_submitted(
    predicted: Path, tmp_path: Path, words: list[object], told: str
) -> None:
    with pytest.raises(GptevalError, match=told):
        submit(f"{predicted}{words[0]}", *words[1:], "--output", tmp_path / "x.zip")


def test_the_file_is_a_zip(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name a file ending in \.zip"):
        submit(tmp_path, "--output", tmp_path / "x.tar")


def test_what_was_predicted_only_is_on_no_board_and_in_order(
    predicted: Path, tmp_path: Path
) -> None:
    store = ResultStore(predicted)
    assert list(faults(store)) == [] and rescore(store).changed == []
    assert not [r for r in store.read() if r.private]
    private = [r for r in store.read_all() if r.private and r.model == "tfidf"]
    assert len(private) == len(FILES)
    assert all(p.label is None for r in private for p in store.read_predictions(r))
    assert {row.split for row in standings(store.read_all())} == {"dev", "dev_mismatched"}
    assert merge([store], ResultStore(tmp_path / "b")) == (len(store.read_all()), 0)


def test_scores_do_not_depend_on_what_else_was_predicted(predicted: Path, tmp_path: Path) -> None:
    data = write_glue(tmp_path / "data")
    alone = gpteval.score_baselines("rte", data_dir=data, results=tmp_path / "r")
    beside = [r for r in ResultStore(predicted).read() if r.task == "rte"]
    assert [(r.model, r.scores, r.data) for r in alone] == [
        (r.model, r.scores, r.data) for r in beside
    ]


def test_a_record_without_a_score_has_no_labels(predicted: Path, tmp_path: Path) -> None:
    merge([ResultStore(predicted)], ResultStore(tmp_path / "b"))
    path = tmp_path / "b" / "records.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    unscored = {"scores": {}, "interval": None, "baselines": {}}
    rows = [{k: v for k, v in r.items() if k != DIGEST} | unscored for r in rows]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert sum("it has labels and no score" in line for line in faults(ResultStore(path.parent)))


def test_a_fine_tuned_model_predicts_what_has_no_labels(
    roomy_directory: Path, tmp_path: Path
) -> None:
    data, told = write_glue(tmp_path / "data"), []
    (data / "glue/diagnostic/diagnostic.tsv").unlink()

    class Heard(gpteval.progress.Silent):
        def say(self, line: str) -> None:
            told.append(line)

    def run() -> list[tuple[str, str, bool]]:
        results = gpteval.run("mnli", model=str(roomy_directory), data_dir=data, predict=True,
                              changes={"epochs": 1}, results=tmp_path / "r",
                              compute=gpteval.Compute(device="cpu"), progress=Heard())  # fmt: skip
        return [(r.split, r.key, r.private) for r in results]

    first = run()
    assert [(split, private) for split, _, private in first] == [
        ("test", True), ("test_mismatched", True), ("dev_mismatched", False), ("dev", False),
    ]  # fmt: skip
    assert run() == first and len(ResultStore(tmp_path / "r").read_all()) == 4
    assert any("mnli diagnostic is not predicted" in line for line in told)


def test_samples_have_nothing_to_predict(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave out --predict or --sample"):
        gpteval.run("rte", sample=True, predict=True, results=tmp_path)


@pytest.mark.data
def test_the_official_indices_count_the_rows_from_0() -> None:
    root = Path(os.environ.get("GPTEVAL_DATA", "nowhere"))
    checked = 0
    for task, split in registry().suites()["glue"].submission.values():
        path = root / registry().tasks()[task].source.splits[split].files[0]
        if path.is_file():
            lines = path.read_bytes().removesuffix(b"\n").split(b"\n")[1:]
            assert [line.split(b"\t")[0] for line in lines] == [
                b"%d" % n for n in range(len(lines))
            ]
            checked += 1
    if not checked:
        pytest.skip("GPTEVAL_DATA is not set: the real sets are not here")
