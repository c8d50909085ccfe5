"""Paired tests against independent references: scipy, statsmodels, and plain loops."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from fabricated import task
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests

from gpteval.metric import Metric
from gpteval.plugins import registry
from gpteval.score import resampling
from gpteval.score.difference import Difference, holm, mean_difference
from gpteval.score.mcnemar import mcnemar, tango_interval, tango_statistic
from gpteval.score.metrics import metric
from gpteval.score.paired import Paired, seed_variance, share_noise
from gpteval.score.resampling import Answers

NAMES = np.array(["no", "yes"])
CLASS_METRICS = ["accuracy", "f1", "macro_f1", "matthews"]


def answers(count=200, runs=1, clusters=None, worse=0.0, training=0.0, seed=0):
    """Answers of two sides of several runs each, to examples that are hard for both."""
    generator = np.random.default_rng(seed)
    gold = generator.integers(0, 2, count)
    ease = generator.normal(0.8, 1, count)
    if clusters:
        ease = generator.normal(0.8, 1, clusters)[np.arange(count) % clusters]
    given = []
    for run in range(2 * runs):
        noise = generator.normal(0, 0.5, count) + training * generator.normal()
        right = ease + noise - (worse if run >= runs else 0) > 0
        given.append(NAMES[np.where(right, gold, 1 - gold)].tolist())
    named = [f"c{i % clusters}" if clusters else "" for i in range(count)]
    return Answers(NAMES[gold].tolist(), named, given)


def rated(count=120, seed=0):
    generator = np.random.default_rng(seed)
    gold = generator.integers(0, 6, count).astype(float)
    given = [(gold + generator.normal(0, size, count)).round(1).tolist() for size in (1, 1.3)]
    return Answers(gold.tolist(), [""] * count, given)


def difference(name, given, runs=1, kind="classify", **options):
    return Paired(task(name, kind=kind), [name], given, runs, **options).difference([name])


def drawn_differences(name, given, rows):
    """The difference on each list of examples, in a plain loop."""
    found = []
    for row in rows:
        labels = [given.labels[i] for i in row]
        first, second = ([own[i] for i in row] for own in given.given)
        function = metric(name).function
        found.append(
            function(labels, second, ("no", "yes")) - function(labels, first, ("no", "yes"))
        )
    return np.array(found)


@pytest.mark.parametrize("table", [(0, 0), (3, 0), (12, 5), (40, 61), (5, 5)])
def test_mcnemar_is_that_of_statsmodels(table):
    more, fewer = table
    theirs = their_mcnemar([[50, fewer], [more, 9]], exact=True).pvalue
    assert mcnemar(more, fewer) == pytest.approx(1.0 if math.isnan(theirs) else theirs)
    if more + fewer:
        exact = scipy.stats.binomtest(more, more + fewer).pvalue
        assert mcnemar(more, fewer) == pytest.approx(exact)


def test_tangos_statistic_at_no_difference_is_mcnemars_without_correction():
    theirs = their_mcnemar([[50, 12], [30, 8]], exact=False, correction=False).statistic
    assert tango_statistic(30, 12, 100, 0.0) ** 2 == pytest.approx(theirs)


@pytest.mark.parametrize("table", [(30, 12, 100), (0, 4, 50), (9, 0, 40), (200, 210, 9842)])
def test_at_the_ends_of_tangos_interval_the_statistic_is_critical(table):
    for end in tango_interval(*table):
        assert abs(tango_statistic(*table, end)) == pytest.approx(scipy.stats.norm.ppf(0.975), 1e-4)


def test_no_discordant_example_leaves_a_narrow_interval_around_nothing():
    low, high = tango_interval(0, 0, 100)
    assert low == pytest.approx(-high)
    assert 0.03 < high < 0.05


def test_tangos_interval_holds_the_true_difference_in_95_of_100():
    generator = np.random.default_rng(0)
    drawn = generator.multinomial(80, [0.15, 0.10, 0.75], size=1500)
    bounds = [tango_interval(more, fewer, 80) for more, fewer, _ in drawn.tolist()]
    assert 0.935 < np.mean([low <= 0.05 <= high for low, high in bounds]) < 0.97


@pytest.mark.parametrize("name", CLASS_METRICS)
@pytest.mark.parametrize("clusters", [None, 40], ids=["examples", "clusters"])
def test_the_paired_bootstrap_is_that_of_a_plain_loop(name, clusters):
    given, generator = answers(clusters=clusters), np.random.default_rng(1)
    numbers = given.cluster_numbers
    members = [np.flatnonzero(numbers == c) for c in range(numbers.max() + 1)]
    rows = [
        np.concatenate([members[c] for c in generator.integers(len(members), size=len(members))])
        for _ in range(300)
    ]
    found = resampling.scores(task(name), [name], given, 6000)[name].resampled
    loop = drawn_differences(name, given, rows)
    assert (found[:, 1] - found[:, 0]).std() == pytest.approx(loop.std(), rel=0.16)
    assert (found[:, 1] - found[:, 0]).mean() == pytest.approx(loop.mean(), abs=0.012)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_the_paired_bootstrap_of_correlations_is_scipys(name):
    given = rated()
    arrays = [np.array(values) for values in (given.labels, *given.given)]
    function = metric(name).function
    theirs = scipy.stats.bootstrap(
        arrays,
        lambda gold, first, second: function(gold, second, ()) - function(gold, first, ()),
        paired=True, vectorized=False, n_resamples=400, method="percentile", rng=1,
    )  # fmt: skip
    found = difference(name, given, kind="regress", resamples=4000)
    assert found.error == pytest.approx(theirs.standard_error, rel=0.14)


@pytest.mark.parametrize("name", ["f1", "matthews", "pearson", "spearman"])
def test_the_permutation_test_is_scipys(name):
    kind = "classify" if name in CLASS_METRICS else "regress"
    given = answers(worse=0.3, seed=3) if kind == "classify" else rated()
    index = [{"no": 0, "yes": 1}.get(v, v) for own in given.given for v in own]
    first, second = np.array(index, dtype=float).reshape(2, -1)
    gold = np.array([{"no": 0, "yes": 1}.get(v, v) for v in given.labels], dtype=float)
    function = metric(name).function
    theirs = scipy.stats.permutation_test(
        (first, second),
        lambda a, b: function(gold, b, (0.0, 1.0)) - function(gold, a, (0.0, 1.0)),
        permutation_type="samples", vectorized=False, n_resamples=400, rng=1,
    )  # fmt: skip
    found = difference(name, given, kind=kind, resamples=6000)
    assert found.p == pytest.approx(theirs.pvalue, abs=0.08)


def test_a_metric_that_only_a_function_computes_is_resampled_too(monkeypatch):
    def share(labels, given, names):
        return float(np.mean([a == b for a, b in zip(labels, given, strict=True)]))

    known = registry().metrics() | {"share": Metric("share", share)}
    monkeypatch.setattr("gpteval.score.resampling.metric", known.__getitem__)
    monkeypatch.setattr("gpteval.score.metrics.metric", known.__getitem__)
    monkeypatch.setattr("gpteval.score.paired.metric", known.__getitem__)
    given = answers()
    plain, fast = difference("share", given), difference("accuracy", given)
    assert plain.value == pytest.approx(fast.value)
    assert plain.error == pytest.approx(fast.error, rel=0.1)


def test_clusters_are_swapped_whole():
    """Of two clusters there are two ways to swap one: the smallest p is about a half."""
    given = Answers(["yes"] * 40, ["a"] * 20 + ["b"] * 20, [["no"] * 40, ["yes"] * 40])
    assert difference("accuracy", given).p == pytest.approx(0.5, abs=0.05)


def test_holm_is_that_of_statsmodels():
    values = np.random.default_rng(0).random(15) ** 4
    assert holm(values.tolist()) == pytest.approx(multipletests(values, method="holm")[1])


@pytest.mark.parametrize("training", [0.0, 0.3])
def test_both_parts_of_the_variance_add_up_to_that_of_new_seeds_and_examples(training):
    made = [difference("accuracy", answers(150, 4, training=training, seed=s), 4, resamples=300)
            for s in range(120)]  # fmt: skip
    seen = np.var([d.value for d in made])
    claimed = np.mean([d.examples + d.seeds - d.shared for d in made])
    assert claimed == pytest.approx(seen, rel=0.3)


def test_the_variance_between_seeds_is_that_of_a_two_way_analysis_of_variance():
    """Of accuracy it has a closed form: mean squares of the table seeds by examples."""
    given = answers(300, 3, training=0.02)
    right = np.array([[a == gold for a, gold in zip(own, given.labels, strict=True)]
                      for own in given.given[:3]], dtype=float)  # fmt: skip
    residual = right - right.mean(0) - right.mean(1, keepdims=True) + right.mean()
    single = (residual**2).sum() / (2 * 299) / 300  # what seeds do with single examples
    found = resampling.scores(task("accuracy"), ["accuracy"], given, 20_000)["accuracy"]
    between, together, freedom = seed_variance(found.observed[:3], found.resampled[:, :3])
    assert (between, freedom) == (pytest.approx(np.var(right.mean(1), ddof=1)), 2)
    assert together == pytest.approx(single, rel=0.05)


@pytest.mark.parametrize("freedom", [1, 2, 4, 8])
@pytest.mark.parametrize("p", [0.05, 0.003, 0.0002])
def test_seeds_alone_are_compared_by_student_s_t(freedom, p):
    found = Difference(0.5, 0.6, 0.0, 1000, 1000, seeds=0.02**2, freedom=freedom)
    critical = 0.02 * scipy.stats.t.isf(p / 2, freedom)
    assert 2 * found.tail(critical) == pytest.approx(p, rel=1e-3)
    low, high = found.interval(1 - p)
    assert (high - low) / 2 == pytest.approx(critical, rel=1e-3)


@pytest.mark.parametrize("freedom", [2, 4])
def test_of_seeds_alone_the_next_comparison_finds_what_is_detectable_in_four_of_five(freedom):
    generator = np.random.default_rng(0)
    shown = 0.02**2 * generator.chisquare(freedom, (2, 4000)) / freedom
    ratio = Difference(0.5, 0.5, 0.0, 1000, 1000, seeds=1.0, freedom=freedom).detectable()
    seen = generator.normal(ratio * shown[0] ** 0.5, 0.02)
    found = np.abs(seen) > scipy.stats.t.isf(0.025, freedom) * shown[1] ** 0.5
    assert found.mean() == pytest.approx(0.8, abs=0.02)


def test_one_run_of_each_side_can_not_tell_what_the_seeds_do():
    assert difference("matthews", answers()).training is None
    assert difference("matthews", answers(runs=3, training=0.5), 3).training > 0


def test_runs_that_go_the_same_way_by_their_seed_are_compared_seed_by_seed():
    given = answers(runs=3, training=0.7, seed=1)
    changed = [list(own) for own in given.given[:3]]
    changed[0][5] = "no" if changed[0][5] == "yes" else "yes"
    alike = Answers(given.labels, given.clusters, [*given.given[:3], *changed])
    assert share_noise(alike.codes[1][1:4], alike.codes[1][4:])
    assert not share_noise(given.codes[1][1:4], given.codes[1][4:])
    assert difference("accuracy", alike, 3).error < 0.01 < difference("accuracy", given, 3).error


def test_equal_answers_leave_no_difference_and_no_doubt():
    given = answers(runs=3, training=0.7)
    same = Answers(given.labels, given.clusters, [*given.given[:3], *given.given[:3]])
    found = difference("accuracy", same, 3)
    assert (found.value, found.interval(), found.p) == (0.0, (0.0, 0.0), 1.0)


def test_a_difference_within_the_tolerance_is_not_beyond_it():
    found = difference("accuracy", answers(2000, worse=0.2))
    assert found.p < 1e-6
    assert found.p_beyond(0.0) < 1e-6
    assert found.p_beyond(abs(found.value)) == 1.0


@pytest.mark.parametrize("clusters", [1, 12, 600])
@pytest.mark.parametrize("examples", [0.0, 1e-40, 1e-4])
@pytest.mark.parametrize("seeds", [None, 0.0, 1e-300, 1e-40, 1e-18, 1e-4])
@pytest.mark.parametrize("shared", [0.0, 1e-6, 1.0], ids=["apart", "shared", "all shared"])
def test_whatever_the_variances_everything_said_is_finite(clusters, examples, seeds, shared):
    """Three seeds may well score the same, and answers too."""
    for value, flipped, freedom in itertools.product((0.0, 0.03), (0.0, 0.2), (1.0, 2.5, 4.0)):
        found = Difference(
            0.5, 0.5 + value, examples, 600, clusters, seeds=seeds, freedom=freedom,
            shared=min(shared, 1) * examples, flipped=flipped,
        )  # fmt: skip
        alpha = 0.01
        numbers = [found.error, *found.interval(1 - alpha), found.detectable(alpha, 0.01)]
        numbers += [found.p_beyond(tolerance) for tolerance in (0.0, 0.01, 0.05)]
        assert all(map(math.isfinite, numbers))
        for tolerance in (0.0, 0.01, value, 0.05):
            assert (found.to_settle(alpha, tolerance) or 1) > 0
            runs = found.runs_to_settle(alpha, tolerance, (3, 2))
            assert runs is None or min(runs) > 0


def test_the_mean_over_tasks_is_surer_than_each():
    parts = [difference("f1", answers(seed=s)) for s in range(4)]
    mean = mean_difference(parts)
    assert mean.value == pytest.approx(np.mean([d.value for d in parts]))
    assert mean.error == pytest.approx(np.sqrt(sum(d.examples for d in parts)) / 4)


def test_as_many_examples_as_needed_would_find_the_difference():
    found = difference("f1", answers(400, worse=0.1, seed=5))
    more = found.examples_needed()
    assert found.detectable() * math.sqrt(400 / more) == pytest.approx(abs(found.value), rel=0.01)
