"""The p of a permutation test: against all swaps of few examples, and over equal pairs."""

from itertools import product

import numpy as np
import pytest
import scipy.stats
from fabricated import measured, task
from scipy.stats import rankdata
from test_paired import CLASS_METRICS, answers, difference, rated

from gpteval import check
from gpteval.api.compare import bless
from gpteval.score.permutation import ENOUGH, LOOK, PLENTY, most_draws, p_value, steps, swapped
from gpteval.score.resampling import Answers


def better(count, wrong):
    """Answers of a side that is wrong this often, and of one that never is."""
    gold = ["no", "yes"] * (count // 2)
    other = {"no": "yes", "yes": "no"}
    poor = [other[name] if place < wrong else name for place, name in enumerate(gold)]
    return Answers(gold, [""] * count, [poor, gold])


def correlation(gold, rows):
    """Of numbers with each row of others; 0 where one varies not."""
    gold, rows = gold - gold.mean(), rows - rows.mean(1, keepdims=True)
    below = np.sqrt((gold**2).sum() * (rows**2).sum(1))
    return np.divide(rows @ gold, below, out=np.zeros(len(rows)), where=below > 1e-12)


FORMULAS = {
    "f1": lambda gold, rows: 2 * (rows * gold).sum(1) / (rows.sum(1) + gold.sum()).clip(1),
    "matthews": correlation,  # of zeros and ones it is Pearson's
    "pearson": correlation,
    "spearman": lambda gold, rows: correlation(rankdata(gold), rankdata(rows, axis=1)),
}


def exact(name, given):
    """The share of all swaps that bring a difference as large, all of them counted."""
    numbers = [[{"no": 0, "yes": 1}.get(v, v) for v in own] for own in (given.labels, *given.given)]
    gold, first, second = np.array(numbers, dtype=float)
    swaps = np.array(list(product((False, True), repeat=len(gold))))
    sides = [np.where(swaps, b, a) for a, b in ((first, second), (second, first))]
    before, after = (FORMULAS[name](gold, side) for side in sides)
    size = abs(after - before)
    return float(np.mean(size >= size[0] - 1e-9))


@pytest.mark.parametrize("name", ["f1", "matthews", "pearson", "spearman"])
def test_p_is_the_share_of_all_swaps(name):
    classes = name in CLASS_METRICS
    given = answers(10, worse=0.5, seed=1) if classes else rated(10)
    found = difference(name, given, kind="classify" if classes else "regress", resamples=20_000)
    assert found.p == pytest.approx(exact(name, given), abs=0.03)  # of `LOOK` draws


@pytest.mark.parametrize("name", ["f1", "matthews"])
def test_a_p_far_below_one_in_the_first_draws_is_that_of_all_swaps(name):
    given = better(14, wrong=12)
    expected = exact(name, given)
    assert expected < 1 / 200
    value, most = difference(name, given).value, most_draws(200, 1e-4)
    draws = (swapped(task(name), [name], given, steps(200, most), seed) for seed in range(12))
    found = np.mean([p_value(value, own, 200) for own in draws])
    assert found == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize(
    ("first", "least", "pairs"), [(40, 0.0005, 20_000), (LOOK + 500, 0.005, 4000)]
)
def test_p_is_below_a_level_in_no_more_than_that_share_of_equal_pairs(first, least, pairs):
    generator, most = np.random.default_rng(0), most_draws(first, least)

    def draws():
        return (generator.normal(size=step) for step in steps(first, most))

    found = np.array([p_value(generator.normal(), draws(), first) for _ in range(pairs)])
    for level in (0.5, 0.2, 0.12, 0.1, 0.05, 0.01, least):
        most_often, fewest = scipy.stats.binom.ppf([0.999, 0.001], len(found), level)
        assert (found <= level).sum() <= most_often
        assert (found <= level).sum() >= 0.7 * fewest  # and isn't wasted


def test_drawing_ends_as_soon_as_p_is_known():
    drawn = []

    def draws(size):
        for _ in range(1000):
            drawn.append(size)
            yield np.full(size, 1.0)

    assert p_value(1.0, draws(50), 50) == 1.0
    assert p_value(2.0, (np.zeros(50) for _ in range(40)), 50) == 1 / 2001
    assert len(drawn) == 1
    late = [np.zeros(50), np.zeros(50), np.array([0.0, *[2.0] * 20])]
    assert p_value(2.0, late, 50) == ENOUGH / (100 + 1 + ENOUGH)


@pytest.mark.parametrize("tasks", [1, 15, 400])
def test_a_large_drop_of_one_of_many_tasks_is_significant(tasks):
    found = difference("f1", answers(400, worse=1.0), level=0.05 / tasks, resamples=500)
    assert found.p_beyond(0.0) <= 0.05 / tasks


def test_a_check_draws_as_far_as_its_alpha_needs(tmp_path):
    for name, right in (("then", 0.95), ("now", 0.6)):
        measured(tmp_path / name, "mrpc", right)
    bless(tmp_path / "then", tmp_path / "baseline.json")
    (verdict,) = check(tmp_path / "now", baseline=tmp_path / "baseline.json", alpha=1e-4)
    assert (verdict.metric, verdict.word) == ("f1", "REGRESSED")


def test_a_p_far_above_any_level_is_known_from_the_first_look():
    drawn = []

    def draws(size):
        for step in steps(10_000, 20_000):
            drawn.append(step)
            yield np.where(np.arange(step) % 100 < 100 * size, 1.0, 0.0)

    assert p_value(1.0, draws(0.3), 10_000) == pytest.approx(0.3, rel=0.01)
    assert drawn == [LOOK]
    assert p_value(1.0, draws(0.05), 10_000) == pytest.approx(0.05, rel=0.01)
    assert PLENTY > 0.05 * LOOK
    assert drawn == [LOOK, LOOK, 10_000 - LOOK]
