"""From rows to examples: text is text, a label is an answer, and a fault says where it stands."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from official import read, task, write

from gpteval import Candidate, DataError, Example, Prompt, Source, Split, Task
from gpteval.data.examples import examples_of, prompts_of, wrong_with
from gpteval.data.rows import Origin, load_split
from gpteval.plugins import registry

RACE = "RACE/test/high/1.txt"
ARTICLE = {"article": "a", "questions": ["q"], "options": [["a", "b", "c", "d"]], "answers": ["A"]}
PAIR = {"gold_label": "neutral", "sentence1": "a", "sentence2": "b", "pairID": "p1"}
NO_TEXTS = [None, 7, 1.5, True, ["a"], {"a": "b"}, [], {}]


def refused(name: str, file: str, content: dict[str, Any], root: Path) -> str:
    write(root, file, json.dumps(content))
    with pytest.raises(DataError) as caught:
        read(name, "test", root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
def test_what_is_no_text_where_text_is_due_is_refused_with_its_line(
    tmp_path: Path, value: object
) -> None:
    file = "snli_1.0/snli_1.0_test.jsonl"
    said = refused("snli", file, PAIR | {"sentence2": value}, tmp_path)
    assert f"{file}:1: column 'sentence2' is " in said and "expected text" in said
    for field in ("article", "questions"):
        part = value if field == "article" else [value]
        said = refused("race", RACE, ARTICLE | {field: part}, tmp_path)
        assert f"{RACE}:1: column '{field.removesuffix('s')}' is " in said
        assert "expected text" in said


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
def test_a_list_of_texts_holds_texts(tmp_path: Path, value: object) -> None:
    said = refused("race", RACE, ARTICLE | {"options": [["a", value, "c", "d"]]}, tmp_path)
    assert f"{RACE}:1: column 'options' is " in said and "expected a list of texts" in said


@pytest.mark.parametrize("value", [None, 1.5, True, ["a"]], ids=repr)
def test_an_id_is_text_or_a_whole_number(tmp_path: Path, value: object) -> None:
    row = {"category": "c", "gold_label": "neutral", "sentence1": "a", "sentence2": "b"}
    said = refused("breaking_nli", "breaking_nli/dataset.jsonl", row | {"pairID": value}, tmp_path)
    assert "dataset.jsonl:1: column 'pairID' is " in said


def test_a_column_of_whole_numbers_is_read_as_its_digits(tmp_path: Path) -> None:
    splits = {"dev": Split(0, ("x.jsonl",))}
    source = Source("", splits, ("text", "place"), reader="jsonl", label="", numbers=("place",))
    placed = replace(task("sst2"), name="placed", source=source)
    (tmp_path / "x.jsonl").write_text('{"text": "a b", "place": 1}\n{"text": "c", "place": "0"}\n')
    rows = load_split(placed, "dev", Origin("files", tmp_path)).rows
    assert [row["place"] for row in rows] == ["1", "0"]
    (tmp_path / "x.jsonl").write_text('{"text": "a b", "place": 1.5}\n')
    with pytest.raises(DataError, match=r"x\.jsonl:1: column 'place' is 1\.5"):
        load_split(placed, "dev", Origin("files", tmp_path))


def every_task() -> list[Task]:
    return list(registry().tasks().values())


@pytest.mark.parametrize("each", every_task(), ids=lambda t: t.name)
def test_no_task_takes_a_number_for_text(each: Task, tmp_path: Path) -> None:
    own = replace(
        each.source, reader="jsonl", splits={"dev": Split(1, ("x.jsonl",))}, id="", numbered=False
    )
    for column in own.columns:
        row = dict.fromkeys(own.columns, "a") | {name: ["a", "b"] for name in own.lists}
        label = next(iter(own.label_names or each.labels), 0)
        write(tmp_path, "x.jsonl", json.dumps(row | {own.label: label, column: 7}))
        with pytest.raises(DataError, match=rf"x.jsonl:1: column '{column}' is 7: expected"):
            load_split(replace(each, source=own), "dev", Origin("files", tmp_path))


CHOOSE, CLASSIFY, REGRESS = (task(name) for name in ("copa", "rte", "stsb"))


@pytest.mark.parametrize(
    ("each", "label", "problem"),
    [
        (CHOOSE, 2, "label 2: expected an answer, 0 to 1"),
        (CHOOSE, -1, "label -1: expected an answer"),
        (CHOOSE, "0", "label '0': expected an answer"),
        (CLASSIFY, "neutral", "label 'neutral': expected one of entailment, not_entailment"),
        (CLASSIFY, 0, "label 0: expected one of"),
        (REGRESS, 5.5, "label 5.5: expected a number from 0 to 5"),
        (REGRESS, float("nan"), "label nan: expected a number"),
        (CHOOSE, 1, ""),
        (CHOOSE, None, ""),
        (CLASSIFY, "entailment", ""),
        (REGRESS, 5.0, ""),
    ],
)
def test_a_label_is_among_the_answers(each: Task, label: Any, problem: str) -> None:
    assert wrong_with(each, Example("1", (("a",), ("b",)), label)).startswith(problem)
    candidates = (Candidate("a", "b"), Candidate("a", "c"))
    assert wrong_with(each, Prompt("1", candidates, label)).startswith(problem)
    assert bool(problem) == bool(wrong_with(each, Example("1", (("a",), ("b",)), label)))


@pytest.mark.parametrize("value", [None, 7, ["a"]], ids=repr)
@pytest.mark.parametrize("field", ["context", "part", "cluster", "id", "sequences"])
def test_an_example_is_made_of_text_alone(value: Any, field: str) -> None:
    good = Example("1", (("a", "b"),))
    change = {field: (("a", value),) if field == "sequences" else value}
    assert "expected text" in wrong_with(CLASSIFY, replace(good, **change))


def listed() -> Task:
    source = Source("", {"dev": Split(3, ("*.jsonl",))}, ("q", "o"), reader="jsonl", lists=("o",))
    return replace(
        task("copa"),
        source=source,
        example=lambda row: Example.choice(row, row["q"], tuple(row["o"])),
        prompt=lambda row: Prompt.choice(row, row["q"], tuple(row["o"])),
    )


@pytest.mark.parametrize("make", [examples_of, prompts_of])
def test_a_label_beyond_the_answers_is_told_with_task_split_file_and_line(
    tmp_path: Path, make: Any
) -> None:
    for name, label in (("a", 1), ("b", 2)):
        row = {"q": "why?", "o": ["x", "y"], "label": label}
        write(tmp_path, f"{name}.jsonl", "\n" + json.dumps(row))
    rows = load_split(listed(), "dev", Origin("files", tmp_path))
    with pytest.raises(DataError, match=r"b\.jsonl:2: copa dev: row 1 makes no example \(label 2"):
        make(listed(), rows)


def test_two_examples_of_one_id_are_told_with_the_second_one(tmp_path: Path) -> None:
    row = json.dumps({"q": "why?", "o": ["x", "y"], "label": 0})
    write(tmp_path, "a.jsonl", f"{row}\n{row}\n")
    rows = load_split(listed(), "dev", Origin("files", tmp_path))
    same = replace(listed(), example=lambda row: Example("1", (("a",), ("b",)), row["label"]))
    with pytest.raises(DataError, match=r"a\.jsonl:2: copa dev: a second row .* id '1'"):
        examples_of(same, rows)
