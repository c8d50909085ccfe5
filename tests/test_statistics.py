import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from fabricated import predictions, task

from gpteval.metric import Metric
from gpteval.plugins import registry
from gpteval.score import statistics
from gpteval.score.metrics import metric
from gpteval.score.statistics import interval

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "coverage.py"
spec = importlib.util.spec_from_file_location("coverage_of_intervals", SCRIPT)
benchmark = importlib.util.module_from_spec(spec)
sys.modules["coverage_of_intervals"] = benchmark
spec.loader.exec_module(benchmark)
Setting, coverage = benchmark.Setting, benchmark.coverage

CLASS_METRICS = ["accuracy", "f1", "macro_f1", "matthews"]
CORRELATIONS = ["pearson", "spearman"]


def answered(count=400, right=0.7, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.choice(["no", "yes"], count, p=[0.6, 0.4])
    other = generator.choice(["no", "yes"], count)
    return labels, np.where(generator.random(count) < right, labels, other)


def rated(count=300, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 6, count).astype(float)
    return labels, labels + generator.normal(size=count).round(1)


def scipys_bca(name, labels, answers):
    bounds = scipy.stats.bootstrap(
        (np.arange(len(labels)),),
        lambda drawn: metric(name).function(labels[drawn], answers[drawn], ("no", "yes")),
        vectorized=False,
        n_resamples=1500,
        method="BCa",
        rng=1,
    ).confidence_interval
    return bounds.low, bounds.high


@pytest.mark.parametrize("name", CLASS_METRICS)
def test_intervals_of_class_metrics_are_near_scipys_bootstrap(name):
    labels, answers = answered()
    found = interval(task(name), predictions(labels.tolist(), answers.tolist()))
    assert found == pytest.approx(scipys_bca(name, labels, answers), abs=0.015)


@pytest.mark.parametrize("name", CORRELATIONS)
def test_intervals_of_correlations_are_near_scipys_bootstrap(name):
    labels, answers = rated()
    given = predictions(labels.tolist(), answers.tolist())
    found = interval(task(name, kind="regress"), given)
    assert found == pytest.approx(scipys_bca(name, labels, answers), abs=0.015)


@pytest.mark.parametrize("name", CLASS_METRICS)
def test_the_scores_of_confusion_matrices_are_the_metrics(name):
    generator, names = np.random.default_rng(0), ("no", "yes", "maybe")
    for _ in range(20):
        labels, answers = generator.choice(names, (2, 12), p=[0.8, 0.1, 0.1]).tolist()
        confusion = np.zeros((1, 3, 3))
        for label, answer in zip(labels, answers, strict=True):
            confusion[0, names.index(label), names.index(answer)] += 1
        found = metric(name).of_confusion(confusion)
        assert found == pytest.approx([metric(name).function(labels, answers, names)])


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_weighted_correlations_are_those_of_the_drawn_examples(name):
    labels, answers = rated(count=30)
    drawn = np.random.default_rng(0).multinomial(30, [1 / 30] * 30, size=5)
    found = metric(name).weighted(labels, answers, drawn)
    repeated = [(np.repeat(labels, times), np.repeat(answers, times)) for times in drawn]
    assert found == pytest.approx([metric(name).function(*pair, ()) for pair in repeated])


@pytest.mark.parametrize("count", [30, 100, 200])
def test_of_any_share_of_independent_examples_intervals_hold_92_to_100_percent(count):
    """Summed over all numbers of right ones: Wilson's alone holds 99 % of 100 in 91 %."""
    numbers, shares = np.arange(count + 1), np.linspace(0.002, 0.998, 499)
    given = [["yes"] * right + ["no"] * (count - right) for right in numbers]
    low, high = np.array(
        [interval(task("accuracy"), predictions(["yes"] * count, own)) for own in given]
    ).T
    held = (low <= shares[:, None]) & (shares[:, None] <= high)
    coverage = (scipy.stats.binom.pmf(numbers, count, shares[:, None]) * held).sum(1)
    assert coverage.min() > 0.92


def test_accuracy_of_independent_examples_has_wilsons_interval():
    k, n, z = 18, 30, scipy.stats.norm.ppf(0.975)
    given = predictions(["yes"] * n, ["yes"] * k + ["no"] * (n - k))
    middle = (k / n + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(k / n * (1 - k / n) / n + z**2 / (4 * n**2))
    assert interval(task("accuracy"), given) == pytest.approx((middle - half, middle + half))


def test_nothing_wrong_is_not_certainty():
    low, high = interval(task("accuracy"), predictions(["yes"] * 20, ["yes"] * 20))
    assert 0.8 < low < 0.9
    assert high == pytest.approx(1.0)


@pytest.mark.parametrize("name", [*CLASS_METRICS, "pearson", "spearman"])
def test_correlated_clusters_widen_the_interval(name):
    labels, answers = rated(100) if name in ("pearson", "spearman") else answered(100)
    kind = "regress" if name in ("pearson", "spearman") else "classify"
    columns = np.repeat(labels, 9).tolist(), np.repeat(answers, 9).tolist()
    clusters = [f"article {i // 9}" for i in range(900)]
    alone = np.ptp(interval(task(name, kind=kind), predictions(*columns)))
    together = np.ptp(interval(task(name, kind=kind), predictions(*columns, clusters=clusters)))
    assert 2.3 < together / alone < 3.7  # √9 in theory


def test_examples_without_a_cluster_stand_for_themselves():
    labels, answers = answered(50)
    named = predictions(labels.tolist(), answers.tolist(), clusters=["a"] * 2 + [""] * 48)
    low, high = interval(task("accuracy"), named)
    assert high - low < 0.35


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["matthews", *CORRELATIONS])
def test_a_constant_predictions_correlation_has_no_interval(name):
    kind = "classify" if name == "matthews" else "regress"
    labels, constant = (answered()[0], "no") if kind == "classify" else (rated()[0], 0.1)
    given = predictions(labels.tolist(), [constant] * len(labels))
    assert interval(task(name, kind=kind), given) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [*CLASS_METRICS[1:], *CORRELATIONS])
def test_one_example_and_a_perfect_correlation_have_no_interval(name):
    kind = "regress" if name in CORRELATIONS else "classify"
    labels = (rated() if kind == "regress" else answered())[0].tolist()
    assert interval(task(name, kind=kind), predictions(labels[:1], labels[:1])) is None
    if kind == "regress":
        assert interval(task(name, kind=kind), predictions(labels, labels)) is None


@pytest.mark.parametrize(("missed", "invented"), [(0, 0), (1, 0), (2, 3)])
def test_an_f1_near_its_bound_has_the_quantiles_of_its_posterior(missed, invented):
    """F1 is 2p / (1 + p) of p, the share of true positives among these and the mistakes."""
    right, negative = 40 - missed, 80 - invented
    labels = ["yes"] * 40 + ["no"] * 80
    answers = ["yes"] * right + ["no"] * (missed + negative) + ["yes"] * invented
    posterior = scipy.stats.beta(right + 1 / 4, missed + invented + 2 / 4)
    low, high = (2 * p / (1 + p) for p in posterior.ppf([0.025, 0.975]))
    expected = (low, high if missed else 1.0)
    assert interval(task("f1"), predictions(labels, answers)) == pytest.approx(expected, abs=0.004)


def test_clusters_count_as_one_example_each_where_too_few_tell_their_variance():
    labels, answers = ["yes", "no"] * 100, ["yes", "no"] * 99 + ["no", "no"]
    alone = interval(task("f1"), predictions(labels, answers))
    pairs = [str(i // 4) for i in range(200)]
    together = interval(task("f1"), predictions(labels, answers, clusters=pairs))
    assert 1.5 < np.ptp(together) / np.ptp(alone) < 6
    few = [str(i // 20) for i in range(200)]
    assert interval(task("f1"), predictions(labels, answers, clusters=few)) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [*CLASS_METRICS, *CORRELATIONS])
def test_one_cluster_has_no_interval_and_few_have_a_wide_one(name):
    kind = "regress" if name in CORRELATIONS else "classify"
    columns = [side.tolist() for side in (rated(400) if kind == "regress" else answered(400))]

    def of(count):
        clusters = [f"article {i % count}" for i in range(400)]
        return interval(task(name, kind=kind), predictions(*columns, clusters=clusters))

    assert of(1) is None
    few, many = of(8), of(200)
    assert few is None or np.ptp(few) > np.ptp(many)


@pytest.mark.parametrize("name", [*CLASS_METRICS[1:], *CORRELATIONS])
def test_a_score_of_few_examples_has_no_interval(name):
    kind = "regress" if name in CORRELATIONS else "classify"
    few = [side.tolist()[:14] for side in (rated() if kind == "regress" else answered())]
    assert interval(task(name, kind=kind), predictions(*few)) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [100, 102, 105, 110, 150, 300, 1000])
def test_a_share_is_held_as_often_as_is_said(count):
    """By exact sums, on both sides of every bound, for there it is held most and least often."""
    counts = np.arange(count + 1)
    low, high = np.array([statistics._of_independent(k / count, count) for k in counts]).T
    bounds = np.concatenate([low, high])[:, None] * [1 - 1e-9, 1 + 1e-9]
    shares = bounds[(bounds > 0) & (bounds <= 0.5)]
    often = scipy.stats.binom.pmf(counts[:, None], count, shares)
    held = (often * ((low[:, None] <= shares) & (shares <= high[:, None]))).sum(0)
    assert held.min() > 0.93
    assert held[shares * count > 8.6].max() < 0.97


def test_one_example_has_the_exact_interval_of_a_share():
    low, high = interval(task("accuracy"), predictions(["yes"], ["yes"]))
    assert (low, high) == (pytest.approx(0.025), 1.0)


def test_the_same_predictions_and_seed_give_the_same_interval(monkeypatch):
    monkeypatch.setattr(statistics, "GROUPS", 50)
    given = predictions(*(side.tolist() for side in rated()))
    made = task("pearson", kind="regress")
    first, second = (interval(made, given, seed=3) for _ in range(2))
    assert first == second != interval(made, given, seed=4)


def test_large_splits_are_computed_in_chunks_and_groups(monkeypatch):
    given = predictions(*(side.tolist() for side in rated(200)))
    whole = interval(task("spearman", kind="regress"), given)
    monkeypatch.setattr(statistics, "CHUNK", 1000)
    assert interval(task("spearman", kind="regress"), given) == whole
    monkeypatch.setattr(statistics, "GROUPS", 50)
    assert interval(task("spearman", kind="regress"), given) == pytest.approx(whole, abs=0.02)


def test_a_plug_ins_metric_has_its_interval_by_calling_it(monkeypatch):
    added = Metric("error", lambda gold, said, _: np.mean(np.array(gold) != said), "error")
    monkeypatch.setattr(registry(), "metric", {"error": added, "accuracy": metric("accuracy")}.get)
    given = predictions(*(side.tolist() for side in answered(100)))
    low, high = interval(task("error"), given)
    expected = interval(task("accuracy"), given)
    assert (1 - high, 1 - low) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    "setting",
    [
        Setting("accuracy", (1,) * 100, 0.9),
        Setting("accuracy", (4,) * 40, 0.7, 0.3),
        Setting("accuracy", (4,) * 6, 0.7, 0.3),
        Setting("f1", (1,) * 120, 0.8),
        Setting("matthews", (4,) * 30, 0.8, 0.3),
        Setting("matthews", (1,) * 20, 0.8),
        Setting("f1", (1,) * 100, 0.99),
        Setting("matthews", (1,) * 200, 0.95),
        Setting("macro_f1", (1,) * 50, 0.95, labels=3),
        Setting("f1", (4,) * 30, 0.97, 0.3),
        Setting("pearson", (1,) * 100, 0.8),
        Setting("spearman", (1,) * 20, 0.5),
    ],
)
def test_intervals_hold_the_true_score_as_often_as_they_say(setting):
    """With 300 draws; `benchmarks/coverage.py` has the whole table with 2,000."""
    assert not coverage(setting, 300).wrong(setting)


def test_questions_of_multiple_choice_are_left_out_by_article():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 400).tolist()
    clusters = [str(i // 4) for i in range(400)]
    answers = [label if int(c) % 2 else 0 for label, c in zip(labels, clusters, strict=True)]
    low, high = interval(
        task("accuracy", kind="choose"), predictions(labels, answers, clusters=clusters)
    )
    assert low < np.mean(np.array(labels) == answers) < high
