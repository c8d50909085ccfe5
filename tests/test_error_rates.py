"""How often the gate errs, over simulated pairs of models (longer: benchmarks/gate.py)."""

import pytest
from simulated import Model, caught, false_alarms

MODELS = {
    "one run": Model(),
    "three runs": Model(runs=3, training=0.04),
    "three runs, seeds matter": Model(runs=3, training=0.1),
}


def resamples(model):
    """Enough for a permutation test of 15 tasks; seeds have none, and take longer."""
    return 400 if model.runs == 1 else 200


@pytest.mark.parametrize("name", MODELS)
def test_of_equal_models_at_most_5_percent_have_a_task_called_regressed(name):
    model = MODELS[name]
    suites = 1000 if model.runs == 1 else 60
    assert false_alarms(model, suites, resamples(model)) <= 0.05


@pytest.mark.parametrize("place", range(3), ids=["accuracy", "f1", "matthews"])
@pytest.mark.parametrize("name", ["one run", "three runs"])
def test_a_true_drop_of_the_stated_size_is_caught_in_four_of_five_checks(name, place):
    model = MODELS[name]
    _, share = caught(model, place, pairs=300, resamples=5 * resamples(model))
    assert 0.75 <= share <= 0.85
