"""How often the gate errs, over simulated pairs of models (longer: benchmarks/gate.py)."""

import pytest
from simulated import Model, caught, false_alarms

MODELS = {
    "one run": Model(),
    "three runs": Model(runs=3, training=0.15),
    "three runs, seeds matter": Model(runs=3, training=0.4),
}


@pytest.mark.parametrize("name", MODELS)
def test_of_equal_models_at_most_5_percent_have_a_task_called_regressed(name):
    suites = 1000 if name == "one run" else 200
    assert false_alarms(MODELS[name], suites, resamples=300) <= 0.05


@pytest.mark.parametrize("place", range(3), ids=["accuracy", "f1", "matthews"])
@pytest.mark.parametrize("name", MODELS)
def test_a_true_drop_of_the_stated_size_is_caught_in_four_of_five_checks(name, place):
    _, share = caught(MODELS[name], place, pairs=400, resamples=300)
    assert 0.75 <= share <= 0.85
