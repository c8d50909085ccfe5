import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from fabricated import predictions, task

from gpteval.errors import UnknownNameError
from gpteval.score.metrics import headline, metric, score

NAMES = ("cat", "dog", "eel")


def two_columns(names, count=200, seed=0):
    generator = np.random.default_rng(seed)
    return generator.choice(names, count).tolist(), generator.choice(names, count).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_class_metrics_equal_scikit_learns(seed):
    labels, answers = two_columns(NAMES, seed=seed)
    made = task("accuracy", "macro_f1", "matthews", labels=NAMES)
    assert score(made, predictions(labels, answers)) == pytest.approx(
        {
            "accuracy": np.mean(np.array(labels) == np.array(answers)),
            "macro_f1": sklearn.metrics.f1_score(labels, answers, average="macro"),
            "matthews": sklearn.metrics.matthews_corrcoef(labels, answers),
        }
    )


@pytest.mark.parametrize("labels", [("no", "yes"), ("yes", "no")])
def test_f1_is_of_the_second_label_by_name(labels):
    gold, answers = ["no", "no", "yes", "no"], ["no", "yes", "yes", "yes"]
    tp, fp, fn = {"yes": (1, 2, 0), "no": (1, 0, 2)}[labels[1]]
    scores = score(task("f1", labels=labels), predictions(gold, answers))
    assert scores["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_correlations_equal_scipys_with_ties():
    generator = np.random.default_rng(0)
    gold = generator.integers(0, 6, 300).astype(float)
    answers = gold + generator.normal(size=300).round(1)
    made = task("pearson", "spearman", kind="regress")
    scores = score(made, predictions(gold.tolist(), answers.tolist()))
    assert scores["pearson"] == pytest.approx(np.corrcoef(gold, answers)[0, 1])
    ranks = [scipy.stats.rankdata(side) for side in (gold, answers)]
    assert scores["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["pearson", "spearman"])
@pytest.mark.parametrize("columns", [([1.0, 2.0, 3.0], [2.2] * 3), ([2.0] * 3, [1.0, 2.0, 3.0])])
def test_a_constant_side_correlates_0(name, columns):
    assert score(task(name, kind="regress"), predictions(*columns)) == {name: 0.0}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("answer", ["yes", "no"])
def test_one_answer_to_everything_has_defined_scores(answer):
    made = task("matthews", "f1", "macro_f1")
    scores = score(made, predictions(["no", "no", "no"], [answer] * 3))
    right = answer == "no"
    assert scores == {"matthews": 0.0, "f1": 0.0, "macro_f1": 1.0 if right else 0.0}


def test_one_single_example_is_scored():
    made = task("accuracy", "matthews", "f1", "macro_f1")
    scores = score(made, predictions(["yes"], ["yes"]))
    assert scores == {"accuracy": 1.0, "matthews": 0.0, "f1": 1.0, "macro_f1": 1.0}


def test_every_part_is_scored_by_itself_and_the_whole_by_question():
    given = predictions([0, 1, 2, 3], [0, 1, 2, 0], parts=["middle", "high", "high", "high"])
    scores = score(task("accuracy", kind="choose"), given)
    assert scores == pytest.approx(
        {"accuracy": 0.75, "accuracy/middle": 1.0, "accuracy/high": 2 / 3}
    )


def test_the_headline_is_the_first_metric_over_the_whole_split():
    made, given = task("f1", "accuracy"), predictions(*two_columns(("no", "yes")))
    assert headline(made, given) == score(made, given)["f1"]


def test_an_unknown_metric_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'accuracy'"):
        score(task("acuracy"), predictions(["yes"], ["yes"]))


@pytest.mark.parametrize("name", ["accuracy", "f1", "macro_f1", "matthews", "pearson", "spearman"])
def test_scores_stay_within_the_metrics_bounds_and_reach_the_upper(name):
    entry = metric(name)
    labels, answers = [0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]
    assert entry.function(labels, labels, (0.0, 1.0)) == pytest.approx(entry.upper)
    assert entry.function(labels, answers, (0.0, 1.0)) == pytest.approx(entry.lower)
