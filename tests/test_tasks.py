"""The built-in tasks: what they declare, what a row becomes, and that all of them load."""

import os
import re
from functools import cache
from pathlib import Path

import pytest
from official import GROUPS, NAMES, task, write

from gpteval import Task
from gpteval.data.rows import Origin, SplitRows, load_split
from gpteval.plugins import registry

# Rows found in a data directory as described by its SOURCES.md, in the order of the task's splits.
FOUND = {
    "snli": (19999, 9842, 9824), "mnli": (12811, 9815, 9832, 9796, 9847, 1104),
    "qnli": (2000, 5463, 5463), "scitail": (None, None, 2126), "rte": (2490, 277, 3000),
    "wnli": (635, 71, 146), "stsb": (5749, 1500, 1379), "qqp": (23497, 7600, None),
    "mrpc": (3668, 408, 1725), "cola": (8551, 1043, 1063), "sst2": (67349, 872, 1821),
    "race": (87866, 4887, 4934), "copa": (400, 100, 500), "rocstories": (1497, 374, 1871),
    "breaking_nli": (8193,),
}  # fmt: skip
CUT = {("snli", "train"), ("mnli", "train"), ("qnli", "train"), ("qqp", "train"), ("qqp", "dev")}
PAPER = {
    "snli": [("accuracy", 89.9, "test")],
    "mnli": [("accuracy", 82.1, "test"), ("accuracy", 81.4, "test_mismatched")],
    "scitail": [("accuracy", 88.3, "test")],
    "qnli": [("accuracy", 87.4, "test"), ("accuracy", 88.1, "test")],
    "rte": [("accuracy", 56.0, "test")],
    "wnli": [("accuracy", 53.4, "test")],
    "stsb": [("pearson", 82.0, "test"), ("spearman", 80.0, "test")],
    "qqp": [("f1", 70.3, "test"), ("accuracy", 88.5, "test")],
    "mrpc": [("f1", 82.3, "test"), ("accuracy", 75.7, "test")],
    "cola": [("matthews", 45.4, "test")],
    "sst2": [("accuracy", 91.3, "test")],
    "race": [("accuracy", 59.0, "test"), ("accuracy/middle", 62.9, "test"),
             ("accuracy/high", 57.4, "test")],
    "rocstories": [("accuracy", 86.5, "test")],
    "copa": [("accuracy", 78.6, "test")],
    "breaking_nli": [("accuracy", 83.75, "test")],
}  # fmt: skip


@cache
def loaded(name: str, split: str) -> SplitRows:
    if "GPTEVAL_DATA" not in os.environ:
        pytest.skip("GPTEVAL_DATA is not set: the real sets are not here")
    return load_split(task(name), split, Origin("files", Path(os.environ["GPTEVAL_DATA"])))


def each_task() -> list[Task]:
    return [task(name) for name in sorted(NAMES)]


def test_the_fifteen_tasks_of_the_paper_and_two_sets_of_schemas_are_registered() -> None:
    owners = registry().owners()
    own = {name for name, plugin in owners.items() if plugin.package == "gpteval"}
    assert own == NAMES | {"dpr", "wsc273"}


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_selects_its_members(group: str) -> None:
    own = {t.name for t in registry().select([group])} & NAMES
    assert own == GROUPS[group]


def test_every_paper_figure_is_there_with_its_source() -> None:
    for each in each_task():
        assert [(p.metric, p.score, p.split) for p in each.paper] == PAPER[each.name]
        assert all(re.fullmatch(r"P t\.[234]|B|GLUE", p.source) for p in each.paper), each.name
        assert each.paper[0].metric == each.metrics[0]


def test_the_paper_figure_on_the_first_qnli_names_that_version() -> None:
    assert [p.data for p in task("qnli").paper] == ["", "QNLI v1"]


def test_every_task_says_what_it_is_and_on_what_terms() -> None:
    for each in each_task():
        assert each.title and each.licence and each.citation and each.source.ask, each.name
        assert each.source.sample == f"gpteval_tasks:samples/{each.name}"


def test_what_is_scored_has_labels_and_the_paper_split_is_the_headline_where_it_has() -> None:
    for each in each_task():
        splits = each.source.splits
        assert all(splits[name].labelled for name in each.evaluate), each.name
        labelled_test = "test" in splits and splits["test"].labelled
        assert each.evaluate[-1] == ("test" if labelled_test else "dev")


def test_hub_data_sets_are_pinned_to_a_commit() -> None:
    for each in each_task():
        if each.source.hub:
            assert re.fullmatch("[0-9a-f]{40}", each.source.revision), each.name


def test_f1_is_of_the_pairs_that_mean_the_same() -> None:
    assert (task("mrpc").labels[1], task("qqp").labels[1]) == ("equivalent", "duplicate")


def test_breaking_nli_rides_on_snli_and_its_labels() -> None:
    assert task("breaking_nli").train_task == "snli"
    assert task("breaking_nli").labels == task("snli").labels


def test_similarity_is_read_in_both_orders() -> None:
    row = {"id": "1", "label": 4.2, "sentence1": "a", "sentence2": "b"}
    assert task("stsb").example(row).sequences == (("a", "b"), ("b", "a"))
    assert task("stsb").outputs == 6


def test_a_film_review_loses_the_blank_at_its_end() -> None:
    assert task("sst2").example({"id": "1", "label": None, "sentence": "a film . "}).sequences == (
        ("a film .",),
    )


@pytest.mark.parametrize("asks", ["cause", "effect"])
def test_copa_asks_for_cause_and_effect_in_its_own_words(asks: str) -> None:
    row = {"id": "1", "label": 0, "asks-for": asks, "p": "It rained.", "a1": "b", "a2": "c"}
    question = {"cause": "What was the cause of this?", "effect": "What happened as a result?"}[
        asks
    ]
    assert task("copa").example(row).sequences[1] == (f"It rained. {question}", "c")


def asked(name: str, **columns: object) -> list[tuple[str, str]]:
    prompt = task(name).prompt
    assert prompt is not None
    found = prompt({"id": "1", "label": 0, **columns})
    return [(candidate.context, candidate.continuation) for candidate in found.candidates]


def test_a_film_review_goes_on_with_very_and_a_label() -> None:
    assert asked("sst2", sentence="a film . ") == [
        ("a film . very", "negative"),
        ("a film . very", "positive"),
    ]
    assert task("sst2").labels == ("negative", "positive")


def test_a_premise_goes_on_with_because_or_so() -> None:
    columns = {"p": "It rained.", "a1": "The sky fell.", "a2": "I'm wet."}
    assert asked("copa", **columns, **{"asks-for": "cause"}) == [
        ("It rained because", "the sky fell."),
        ("It rained because", "I'm wet."),
    ]
    assert asked("copa", **columns, **{"asks-for": "effect"})[0][0] == "It rained so"


def test_a_sentence_is_asked_for_by_itself() -> None:
    assert asked("cola", sentence="It rains.") == [("", "It rains.")]
    assert task("cola").rule == "threshold"


def test_answers_follow_the_question_and_the_passage_is_apart() -> None:
    columns = {"example_id": "high1.txt", "article": "A text.", "question": "Why?"}
    assert asked("race", **columns, options=["a", "b"]) == [("Why?", "a"), ("Why?", "b")]
    prompt = task("race").prompt({"id": "1", "label": 0, **columns, "options": ["a"]})
    assert (prompt.passage, prompt.part, prompt.cluster) == ("A text.", "high", "high1.txt")


@pytest.mark.data
@pytest.mark.parametrize("name", FOUND)
def test_a_task_loads_with_the_counts_of_the_data_directory(name: str) -> None:
    for split, count in zip(task(name).source.splits, FOUND[name], strict=True):
        if count is not None:
            rows = loaded(name, split)
            assert (len(rows.rows), rows.left_out) == (count, 0)
            assert rows.complete == ((name, split) not in CUT), split


@pytest.mark.data
@pytest.mark.parametrize("name", FOUND)
def test_every_row_becomes_an_example_with_text_and_a_label_of_the_task(name: str) -> None:
    each = task(name)
    split = each.evaluate[-1]
    for row in loaded(name, split).rows:
        example = each.example(row)
        assert all(segment.strip() for sequence in example.sequences for segment in sequence)
        outputs = range(len(example.sequences)) if each.kind == "choose" else each.labels
        assert example.label in outputs or isinstance(example.label, float)


@pytest.mark.data
def test_race_parts_are_the_two_levels() -> None:
    examples = [task("race").example(row) for row in loaded("race", "test").rows]
    assert [sum(e.part == part for e in examples) for part in ("middle", "high")] == [1436, 3498]
    assert len({e.cluster for e in examples}) == 1407


@pytest.mark.data
def test_breaking_nli_has_fourteen_categories() -> None:
    assert len({row["category"] for row in loaded("breaking_nli", "test").rows}) == 14


@pytest.mark.data
def test_three_hypotheses_of_mnli_are_the_text_n_a() -> None:
    tests = (*loaded("mnli", "test").rows, *loaded("mnli", "test_mismatched").rows)
    assert sum(row["sentence2"] == "n/a" for row in tests) == 3


@pytest.mark.data
def test_snli_rows_on_which_the_annotators_disagree_are_left_out(tmp_path: Path) -> None:
    loaded("snli", "dev")
    original = Path(os.environ["GPTEVAL_DATA"], "snli_1.0", "original_rows_with_no_gold.jsonl")
    write(tmp_path, "snli_1.0/snli_1.0_dev.jsonl", original.read_bytes())
    rows = load_split(task("snli"), "dev", Origin("files", tmp_path))
    assert (len(rows.rows), rows.left_out) == (183, 16)
