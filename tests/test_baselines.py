import os

import pytest
from fabricated import predictions, task

from gpteval.data.rows import load_split, origin
from gpteval.metric import Metric
from gpteval.plugins import registry
from gpteval.records import Prediction
from gpteval.score.chance import baselines, majority, random_guess
from gpteval.score.metrics import score

GOLD = ["yes", "no", "no", "no"]


def test_the_most_frequent_training_label_is_given_to_everything():
    given = predictions(GOLD, ["no"] * 4)
    scores = majority(task("accuracy", "f1"), ["yes", "yes", "no"], given)
    assert scores == {"accuracy": 0.25, "f1": pytest.approx(0.4)}


def test_equally_frequent_training_labels_give_the_first_in_the_tasks_order():
    given = predictions(GOLD, ["yes"] * 4)
    assert majority(task("accuracy"), ["yes", "no"], given) == {"accuracy": 0.75}


def test_parts_have_their_own_majority_score():
    given = predictions([0, 1, 1, 2], [3] * 4, parts=["middle", "middle", "high", "high"])
    scores = majority(task("accuracy", kind="choose"), [1, 1, 0], given)
    assert scores == {"accuracy": 0.5, "accuracy/middle": 0.5, "accuracy/high": 0.5}


def test_the_training_mean_correlates_with_nothing():
    given = predictions([1.0, 2.0, 5.0], [1.0, 2.0, 3.0])
    scores = majority(task("pearson", "spearman", kind="regress"), [0.0, 5.0], given)
    assert scores == {"pearson": 0.0, "spearman": 0.0}


def test_breaking_nlis_majority_is_of_its_own_labels():
    names = ("entailment", "neutral", "contradiction")
    gold = ["contradiction"] * 7164 + ["entailment"] * 982 + ["neutral"] * 47
    made = task("accuracy", labels=names, train_task="snli")
    scores = majority(made, ["entailment", "neutral", "entailment"], predictions(gold, gold))
    assert scores["accuracy"] == pytest.approx(0.874, abs=0.0005)


def test_without_training_labels_the_scored_split_is_counted():
    assert majority(task("accuracy"), [], predictions(GOLD, GOLD)) == {"accuracy": 0.75}


def test_a_guess_is_right_as_often_as_there_are_labels():
    made = task("accuracy", "matthews", "f1", labels=("a", "b", "c"))
    scores = random_guess(made, predictions(["a"], ["b"]))
    assert scores == {"accuracy": pytest.approx(1 / 3), "matthews": 0.0}


def test_a_guess_among_answers_counts_each_examples_own():
    given = [Prediction("0", 0, 0, (0.5, 0.5)), Prediction("1", 0, 0, (0.25,) * 4)]
    assert random_guess(task("accuracy", kind="choose"), given) == {"accuracy": 0.375}


def test_both_baselines_are_named():
    found = baselines(task("accuracy"), GOLD, predictions(GOLD, GOLD))
    assert found == {"majority": {"accuracy": 0.75}, "random": {"accuracy": 0.5}}


@pytest.mark.parametrize("name", ["accuracy", "f1", "macro_f1", "matthews"])
def test_the_majority_is_the_best_constant_answer_by_every_metric(name):
    gold = ["no"] * 64 + ["yes"] * 36
    constants = [score(task(name), predictions(gold, [label] * 100)) for label in ("no", "yes")]
    best = max(scores[name] for scores in constants)
    assert majority(task(name), gold, predictions(gold, gold)) == {name: pytest.approx(best)}


def test_a_plug_ins_metric_has_its_own_best_constant(monkeypatch):
    share = Metric("share", lambda gold, said, _: sum(s == "yes" for s in said) / len(said))
    monkeypatch.setattr(registry(), "metric", {"share": share}.get)
    assert majority(task("share"), ["no", "no"], predictions(GOLD, GOLD)) == {"share": 1.0}


@pytest.mark.data
def test_saying_that_all_questions_are_alike_scores_52_8_on_qqp():
    if "GPTEVAL_DATA" not in os.environ:
        pytest.skip("GPTEVAL_DATA is not set: the real sets are not here")
    made = registry().tasks()["qqp"]
    rows = load_split(made, "dev", origin()).rows
    labels = [row["label"] for row in rows]
    scores = majority(made, labels, predictions(labels, labels))
    assert scores["f1"] == pytest.approx(0.528, abs=5e-4)
    assert scores["accuracy"] == pytest.approx(0.641, abs=5e-4)
