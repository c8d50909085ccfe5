"""From likelihoods to answers: the zero-shot heuristics of the paper (§5) and their variants.

The paper's rule is the headline: of several answers the one with the highest mean token
log-probability; of several labels the likeliest; of one sentence whether its mean token
log-probability lies above a threshold. Other ways to normalise stand beside it as further metrics,
named `<metric>_<variant>`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from gpteval.records import Prediction
from gpteval.score.metrics import computed, headline, metric, score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpteval.score.likelihood import Likelihood, PromptLikelihoods
    from gpteval.task import Prompt, Task

    Array = NDArray[np.float64]

VERSION = 1
"""Raised whenever a rule changes its numbers; zero-shot results depend on it."""

ROC_AUC = "roc_auc"

VARIANTS = {
    "sum": "sum",
    "byte": "per byte",
    "pmi": "PMI",
    "calibrated": "calibrated",
    "median": "at the median",
}
"""Variant → how tables call it, after the metric's own title."""

DIGITS = 6

CALLS = 1000
"""Most thresholds that are tried where each takes a call of the metric."""

Scores = tuple[float, ...]


def predict(
    task: Task,
    prompts: Sequence[Prompt],
    likelihoods: Sequence[PromptLikelihoods],
    threshold: float = 0.0,
) -> list[Prediction]:
    """Answer every prompt by its likelihoods.

    Args:
        task: Its kind and rule decide how.
        prompts: Of one split, in file order.
        likelihoods: Theirs.
        threshold: For the rule "threshold": scores above it mean the task's second label.
    """
    if task.rule == "threshold":
        return [
            _prediction(prompt, task.labels[score > threshold], (score,), {})
            for prompt, score in zip(prompts, mean_scores(likelihoods), strict=True)
        ]
    if task.kind == "choose":
        scored = [(_means(own.candidates), _choice_variants(own)) for own in likelihoods]
    else:
        scored = _label_scores(task, likelihoods)
    return [
        _prediction(prompt, answer(task, scores), scores, variants)
        for prompt, (scores, variants) in zip(prompts, scored, strict=True)
    ]


def answer(task: Task, scores: Sequence[float]) -> str | int:
    """The answer or label with the highest score; the first among equals."""
    best = max(range(len(scores)), key=scores.__getitem__)
    return task.labels[best] if task.kind == "classify" else best


def scores_of(task: Task, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Metrics as `gpteval.score.metrics.score` gives them, then the headline's variants.

    With two labels also the area under the ROC curve, which needs no threshold; it is left out
    where only one of them occurs.
    """
    scores = score(task, predictions)
    for variant in _shared_variants(predictions):
        other = [replace(p, prediction=answer(task, p.variants[variant])) for p in predictions]
        scores[f"{task.metrics[0]}_{variant}"] = headline(task, other)
    if task.binary and {p.label for p in predictions} == set(task.labels):
        scores[ROC_AUC] = _roc_auc(task, predictions)
    return scores


def _shared_variants(predictions: Sequence[Prediction]) -> list[str]:
    """Variants that every example has: where contexts differ there is no continuation by itself."""
    first, *others = predictions
    return [name for name in first.variants if all(name in p.variants for p in others)]


def title(metric: str, titles: Mapping[str, str]) -> str:
    """What tables call a metric of `scores_of`, given the titles of the registered ones."""
    if metric == ROC_AUC:
        return "ROC AUC"
    base, _, variant = metric.rpartition("_")
    if metric not in titles and base in titles and variant in VARIANTS:
        return f"{titles[base]}, {VARIANTS[variant]}"
    return titles.get(metric, metric)


def mean_scores(likelihoods: Sequence[PromptLikelihoods]) -> list[float]:
    """Mean token log-probability of each prompt's only candidate."""
    return [mean for own in likelihoods for mean in _means(own.candidates)]


def fit_threshold(task: Task, labels: Sequence[object], scores: Sequence[float]) -> float:
    """The threshold with the best headline metric, half-way between two neighbouring scores.

    Args:
        task: Of two labels; scores above the threshold mean the second.
        labels: Gold labels of the training split.
        scores: As `mean_scores` gives them.
    """
    import numpy as np

    levels = np.unique(np.array(scores))
    if len(levels) == 1:
        return scores[0]
    between = (levels[1:] + levels[:-1]) / 2
    measure = metric(task.metrics[0])
    if measure.of_confusion is not None:
        measured = measure.of_confusion(_threshold_confusions(task, labels, scores, between))
    else:
        between = between[:: math.ceil(len(between) / CALLS)]
        above = np.array(scores) > between[:, None]  # (T, n)
        answers = ([task.labels[int(yes)] for yes in row] for row in above)
        measured = np.array([computed(task.metrics[0], task, labels, own) for own in answers])
    return float(between[int(measured.argmax())])


def _threshold_confusions(
    task: Task, labels: Sequence[object], scores: Sequence[float], thresholds: Array
) -> Array:
    """Confusion matrices of answering by each threshold, (T,) → (T, 2, 2)."""
    import numpy as np

    positive = np.array([label == task.labels[1] for label in labels])
    rows = []
    for own in (~positive, positive):
        ranked = np.sort(np.array(scores)[own])
        below = np.searchsorted(ranked, thresholds, side="right")
        rows.append(np.stack([below, len(ranked) - below], -1))
    return np.stack(rows, 1).astype(np.float64)


def _means(candidates: Sequence[Likelihood]) -> Scores:
    return tuple(round(c.total / c.tokens, DIGITS) for c in candidates)


def _totals(candidates: Sequence[Likelihood]) -> Scores:
    return tuple(round(c.total, DIGITS) for c in candidates)


def _less(scores: Scores, neutral: Sequence[Likelihood]) -> Scores:
    """Scores less what the continuations have by themselves."""
    return tuple(
        round(score - alone.total, DIGITS) for score, alone in zip(scores, neutral, strict=True)
    )


def _choice_variants(likelihoods: PromptLikelihoods) -> dict[str, Scores]:
    """Sum, per byte, and pointwise mutual information (continuation and context).

    Where answers differ in their contexts and share one continuation, all variants would answer
    as the mean does: none.
    """
    if not likelihoods.neutral:
        return {}
    totals = _totals(likelihoods.candidates)
    sizes = [c.size for c in likelihoods.candidates]
    return {
        "sum": totals,
        "byte": tuple(round(t / s, DIGITS) for t, s in zip(totals, sizes, strict=True)),
        "pmi": _less(totals, likelihoods.neutral),
    }


def _label_scores(
    task: Task, likelihoods: Sequence[PromptLikelihoods]
) -> list[tuple[Scores, dict[str, Scores]]]:
    """Of labels: raw, calibrated by the neutral text, and, of two, split at the median.

    Labels that differ in their contexts and share one continuation are not calibrated.
    The median is that of the scored split: it presumes that both labels are equally frequent.
    """
    totals = [_totals(own.candidates) for own in likelihoods]
    rows = [
        (scores, {"calibrated": _less(scores, own.neutral)} if own.neutral else {})
        for scores, own in zip(totals, likelihoods, strict=True)
    ]
    if task.binary:
        middle = median(second - first for first, second in totals)
        for (first, second), variants in rows:
            variants["median"] = (round(first + middle, DIGITS), second)
    return rows


def _prediction(
    prompt: Prompt, chosen: str | int, scores: Scores, variants: Mapping[str, Scores]
) -> Prediction:
    return Prediction(
        prompt.id, prompt.label, chosen, scores, prompt.part, prompt.cluster, variants
    )


def _roc_auc(task: Task, predictions: Sequence[Prediction]) -> float:
    """Of the difference between the two labels' scores, or of the only score."""
    from sklearn.metrics import roc_auc_score

    margins = [p.scores[-1] - (p.scores[0] if len(p.scores) > 1 else 0) for p in predictions]
    return float(roc_auc_score([p.label == task.labels[1] for p in predictions], margins))
