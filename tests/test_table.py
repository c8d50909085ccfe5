"""A task from data alone: a file and what its columns are, from TOML and from Python."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

import gpteval
from gpteval import Example, Table, Task, read_table
from gpteval.cli.main import cli
from gpteval.data.examples import examples_of, prompts_of
from gpteval.data.rows import load_split, origin
from gpteval.errors import ConfigError, DataError, GptevalError, PluginError, UnknownNameError
from gpteval.methods.identity import definition
from gpteval.plugins import registry

ROWS = [
    {"text": f'the {word}, "said" he', "label": str(n % 2)}
    for n, word in enumerate(["ship", "sea", "boy", "gate", "wind", "apple", "while", "good"] * 4)
]
TOML = """
name = "irony"
text = "text"
labels = { 0 = "literal", 1 = "ironic" }
prompt = { text = "{text} It was", answers = ["good", "sad"] }

[files]
train = "train.csv"
dev = "dev.csv"
"""


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    """Rows in the layout that the file's ending names."""
    names = list(rows[0])
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".tsv":
        lines = [names, *([row[name] for name in names] for row in rows)]
        path.write_text("".join("\t".join(line) + "\n" for line in lines))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """What one test registers is unknown to the next."""
    yield
    registry.cache_clear()


@pytest.fixture
def irony(tmp_path: Path) -> Path:
    """A task file and its data."""
    write(tmp_path / "train.csv", ROWS)
    write(tmp_path / "dev.csv", ROWS[:8])
    (tmp_path / "irony.toml").write_text(TOML)
    return tmp_path / "irony.toml"


def run(*arguments: object) -> list[dict[str, object]]:
    done = CliRunner().invoke(cli, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("command", ["run", "zeroshot", "baselines"])
def test_a_task_file_is_all_a_command_needs(
    command: str, irony: Path, tiny_directory: Path, tmp_path: Path
) -> None:
    model = [] if command == "baselines" else ["--model", tiny_directory]
    results = run(command, "--task-file", irony, "--results", tmp_path / "out", *model)
    assert {(r["task"], r["split"], r["n"]) for r in results} == {("irony", "dev", 8)}
    digest = read_table(irony).digest
    assert all(r["plugins"]["irony.toml"] == digest[:12] for r in results)
    assert all(r["data"]["complete"] for r in results)


def test_a_task_from_python_is_run_as_one_from_a_file(irony: Path, tiny_directory: Path) -> None:
    table = Table(
        "satire",
        "text",
        labels={"0": "literal", "1": "ironic"},
        files={"train": "train.csv", "dev": "dev.csv"},
    )
    out = irony.parent / "out"
    task = table.task(irony.parent)
    (result,) = gpteval.run(task, model=str(tiny_directory), results=out, limit=16)
    assert (result.task, result.split, result.n) == ("satire", "dev", 8)
    again = replace(task, labels=("ironic", "literal"))
    (other,) = gpteval.run(again, model=str(tiny_directory), results=out, limit=16)
    assert other.key != result.key


def test_a_task_of_a_built_ins_name_is_refused_not_taken_for_it(irony: Path) -> None:
    task = replace(registry().select(["rte"])[0], metrics=("f1",))
    with pytest.raises(PluginError, match="'rte' is another one of gpteval"):
        gpteval.run(task, sample=True)


def test_what_the_file_says_is_in_the_key_and_how_it_is_spaced_is_not(irony: Path) -> None:
    def defined(text: str) -> object:
        irony.write_text(text)
        registry().add_file(irony)
        return definition(registry().select(["irony"])[0])

    first = defined(TOML)
    assert defined(TOML.replace(" = ", "=") + "# a comment\n") == first
    assert defined(TOML.replace('dev = "dev.csv"', 'dev = "d*.csv"')) != first


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_layout_gives_the_same_rows(ending: str, tmp_path: Path) -> None:
    write(tmp_path / f"rows{ending}", ROWS)
    table = Table("same", "text", labels=("0", "1"), files={"dev": f"rows{ending}"})
    rows = load_split(table.task(tmp_path), "dev", origin())
    assert [row["text"] for row in rows.rows] == [row["text"] for row in ROWS]
    assert [row["label"] for row in rows.rows] == [row["label"] for row in ROWS]
    assert rows.complete


FORMS = {
    "classify": (Table("t", "a", labels=("x", "y"), files={"dev": "r.csv"}), (("A",),)),
    "entailment": (
        Table("t", ("a", "b"), "entailment", labels=("x", "y"), files={"dev": "r.csv"}),
        (("A", "B"),),
    ),
    "similarity": (
        Table("t", ("a", "b"), "similarity", labels=("x", "y"), files={"dev": "r.csv"}),
        (("A", "B"), ("B", "A")),
    ),
    "choice": (
        Table("t", "a", "choice", answers=("b", "c"), files={"dev": "r.csv"}, label="place",
              context="c"),
        (("A", "B"), ("A", "C")),
    ),
    "regress": (
        Table("t", "a", "regress", scale=(0, 5), label="number", files={"dev": "r.csv"}),
        (("A",),),
    ),
}  # fmt: skip
ROW = {"a": "A", "b": "B", "c": "C", "label": "y", "place": "1", "number": "2.5"}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_makes_the_examples_of_its_figure(form: str, tmp_path: Path) -> None:
    table, sequences = FORMS[form]
    write(tmp_path / "r.csv", [ROW])
    task = table.task(tmp_path)
    (example,) = examples_of(task, load_split(task, "dev", origin()))
    label = {"choice": 1, "regress": 2.5}.get(form, "y")
    context = "C" if form == "choice" else ""
    assert example == Example("0", sequences, label, context)


def test_of_a_pair_the_acceptable_sentence_stands_now_first_now_last(tmp_path: Path) -> None:
    rows = [{"good": f"cats sleep {n}", "bad": f"cats sleeps {n}"} for n in range(64)]
    write(tmp_path / "r.csv", rows)
    task = Table("t", ("good", "bad"), "pairs", files={"dev": "r.csv"}).task(tmp_path)
    prompts = prompts_of(task, load_split(task, "dev", origin()))
    assert {p.label for p in prompts} == {0, 1}
    chosen = [p.candidates[p.label].continuation for p in prompts if isinstance(p.label, int)]
    assert chosen == [row["good"] for row in rows]


def test_the_columns_of_a_built_in_task_make_its_examples() -> None:
    (rte,) = registry().select(["rte"])
    table = Table("t", ("sentence1", "sentence2"), "entailment", labels=rte.labels,
                  files={"dev": "dev.jsonl"})  # fmt: skip
    rows = load_split(rte, "dev", origin(sample=True))
    assert examples_of(table.task(), rows) == examples_of(rte, rows)


def test_rows_held_out_of_the_training_file_are_in_neither_twice(tmp_path: Path) -> None:
    rows = [{"text": f"row {n}", "label": str(n % 2)} for n in range(50)]
    write(tmp_path / "all.csv", rows)
    table = Table("t", "text", labels=("0", "1"), files={"train": "all.csv"}, held_out=10)
    task = table.task(tmp_path)
    train, dev = (load_split(task, split, origin()) for split in ("train", "dev"))
    texts = [row["text"] for row in (*train.rows, *dev.rows)]
    assert (len(train.rows), len(dev.rows)) == (40, 10)
    assert sorted(texts) == sorted(row["text"] for row in rows)


def test_a_list_of_answers_in_one_column_is_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"q": "Q", "options": ["x", "y", "z"], "label": "C"}) + "\n")
    labels = {"A": "0", "B": "1", "C": "2"}
    table = Table("t", "q", "choice", answers="options", labels=labels, files={"dev": "r.jsonl"})
    task = table.task(tmp_path)
    (example,) = examples_of(task, load_split(task, "dev", origin()))
    assert (example.label, len(example.sequences)) == (2, 3)


def test_files_of_the_task_come_before_a_data_directory(irony: Path, tmp_path: Path) -> None:
    other = tmp_path / "data"
    other.mkdir()
    write(other / "dev.csv", ROWS[:2])
    write(other / "test.csv", ROWS[:3])
    table = replace(read_table(irony), files={"dev": "dev.csv", "test": "test.csv"})
    task = table.task(irony.parent)
    assert len(load_split(task, "dev", origin(other)).rows) == 8
    assert len(load_split(task, "test", origin(other)).rows) == 3


def test_true_and_false_of_json_are_labels(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"q": "a", "label": true}\n{"q": "b", "label": false}\n')
    task = Table("t", "q", labels=("false", "true"), files={"dev": "r.jsonl"}).task(tmp_path)
    rows = load_split(task, "dev", origin()).rows
    assert [row["label"] for row in rows] == ["true", "false"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "irony"', "", "no 'name'"),
        ('text = "text"', 'txt = "text"', "did you mean 'text'"),
        ("literal", "ironic", "labels are at least two"),
        ('text = "text"', 'text = ["a", "b"]', "text names 2 columns, and form 'classify' takes 1"),
        ("[files]", 'form = "clasify"\n[files]', "form can't be 'clasify': expected classify,"),
        ("[files]", 'form = "regress"\n[files]', "needs a scale"),
        ("[files]", "[splits]", "give files"),
        ('dev = "dev.csv"', 'dev = "dev.txt"', "files end in .csv, .txt"),
        ('dev = "dev.csv"', "", "nothing to score"),
        ('["good", "sad"]', '["good"]', "prompt needs 2 answers"),
        ("{text} It", "{txt} It", "prompt text: 'txt' is no column"),
        ("[files]", "[files", "not TOML"),
        ('text = "text"', 'text = "text"\nmetrics = ["acuracy"]', "did you mean 'accuracy'"),
    ],
)
def test_a_task_file_that_makes_no_task_is_refused_in_one_line(
    old: str, new: str, said: str, irony: Path
) -> None:
    irony.write_text(TOML.replace(old, new))
    with pytest.raises((ConfigError, PluginError, UnknownNameError)) as caught:
        registry().add_file(irony)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "irony" in str(caught.value)


def test_a_column_that_is_not_there_is_told_with_its_file(irony: Path) -> None:
    task = replace(read_table(irony), text="tweet", prompt={}).task(irony.parent)
    with pytest.raises(DataError, match=r"train.csv:1: no column 'tweet'; the header has text"):
        load_split(task, "train", origin())


@pytest.mark.parametrize("damage", [b"", b"PAR1 nothing of the kind PAR1", b"x" * 100])
def test_a_damaged_parquet_file_is_told_in_one_line(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_bytes(damage)
    task: Task = Table("t", "q", labels=("0", "1"), files={"dev": "r.parquet"}).task(tmp_path)
    with pytest.raises(GptevalError, match=r"r\.parquet"):
        load_split(task, "dev", origin())


def test_a_command_without_tasks_or_a_file_says_so() -> None:
    done = CliRunner().invoke(cli, ["run"])
    assert done.exit_code == 2
    assert "--tasks" in done.output
