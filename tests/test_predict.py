"""A fine-tuned model that is kept answers as in its run, or says in one line why it can't."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from click.testing import CliRunner, Result
from test_huggingface import gpt2, llama
from test_huggingface import write as write_huggingface

import gpteval
from gpteval import BpeTokenizer, Example, load_finetuned, save_checkpoint
from gpteval.cli.main import cli
from gpteval.data.examples import examples_of
from gpteval.data.given import given_examples, given_rows
from gpteval.data.rows import Origin, load_split
from gpteval.errors import CheckpointError, ConfigError, DataError
from gpteval.plugins import registry
from gpteval.results.store import ResultStore
from gpteval.studies.rescore import faults
from gpteval_models.lstm import LSTM, LSTMConfig

LIMIT = 12
SETTINGS: dict[str, Any] = {"sample": True, "limit": LIMIT, "changes": {"epochs": 1}}
SST2 = [{"sentence": "a boy who sold apples"}, {"sentence": "happy or sad"}]


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """What one test registers is unknown to the next."""
    yield
    registry.cache_clear()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_directory: Path) -> dict[str, str]:
    """A model of every kind that is written in its own way."""
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    words = BpeTokenizer.train(["the captain looked at the sea and the boy"], merges=20)
    save_checkpoint(root / "lstm", "lstm", LSTM(LSTMConfig(words.vocab_size, 64, 16, 24)), words)
    places = {"gpt": tiny_directory, "lstm": root / "lstm"}
    made = {"tied": gpt2(), "untied": llama()}
    hubs = {name: write_huggingface(root / name, model) for name, model in made.items()}
    return {n: str(p) for n, p in places.items()} | {n: f"hf:{p}" for n, p in hubs.items()}


@pytest.mark.parametrize(
    ("model", "task", "recipe"),
    [("gpt", "sst2", "sample"), ("gpt", "stsb", "sample"), ("gpt", "race", "sample"),
     ("gpt", "mrpc", "sample"), ("lstm", "copa", "sample"), ("tied", "rte", "sample"),
     ("untied", "race", "sample"), ("gpt", "stsb", "ulmfit"), ("lstm", "sst2", "ulmfit"),
     ("tied", "mrpc", "ulmfit"), ("untied", "copa", "ulmfit")],
)  # fmt: skip
def test_it_answers_as_it_did_in_its_run(
    model: str, task: str, recipe: str, models: dict[str, str], tmp_path: Path
) -> None:
    place, results = tmp_path / "kept", tmp_path / "results"
    settings = {"model": models[model], "recipe": recipe, "results": results, **SETTINGS}
    scored = gpteval.run(task, save_model=place, **settings)
    (chosen,) = registry().select([task])
    assert {(place / name).stat().st_mode & 0o777 for name in files(place)} == {0o644}
    for result in scored:  # dev's are the answers of the pass whose weights are kept
        rows = load_split(chosen, result.split, Origin("sample"), LIMIT).rows
        given = [{name: row[name] for name in chosen.source.columns} for row in rows]
        answers = load_finetuned(place).predict(given)
        expected = ResultStore(results).read_predictions(result)
        assert [a.prediction for a in answers] == [p.prediction for p in expected]
        assert [tuple(a.probabilities.values()) for a in answers] == [p.scores for p in expected]
    examples = examples_of(chosen, load_split(chosen, "test", Origin("sample"), LIMIT))
    for example, answer in zip(examples, answers, strict=True):
        if chosen.kind == "choose":
            assert answer.text == example.sequences[int(answer.prediction)][-1]
        if chosen.kind == "classify":
            assert tuple(answer.probabilities) == chosen.labels


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, tiny_directory: Path) -> Path:
    """A model of SST-2."""
    root = tmp_path_factory.mktemp("kept")
    place, results = root / "sst2", root / "results"
    gpteval.run("sst2", model=str(tiny_directory), save_model=place, results=results, **SETTINGS)
    return place


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)])


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_the_command_answers_every_kind_of_file(ending: str, kept: Path, tmp_path: Path) -> None:
    file, texts = tmp_path / f"new.{ending}", [row["sentence"] for row in SST2]
    if ending == "parquet":
        pyarrow.parquet.write_table(pa.table({"id": [7, 9], "sentence": texts}), file)
    elif ending == "jsonl":
        file.write_text("".join(json.dumps({"sentence": t, "other": None}) + "\n" for t in texts))
    else:
        mark = {"csv": ",", "tsv": "\t"}[ending]
        file.write_text(
            "".join(f"{a}{mark}{b}\n" for a, b in [("id", "sentence"), *enumerate(texts)])
        )
    expected = load_finetuned(kept).predict(SST2)
    done = call("predict", kept, file, "--json")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["probabilities"] for row in rows] == [a.probabilities for a in expected]
    table = list(csv.DictReader(io.StringIO(call("predict", kept, file).stdout)))
    assert [row["prediction"] for row in table] == [a.prediction for a in expected]
    for suffix in ("csv", "jsonl"):
        assert not call("predict", kept, file, "--output", tmp_path / f"out.{suffix}").stdout
    assert (tmp_path / "out.jsonl").read_text() == done.stdout
    assert (tmp_path / "out.csv").read_text().startswith("id,prediction,probabilities.negative")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "text\nhello\n", "x.csv:1: no column 'sentence'; the header has text"),
        ("x.jsonl", '{"sentence": 5}\n', "x.jsonl:1: column 'sentence' is 5: expected text"),
        ("x.csv", 'id,sentence\n1,fine\n2,\n', "x.csv:3: example 1 has no text"),
        ("x.xls", "", "x.xls: name a file that ends in .csv, .tsv, .jsonl, .parquet"),
        ("gone.csv", None, "gone.csv: cannot be read: No such file"),
    ],
)  # fmt: skip
def test_a_row_that_can_t_be_answered_is_told_with_its_line(
    name: str, content: str | None, said: str, kept: Path, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    done = call("predict", kept, tmp_path / name)
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_row_from_python_that_lacks_a_column_is_told_with_its_number(kept: Path) -> None:
    with pytest.raises(DataError, match="rows:2: no column 'sentence'; it has text"):
        load_finetuned(kept).predict([*SST2[:1], {"text": "x"}])


def files(place: Path) -> list[str]:
    return sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())


@pytest.mark.parametrize("way", ["flipped", "cut", "gone"])
def test_a_damaged_directory_is_one_line_that_names_the_file(
    way: str, kept: Path, tmp_path: Path
) -> None:
    assert len(files(kept)) == 5
    for name in files(kept):
        place = tmp_path / name.replace("/", "-")
        for other in files(kept):
            (place / other).parent.mkdir(parents=True, exist_ok=True)
            (place / other).write_bytes((kept / other).read_bytes())
        content = bytearray((place / name).read_bytes())
        if way == "gone":
            (place / name).unlink()
        else:
            content[len(content) // 2] ^= 1
            (place / name).write_bytes(content if way == "flipped" else content[:-3])
        with pytest.raises(CheckpointError) as caught:
            load_finetuned(place)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_directory_without_a_model_says_what_is_there(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"several fine-tuned models: name one, .*sst2"):
        load_finetuned(kept.parent)
    with pytest.raises(CheckpointError, match="holds no fine-tuned model"):
        load_finetuned(tmp_path)
    with pytest.raises(CheckpointError, match="is no directory"):
        load_finetuned(tmp_path / "nowhere")


def test_of_several_fine_tunings_each_is_kept_below(tiny_directory: Path, tmp_path: Path) -> None:
    more = {"seeds": (0, 1), "transfer_layers": "none,all", "save_model": tmp_path / "kept"}
    model = str(tiny_directory)
    gpteval.run("wnli", model=model, results=tmp_path / "r", **SETTINGS | more)
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    label = "wnli-no-pre-training"
    assert names == {"wnli-seed0", "wnli-seed1", f"{label}-seed0", f"{label}-seed1"}


def test_what_was_finished_without_being_kept_is_trained_again_and_stands_on_record_once(
    tiny_directory: Path, tmp_path: Path
) -> None:
    settings = SETTINGS | {"model": str(tiny_directory), "results": tmp_path / "results"}
    first = gpteval.run("wnli", **settings)
    place = tmp_path / "kept"
    again = gpteval.run("wnli", save_model=place, **settings)
    store = ResultStore(tmp_path / "results")
    assert [r.scores for r in again] == [r.scores for r in first]
    assert len(store.read()) == len(first)
    assert not list(faults(store))
    written = (place / "finetuned.json").stat().st_mtime_ns
    assert gpteval.run("wnli", save_model=place, **settings) == again
    assert (place / "finetuned.json").stat().st_mtime_ns == written


def test_a_place_that_is_taken_is_refused_before_anything_is_trained(
    kept: Path, tiny_directory: Path, tmp_path: Path
) -> None:
    settings = SETTINGS | {"model": str(tiny_directory), "results": tmp_path / "results"}
    with pytest.raises(ConfigError, match="holds a model of sst2 that was trained otherwise"):
        gpteval.run("wnli", save_model=kept, **settings)
    with pytest.raises(ConfigError, match="is there and no model"):
        gpteval.run("wnli", save_model=tmp_path, **settings)
    assert not (tmp_path / "results" / "records.jsonl").exists()


def test_a_model_whose_family_can_t_write_it_is_refused_before_anything_is_trained(
    tiny_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = registry().models()
    bare = known | {"gpt": replace(known["gpt"], build=None)}
    monkeypatch.setattr(registry(), "models", lambda: bare)
    with pytest.raises(ConfigError, match="its family 'gpt' has no `save`"):
        gpteval.run("wnli", model=str(tiny_directory), save_model=tmp_path / "kept",
                    results=tmp_path / "results", **SETTINGS)  # fmt: skip


def test_a_task_told_by_its_columns_needs_nothing_but_the_directory(
    tiny_directory: Path, tmp_path: Path
) -> None:
    rows = "".join(f"the ship {n},{n % 2},place {n % 3}\n" for n in range(16))
    (tmp_path / "rows.csv").write_text(f"tweet,label,where\n{rows}")
    table = gpteval.Table(
        "irony", "tweet", labels={"0": "no", "1": "yes"}, part="where", held_out=4,
        files={"train": "rows.csv"},
    )  # fmt: skip
    settings = SETTINGS | {"sample": False, "results": tmp_path / "r"}
    place, model = tmp_path / "kept", str(tiny_directory)
    gpteval.run(table.task(tmp_path), model=model, save_model=place, **settings)
    registry.cache_clear()
    assert "irony" not in registry().tasks()
    (answer,) = load_finetuned(place).predict([{"tweet": "the ship"}])
    assert set(answer.probabilities) == {"no", "yes"}


def example(row: gpteval.Row) -> Example:
    return Example.single(row, row["sentence"])


def test_a_task_that_is_not_known_here_is_named_and_may_be_given(
    tiny_directory: Path, tmp_path: Path
) -> None:
    mine = replace(registry().tasks()["sst2"], name="mine", example=example)
    place = tmp_path / "kept"
    gpteval.run(mine, model=str(tiny_directory), save_model=place, results=tmp_path / "r",
                **SETTINGS)  # fmt: skip
    registry.cache_clear()
    with pytest.raises(CheckpointError, match="on task 'mine', which is not here"):
        load_finetuned(place)
    assert load_finetuned(place, task=mine).predict(SST2)
    with pytest.raises(CheckpointError, match="of version 1, and it is of version 2 now"):
        load_finetuned(place, task=replace(mine, version=2))


@pytest.mark.parametrize("name", registry().tasks())
def test_rows_without_gold_labels_make_the_same_examples(name: str) -> None:
    """So whatever a task is trained on can be asked for answers."""
    task = registry().tasks()[name]
    split = load_split(task, "test", Origin("sample"), 4)
    rows = [{column: row[column] for column in task.source.columns} for row in split.rows]
    given = given_examples(task, given_rows(task, rows))
    expected = [(e.sequences, e.context) for e in examples_of(task, split)]
    assert [(e.sequences, e.context) for e in given] == expected
