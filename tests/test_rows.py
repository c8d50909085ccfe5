"""Rows: where they come from, what is in one, and what is known of a split."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from official import NAMES, RTE, read, rte, task, with_split, write

from gpteval import Source, Split
from gpteval.data.rows import Origin, digest, load_split, origin, scored_splits
from gpteval.errors import ConfigError, DataError

PAIR = {"gold_label": "neutral", "sentence1": "a", "sentence2": "b"}


def snli(root: Path, labels: list[str]) -> None:
    rows = [json.dumps(PAIR | {"gold_label": label, "sentence1": label}) for label in labels]
    write(root, "snli_1.0/snli_1.0_dev.jsonl", "\n".join(rows))


def test_the_data_directory_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTEVAL_DATA", "/from/variable")
    assert origin("/given", sample=False) == Origin("files", Path("/given"))
    assert origin() == Origin("files", Path("/from/variable"))
    assert origin(None, sample=True) == Origin("sample")


def test_rows_come_from_the_hub_when_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPTEVAL_DATA", raising=False)
    assert origin() == Origin("hub")


def test_a_directory_and_the_sample_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        origin("/given", sample=True)


def test_a_row_has_the_source_columns_its_place_and_its_label_by_name(tmp_path: Path) -> None:
    row = {"sentence1": "It rains.", "sentence2": "It is wet.", "id": "0", "label": "entailment"}
    assert rte(tmp_path, RTE).rows == (row,)


def test_labels_are_named_whatever_the_files_call_them(tmp_path: Path) -> None:
    write(tmp_path, "glue/WNLI/dev.tsv", "sentence1\tsentence2\tlabel\na\tb\t0\nc\td\t1\n")
    labels = [r["label"] for r in read("wnli", "dev", tmp_path).rows]
    assert labels == ["not_entailment", "entailment"]


def test_rows_without_gold_are_left_out_and_counted(tmp_path: Path) -> None:
    snli(tmp_path, ["-", "neutral", "-", "entailment", "-"])
    rows = read("snli", "dev", tmp_path)
    assert ([r["label"] for r in rows.rows], rows.left_out) == (["neutral", "entailment"], 3)
    assert [r["id"] for r in rows.rows] == ["1", "3"]


def test_a_split_all_without_gold_is_an_error(tmp_path: Path) -> None:
    snli(tmp_path, ["-", "-"])
    with pytest.raises(DataError, match="snli: no rows of dev: none of 2 has a gold label"):
        read("snli", "dev", tmp_path)


def test_private_labels_leave_no_row_out(tmp_path: Path) -> None:
    write(tmp_path, "glue/RTE/test.tsv", "index\tsentence1\tsentence2\n0\ta\tb\n")
    rows = read("rte", "test", tmp_path)
    assert ([r["label"] for r in rows.rows], rows.left_out, rows.official) == ([None], 0, 3000)


def test_a_split_is_complete_when_every_official_row_is_there(tmp_path: Path) -> None:
    write(tmp_path, "glue/RTE/dev.tsv", RTE)
    two = with_split(task("rte"), "dev", Split(2, ("glue/RTE/dev.tsv",)))
    assert not load_split(two, "dev", Origin("files", tmp_path)).complete
    write(tmp_path, "glue/RTE/dev.tsv", RTE + RTE.splitlines()[1])
    assert load_split(two, "dev", Origin("files", tmp_path)).complete


def test_a_limit_draws_rows_from_all_over_the_split_and_keeps_their_order(tmp_path: Path) -> None:
    lines = [f"{number}\ta\tb\tentailment\n" for number in range(1, 300)]
    whole = rte(tmp_path, RTE + "".join(lines))
    some, more = (read("rte", "dev", tmp_path, limit=limit) for limit in (30, 60))
    places = [int(row["id"]) for row in some.rows]
    assert places == sorted(places)
    assert sum(place < 150 for place in places) in range(8, 23)
    assert {row["id"] for row in some.rows} < {row["id"] for row in more.rows}
    assert some == read("rte", "dev", tmp_path, limit=30) != whole
    assert (len(some.rows), some.complete) == (30, False)
    assert some.digest == digest(some.rows)
    assert read("rte", "dev", tmp_path, limit=300).rows == whole.rows


def test_the_digest_is_over_canonical_json_in_order(tmp_path: Path) -> None:
    found = rte(tmp_path, RTE + "1\tcafé\tb\tnot_entailment\n")
    lines = [
        '{"id":"0","label":"entailment","sentence1":"It rains.","sentence2":"It is wet."}\n',
        '{"id":"1","label":"not_entailment","sentence1":"café","sentence2":"b"}\n',
    ]
    assert found.digest == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_an_unknown_split_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rte: no split 'validation'; it has train, dev, test"):
        read("rte", "validation", tmp_path)


def test_a_choice_without_label_names_is_an_index_from_0(tmp_path: Path) -> None:
    write(tmp_path, "p.jsonl", '{"q": "a", "o": ["b", "c"], "label": 1}\n')
    source = Source("", {"dev": Split(1, ("p.jsonl",))}, ("q", "o"), reader="jsonl", lists=("o",))
    made = replace(task("copa"), source=source)
    row = load_split(made, "dev", Origin("files", tmp_path)).rows[0]
    assert (row["label"], row["o"]) == (1, ["b", "c"])
    write(tmp_path, "p.jsonl", '{"q": "a", "o": ["b", "c"], "label": -1}\n')
    with pytest.raises(DataError, match="unknown label '-1', expected the right answer's index"):
        load_split(made, "dev", Origin("files", tmp_path))


def test_files_of_a_split_are_read_in_sorted_order_and_joined(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path, f"parts/{name}.tsv", f"sentence1\tsentence2\tlabel\n{name}\t\tentailment\n")
    parts = with_split(task("rte"), "dev", Split(2, ("parts/*.tsv",)))
    rows = load_split(parts, "dev", Origin("files", tmp_path)).rows
    assert [(r["sentence1"], r["id"]) for r in rows] == [("a", "0"), ("b", "1")]


def test_from_files_and_the_hub_the_splits_with_labels_are_scored() -> None:
    assert scored_splits(task("mnli"), Origin("files")) == ("dev_mismatched", "dev")
    assert scored_splits(task("copa"), Origin("files")) == ("dev", "test")
    assert scored_splits(task("copa"), Origin("hub")) == ("dev",)
    assert scored_splits(task("rocstories"), Origin("hub")) == ("dev", "test")


def test_a_task_without_a_sample_says_so() -> None:
    bare = replace(task("rte"), source=replace(task("rte").source, sample=""))
    with pytest.raises(DataError, match="rte: no dev split: it has no sample; use --data-dir"):
        load_split(bare, "dev", Origin("sample"))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_sample_is_read_through_the_task_own_columns_and_labels(name: str) -> None:
    each = task(name)
    for split in scored_splits(each, Origin("sample")):
        found = load_split(each, split, Origin("sample"))
        assert (found.complete, found.left_out, len(found.rows) >= 64) == (True, 0, True)
        assert all(each.example(row).label is not None for row in found.rows)


def test_of_a_sample_the_test_split_is_scored_last_for_it_has_labels() -> None:
    scored = {name: scored_splits(task(name), Origin("sample")) for name in NAMES}
    assert {splits[-1] for splits in scored.values()} == {"test"}
    assert scored["rte"] == ("dev", "test")
    assert scored["mnli"] == ("dev_mismatched", "dev", "test")
    assert scored["breaking_nli"] == ("test",)


def test_a_limited_sample_is_cut() -> None:
    some = load_split(task("rte"), "dev", Origin("sample"), limit=8)
    assert (len(some.rows), some.complete) == (8, False)
    assert some.official == len(load_split(task("rte"), "dev", Origin("sample")).rows)


def test_a_split_that_the_sample_lacks_is_absent() -> None:
    with pytest.raises(DataError, match="no test_mismatched split: its sample has train, dev"):
        load_split(task("mnli"), "test_mismatched", Origin("sample"))
