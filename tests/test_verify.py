"""`data verify`: the report on a data set, and its command."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from official import RTE, read, task, with_split, write

from gpteval import DataError, GptevalError, Prompt, Row, Split
from gpteval.cli.data import command
from gpteval.cli.main import cli
from gpteval.data.hub import UnreachableError
from gpteval.data.rows import Origin
from gpteval.data.verify import SplitReport, verify

HEADER = "index\tsentence1\tsentence2\tlabel\n"
TRAIN = HEADER + "0\tIt rains.\tIt is wet.\tentailment\n1\tit  rains\tIt is wet\tentailment\n"
DEV = HEADER + "0\tIt rains!\tit is WET\tentailment\n1\ta\tb\tnot_entailment\n"
ARTICLE = {"questions": ["q"], "options": [["a", "b", "c", "d"]], "answers": ["A"]}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write(tmp_path, "glue/RTE/train.tsv", TRAIN)
    write(tmp_path, "glue/RTE/dev.tsv", DEV)
    return tmp_path


def reports(name: str, directory: Path) -> dict[str, SplitReport]:
    return {r.split: r for r in verify([task(name)], Origin("files", directory))}


def test_a_report_counts_rows_and_labels(directory: Path) -> None:
    dev = reports("rte", directory)["dev"]
    assert (dev.state, dev.rows, dev.official) == ("cut", 2, 277)
    assert dev.labels == {"entailment": 1, "not_entailment": 1}
    assert dev.digest == read("rte", "dev", directory).digest


def test_texts_that_differ_in_case_and_punctuation_alone_are_the_same(directory: Path) -> None:
    found = reports("rte", directory)
    assert (found["train"].duplicates, found["train"].overlap) == (1, None)
    assert (found["dev"].duplicates, found["dev"].overlap) == (0, 1)


def test_a_pair_in_the_other_order_is_the_same_where_order_has_no_meaning(tmp_path: Path) -> None:
    write(tmp_path, "glue/STS-B/train.tsv", "sentence1\tsentence2\tscore\na\tb\t2.5\nb\ta\t3.6\n")
    write(tmp_path, "glue/RTE/train.tsv", HEADER + "0\ta\tb\tentailment\n1\tb\ta\tentailment\n")
    assert reports("stsb", tmp_path)["train"].duplicates == 1
    assert reports("stsb", tmp_path)["train"].labels == {"2": 1, "4": 1}
    assert reports("rte", tmp_path)["train"].duplicates == 0


def test_a_new_question_on_an_article_of_train_overlaps(tmp_path: Path) -> None:
    for split, question in (("train", "q"), ("dev", "another")):
        content = json.dumps({**ARTICLE, "article": "The text.", "questions": [question]})
        write(tmp_path, f"RACE/{split}/high/1.txt", content)
    assert reports("race", tmp_path)["dev"].overlap == 1


def test_a_whole_split_is_complete(directory: Path) -> None:
    two = with_split(task("rte"), "dev", Split(2, ("glue/RTE/dev.tsv",)))
    states = {r.split: r.state for r in verify([two], Origin("files", directory))}
    assert states == {"train": "cut", "dev": "complete", "test": "absent"}


def test_what_is_absent_or_unreadable_is_reported_and_the_rest_goes_on(directory: Path) -> None:
    write(directory, "glue/RTE/dev.tsv", RTE + "1\ta\n")
    found = reports("rte", directory)
    assert [found[s].state for s in ("train", "dev", "test")] == ["cut", "unreadable", "absent"]
    assert "dev.tsv:3: too few fields" in found["dev"].problem
    assert (found["test"].official, found["test"].rows) == (3000, 0)


def test_rows_without_gold_stand_in_the_report(tmp_path: Path) -> None:
    row = {"gold_label": "neutral", "sentence1": "a", "sentence2": "b"}
    lines = [json.dumps(row), json.dumps(row | {"gold_label": "-"})]
    write(tmp_path, "snli_1.0/snli_1.0_test.jsonl", "\n".join(lines))
    test = reports("snli", tmp_path)["test"]
    assert (test.rows, test.left_out, test.official_left_out) == (1, 1, 176)


def test_a_silent_hub_ends_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> Iterator[object]:
        raise UnreachableError("no answer")

    monkeypatch.setattr("gpteval.data.rows.read_hub", unreachable)
    with pytest.raises(UnreachableError):
        list(verify([task("rte")], Origin("hub")))


def test_the_command_prints_a_line_per_split(directory: Path) -> None:
    done = CliRunner().invoke(command, ["verify", "--tasks", "rte", "--data-dir", str(directory)])
    lines = [line.split() for line in done.stdout.splitlines()]
    digest = read("rte", "train", directory).digest[:12]
    expected = ["rte", "train", "cut", "2", "2,490", "–", "1", "–", "entailment", "2", digest]
    assert expected in lines
    assert done.exit_code == 0


def test_the_command_prints_json_lines(directory: Path) -> None:
    arguments = ["verify", "--tasks", "rte", "--data-dir", str(directory), "--json"]
    done = CliRunner().invoke(command, arguments)
    facts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(f["split"], f["state"], f["overlap"]) for f in facts] == [
        ("train", "cut", None), ("dev", "cut", 1), ("test", "absent", None),
    ]  # fmt: skip


def test_rows_that_make_no_example_are_a_split_that_cannot_be_read(tmp_path: Path) -> None:
    item = '<item id="1" asks-for="reason" most-plausible-alternative="1">'
    texts = "<p>a</p><a1>b</a1><a2>c</a2></item>"
    write(tmp_path, "copa/copa-test.xml", f"<c>{item}{texts}</c>")
    found = reports("copa", tmp_path)["test"]
    assert found.state == "unreadable"
    assert "copa-test.xml:1: copa test: row 0 makes no example" in found.problem


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        (",", "no task named"),  # "" is no text for any option: test_typed
        ("mrpc", "mrpc: no train split below"),
        ("stsb,mrpc", r"stsb: no train split below .*\(and 1 more\)"),
        ("sst2", "sst2: no dev split below"),
        ("breaking_nli", "snli: no train split below"),
    ],
)
def test_what_a_run_needs_and_is_absent_is_an_error(directory: Path, tasks: str, said: str) -> None:
    write(directory, "glue/SST-2/train.tsv", "sentence\tlabel\na\t1\n")
    row = {"gold_label": "neutral", "sentence1": "a", "sentence2": "b"}
    line = json.dumps(row | {"category": "c", "pairID": 1})
    write(directory, "breaking_nli/dataset.jsonl", line)
    arguments = ["data", "verify", "--tasks", tasks, "--data-dir", str(directory)]
    with pytest.raises(GptevalError, match=said):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_of_a_group_what_is_there_is_enough(directory: Path) -> None:
    arguments = ["verify", "--tasks", "glue", "--data-dir", str(directory)]
    assert CliRunner().invoke(command, arguments).exit_code == 0


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_nothing_to_read_is_an_error(tmp_path: Path, place: str) -> None:
    arguments = ["verify", "--data-dir", str(tmp_path / place)]
    with pytest.raises(DataError, match=r"does not exist|no train split below"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_rows_that_make_no_prompt_are_a_split_that_cannot_be_read(directory: Path) -> None:
    def prompt(row: Row) -> Prompt:
        raise ValueError("no question")

    asked = replace(task("rte"), prompt=prompt)
    found = {r.split: r for r in verify([asked], Origin("files", directory))}
    assert found["dev"].state == "unreadable"
    assert "dev.tsv:2: rte dev: row 0 makes no example (ValueError: no question" in (
        found["dev"].problem
    )


def test_the_help_shows_its_examples_a_line_each() -> None:
    text = CliRunner().invoke(command, ["verify", "--help"]).output
    assert "\\b" not in text
    assert "  gpteval data verify --data-dir DATA\n" in text
