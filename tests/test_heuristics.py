"""The zero-shot rules, by hand."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from fabricated import task

from gpteval.metric import Metric
from gpteval.plugins import registry
from gpteval.records import Prediction
from gpteval.score.heuristics import answer, fit_threshold, mean_scores, predict, scores_of
from gpteval.score.likelihood import Likelihood, PromptLikelihoods
from gpteval.score.metrics import headline, metric
from gpteval.task import Candidate, Prompt

CHOICE = task("accuracy", kind="choose")
LABELS = task("accuracy", labels=("negative", "positive"))
COLA = task("matthews", labels=("bad", "good"), rule="threshold")


def found(*candidates: tuple[float, int, int], neutral: tuple[float, ...] = ()):
    """Candidates as (total, tokens, bytes)."""
    return PromptLikelihoods(
        tuple(Likelihood(*c) for c in candidates), tuple(Likelihood(n, 1, 1) for n in neutral)
    )


def prompt(label, count: int = 2, name: str = "1") -> Prompt:
    return Prompt(name, (Candidate("", "text"),) * count, label, part="high", cluster="c")


def test_each_normalisation_can_choose_another_answer() -> None:
    likelihoods = found(
        (-4.0, 1, 9), (-6.0, 3, 3), (-12.0, 5, 24), (-30.0, 4, 40), neutral=(-5, -6, -12, -50)
    )
    (only,) = predict(CHOICE, [prompt(2, 4)], [likelihoods])
    assert (only.prediction, only.scores) == (1, (-4.0, -2.0, -2.4, -7.5))
    chosen = {name: answer(CHOICE, scores) for name, scores in only.variants.items()}
    assert chosen == {"sum": 0, "byte": 0, "pmi": 3}
    assert only.variants["byte"] == (-0.444444, -2.0, -0.5, -0.75)
    assert only.variants["pmi"] == (1.0, 0.0, 0.0, 20.0)
    assert (only.part, only.cluster, only.label) == ("high", "c", 2)


def test_answers_that_differ_in_context_only_have_no_variants() -> None:
    (only,) = predict(CHOICE, [prompt(0)], [found((-3.0, 2, 4), (-2.0, 2, 4))])
    assert (only.prediction, only.variants) == (1, {})
    assert set(scores_of(CHOICE, [only])) == {"accuracy", "accuracy/high"}


def test_among_equals_the_first_is_chosen() -> None:
    assert answer(CHOICE, (-2.0, -1.0, -1.0)) == 1


def test_a_label_is_likelier_raw_calibrated_or_above_the_median() -> None:
    likelihoods = [
        found((-1.0, 1, 8), (-2.0, 1, 8), neutral=(-1.0, -4.0)),
        found((-1.0, 1, 8), (-6.0, 1, 8), neutral=(-1.0, -4.0)),
        found((-3.0, 1, 8), (-2.0, 1, 8), neutral=(-1.0, -4.0)),
    ]
    gold = ["positive", "negative", "positive"]
    predictions = predict(LABELS, [prompt(label) for label in gold], likelihoods)
    assert [p.prediction for p in predictions] == ["negative", "negative", "positive"]
    scores = scores_of(LABELS, predictions)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["accuracy_calibrated"] == 1.0
    # The margins are -1, -5 and 1: at their median, -1, the first is a tie and falls to the first.
    assert scores["accuracy_median"] == pytest.approx(2 / 3)
    assert scores["roc_auc"] == 1.0


def test_a_threshold_divides_the_sentences() -> None:
    likelihoods = [found((-4.0, 2, 5)), found((-9.0, 3, 5))]
    assert mean_scores(likelihoods) == [-2.0, -3.0]
    predictions = predict(COLA, [prompt("good", 1), prompt("bad", 1)], likelihoods, -2.5)
    assert [p.prediction for p in predictions] == ["good", "bad"]
    assert scores_of(COLA, predictions)["roc_auc"] == 1.0


def test_the_area_is_left_out_where_one_label_occurs() -> None:
    predictions = predict(COLA, [prompt("good", 1)], [found((-4.0, 2, 5))])
    assert "roc_auc" not in scores_of(COLA, predictions)


def test_the_threshold_is_the_best_of_all_that_there_are() -> None:
    drawn = random.Random(0)
    gold = [drawn.choice(COLA.labels) for _ in range(60)]
    scores = [round(drawn.gauss(label == "good", 1.0), 1) for label in gold]

    def matthews(threshold: float) -> float:
        rows = zip(gold, scores, strict=True)
        return headline(
            COLA, [Prediction("", g, COLA.labels[score > threshold]) for g, score in rows]
        )

    fitted = fit_threshold(COLA, gold, scores)
    everywhere = max(matthews(threshold - 0.05) for threshold in scores)
    assert matthews(fitted) == pytest.approx(everywhere)
    assert everywhere > 0.2
    assert min(abs(fitted - score) for score in scores) > 0.01


def test_a_metric_of_no_confusion_matrix_has_its_threshold_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called = Metric("called", metric("matthews").function, lower=-1)
    known = {"called": called, "matthews": metric("matthews")}
    monkeypatch.setattr(registry(), "metric", known.get)
    drawn = random.Random(1)
    gold = [drawn.choice(COLA.labels) for _ in range(80)]
    scores = [drawn.gauss(label == "good", 1.0) for label in gold]
    assert fit_threshold(replace(COLA, metrics=("called",)), gold, scores) == fit_threshold(
        COLA, gold, scores
    )


def test_labels_in_differing_contexts_are_scored_and_never_calibrated() -> None:
    row = {"id": "1", "label": "positive"}
    asked = replace(Prompt.partial(row, ("Bad :", "Good :"), "a film"), label="positive")
    alone = PromptLikelihoods((Likelihood(-3.0, 2, 6), Likelihood(-2.0, 2, 6)), ())
    (prediction,) = predict(LABELS, [asked], [alone])
    assert prediction.prediction == "positive"
    both = [prediction, replace(prediction, label="negative")]
    assert "accuracy_calibrated" not in scores_of(LABELS, both)
    calibrated = replace(prediction, variants={"calibrated": (-1.0, -2.0)})
    assert "accuracy_calibrated" not in scores_of(LABELS, [calibrated, *both])


def test_scores_that_are_all_alike_have_no_better_threshold() -> None:
    assert fit_threshold(COLA, ["good", "bad"], [-2.0, -2.0]) == -2.0
