"""How often the gate errs, over simulated pairs of models; over a thousand: benchmarks/gate.py."""

from statistics import fmean

import pytest
from simulated import METRICS, Model, caught, false_alarms

ONE_RUN = Model()
THREE_RUNS = Model(runs=3, training=0.04)
SEEDS_MATTER = Model(runs=3, training=0.1)


@pytest.mark.parametrize(
    ("model", "suites", "resamples"),
    [(ONE_RUN, 200, 400), (SEEDS_MATTER, 50, 150)],
    ids=["one run", "three runs"],
)
def test_of_equal_models_at_most_5_percent_have_a_task_called_regressed(model, suites, resamples):
    assert false_alarms(model, suites, resamples) <= 0.05


@pytest.mark.parametrize(
    ("model", "resamples"), [(ONE_RUN, 1500), (THREE_RUNS, 200)], ids=["one run", "three runs"]
)
def test_a_true_drop_of_the_stated_size_is_caught_in_four_of_five_checks(model, resamples):
    shares = [caught(model, place, 100, resamples)[1] for place in range(len(METRICS))]
    assert 0.75 <= fmean(shares) <= 0.85
