import json

import pytest
from fabricated import data, measured

from gpteval.errors import ResultError
from gpteval.results.baseline import (
    Baseline,
    Noise,
    pack,
    read_baseline,
    unpack,
    write_baseline,
)
from gpteval.results.pairing import mismatches, paired, side


def names(pairs):
    return [tuple(m and m.model for m in pair) for pair in pairs]


def test_runs_that_differ_in_their_seed_alone_are_one_measurement(tmp_path):
    (found,) = side(str(measured(tmp_path, seeds=3)))
    assert list(found.scores) == [0, 1, 2]
    assert len(found.answered().given) == 3


def test_words_after_the_at_sign_choose_entrants(tmp_path):
    measured(tmp_path, model="mini")
    measured(tmp_path, model="tfidf", mode="baseline", recipe="baseline")
    assert [m.model for m in side(f"{tmp_path}@tfidf")] == ["tfidf"]
    assert [m.model for m in side(f"{tmp_path}@mini,finetune")] == ["mini"]
    assert [m.model for m in side(f"{tmp_path}@lr=6.25e-05,paper")] == ["mini"]
    with pytest.raises(ResultError, match="there are mini"):
        side(f"{tmp_path}@gpt2")


def test_a_directory_without_results_is_refused(tmp_path):
    with pytest.raises(ResultError, match="no results in"):
        side(str(tmp_path))


def test_a_directory_whose_name_has_an_at_sign_is_one(tmp_path):
    place = measured(tmp_path / "a@b")
    assert len(side(str(place))) == 1


def test_entrants_of_one_name_stand_against_each_other(tmp_path):
    for place in ("a", "b"):
        measured(tmp_path / place, model="mini")
        measured(tmp_path / place, model="tfidf", mode="baseline")
    pairs = paired(side(str(tmp_path / "a")), side(str(tmp_path / "b")))
    assert names(pairs) == [("mini", "mini"), ("tfidf", "tfidf")]


def test_the_one_entrant_of_each_side_stands_against_the_other_whatever_its_name(tmp_path):
    first = side(str(measured(tmp_path / "a", model="old")))
    second = side(str(measured(tmp_path / "b", model="new")))
    third = side(str(measured(tmp_path / "c", model="tfidf", mode="baseline")))
    assert names(paired(first, second, modes=True)) == [("old", "new")]
    assert names(paired(first, third)) == [("old", "tfidf")]
    assert names(paired(first, third, modes=True)) == [("old", None), (None, "tfidf")]


def test_of_two_entrants_neither_is_guessed(tmp_path):
    measured(tmp_path / "b", model="new")
    second = side(str(measured(tmp_path / "b", model="newer")))
    first = side(str(measured(tmp_path / "a", model="old")))
    assert (None, "new") in names(paired(first, second))


def test_of_an_entrant_measured_again_the_later_counts(tmp_path):
    measured(tmp_path, right=0.6, model_digest="one")
    measured(tmp_path, right=0.9, model_digest="two")
    assert [m.digest for m in side(str(tmp_path))] == ["two"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("version", {"version": 9}),
        ("data", {"data": data(digest="other")}),
        ("recipe", {"config": {"lr": 1.0}}),
        ("code", {"versions": {"gpteval": "9.0"}}),
    ],
)
def test_what_keeps_two_measurements_apart_is_named(tmp_path, kind, more):
    (first,) = side(str(measured(tmp_path / "a")))
    (second,) = side(str(measured(tmp_path / "b", **more)))
    assert list(mismatches(first, second)) == [kind]
    assert mismatches(first, first) == {}


def test_a_record_from_before_codes_were_numbered_is_of_its_release(tmp_path):
    (first,) = side(str(measured(tmp_path / "a", versions={"gpteval": "1"})))
    (second,) = side(str(measured(tmp_path / "b", versions={"gpteval": "1", "numbers": "2"})))
    (third,) = side(str(measured(tmp_path / "c", versions={"gpteval": "1", "numbers": "3"})))
    assert not mismatches(first, second)
    assert mismatches(second, third) == {"code": "1/2 and 1/3"}


@pytest.mark.parametrize("answers", [["yes", "no", "yes"], [3, 0, 1, 3], list(range(300))], ids=len)
def test_packed_answers_are_unpacked_as_they_were(answers):
    assert list(unpack(pack(answers))) == answers


def test_packed_numbers_keep_six_digits():
    numbers = [4.408758512127742, -0.1, 5.0]
    assert list(unpack(pack(numbers))) == pytest.approx(numbers, rel=1e-6)


@pytest.mark.parametrize("name", ["rte", "race", "stsb"])
def test_a_baseline_file_has_the_measurements_it_was_made_of(tmp_path, name):
    (found,) = side(str(measured(tmp_path / "a", name, seeds=2)))
    write_baseline(tmp_path / "b.json", Baseline((found,), {"x": Noise(0.1, 0.05, 5)}, "c"))
    baseline = read_baseline(tmp_path / "b.json")
    (read,) = baseline.measurements
    assert not mismatches(found, read)
    assert read.scores == found.scores
    assert read.answered().examples == found.answered().examples
    assert read.answered().given[1] == pytest.approx(found.answered().given[1])
    assert baseline.noise == {"x": Noise(0.1, 0.05, 5)}


@pytest.mark.parametrize("name", ["rte", "race", "stsb"])
def test_a_baseline_takes_less_than_100_kb_for_10_000_examples(tmp_path, name):
    found = side(str(measured(tmp_path / "a", name, count=10_000)))
    write_baseline(tmp_path / "b.json", Baseline(tuple(found)))
    assert (tmp_path / "b.json").stat().st_size < 100_000


@pytest.mark.parametrize("damage", ["cut", "edited", "empty", "later"])
def test_a_damaged_baseline_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "b.json"
    write_baseline(path, Baseline(tuple(side(str(measured(tmp_path / "a"))))))
    text = path.read_text()
    changes = {
        "cut": text[:-9],
        "edited": text.replace('"accuracy": 0.', '"accuracy": 0.1'),
        "empty": json.dumps({}),
        "later": text.replace('"schema": 1', '"schema": 9'),
    }
    path.write_text(changes[damage])
    with pytest.raises(ResultError, match="bless again"):
        read_baseline(path)
    with pytest.raises(ResultError, match="make one with"):
        read_baseline(tmp_path / "none.json")
