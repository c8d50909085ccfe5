"""From likelihoods to answers: the zero-shot heuristics of the paper (§5) and their variants.

The paper's rule is the headline: of several answers the one with the highest mean token
log-probability; of several labels the likeliest; of one sentence whether its mean token
log-probability lies above a threshold. Minimal pairs
go by the sum, as BLiMP's authors do. Other ways to normalise stand beside it as further metrics,
named `<metric>_<variant>`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from gpteval.records import Prediction
from gpteval.score.metrics import headline, metric, score

if TYPE_CHECKING:
    from gpteval.score.likelihood import Likelihood, PromptLikelihoods
    from gpteval.task import Prompt, Task

VERSION = 1
"""Raised whenever a rule changes its numbers; zero-shot results depend on it."""

ROC_AUC = "roc_auc"

VARIANTS = {
    "sum": "sum",
    "mean": "per token",
    "byte": "per byte",
    "pmi": "PMI",
    "calibrated": "calibrated",
    "median": "at the median",
}
"""Variant → how tables call it, after the metric's own title."""

DIGITS = 6

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
        scored = [_choice_scores(task, own) for own in likelihoods]
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
    for variant in predictions[0].variants:
        other = [replace(p, prediction=answer(task, p.variants[variant])) for p in predictions]
        scores[f"{task.metrics[0]}_{variant}"] = headline(task, other)
    if task.binary and {p.label for p in predictions} == set(task.labels):
        scores[ROC_AUC] = _roc_auc(task, predictions)
    return scores


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

    if len(set(scores)) == 1:
        return scores[0]
    values = np.array(scores)
    order = np.argsort(values, kind="stable")
    positive = np.array([label == task.labels[1] for label in labels])[order]
    below = np.arange(1, len(values))  # how many lie below each threshold, (T,)
    missed = positive.cumsum()[:-1]  # positives below it
    rows = [
        [below - missed, (~positive).sum() - (below - missed)],
        [missed, positive.sum() - missed],
    ]
    confusion = np.stack([np.stack(row, -1) for row in rows], 1).astype(np.float64)  # (T, 2, 2)
    ranked = values[order]
    apart = ranked[1:] > ranked[:-1]
    of_confusion = metric(task.metrics[0]).of_confusion
    assert of_confusion is not None  # checked when the task was offered
    measured = np.where(apart, of_confusion(confusion), -np.inf)
    best = int(measured.argmax())
    return float((ranked[best] + ranked[best + 1]) / 2)


def _means(candidates: Sequence[Likelihood]) -> Scores:
    return tuple(round(c.total / c.tokens, DIGITS) for c in candidates)


def _totals(candidates: Sequence[Likelihood]) -> Scores:
    return tuple(round(c.total, DIGITS) for c in candidates)


def _less(scores: Scores, neutral: Sequence[Likelihood]) -> Scores:
    """Scores less what the continuations have by themselves."""
    return tuple(
        round(score - alone.total, DIGITS) for score, alone in zip(scores, neutral, strict=True)
    )


def _choice_scores(task: Task, likelihoods: PromptLikelihoods) -> tuple[Scores, dict[str, Scores]]:
    """By the task's rule; beside it the mean or the sum, per byte, and PMI where it is defined.

    Pointwise mutual information is that of continuation and context. Where answers differ in their
    contexts and share one continuation, all variants would answer as the mean does: none.
    """
    candidates = likelihoods.candidates
    means, totals = _means(candidates), _totals(candidates)
    sizes = [c.size for c in candidates]
    bytewise = tuple(round(t / s, DIGITS) for t, s in zip(totals, sizes, strict=True))
    if task.rule == "sum":
        return totals, {"mean": means, "byte": bytewise}
    if not likelihoods.neutral:
        return means, {}
    pmi = _less(totals, likelihoods.neutral)
    return means, {"sum": totals, "byte": bytewise, "pmi": pmi}


def _label_scores(
    task: Task, likelihoods: Sequence[PromptLikelihoods]
) -> list[tuple[Scores, dict[str, Scores]]]:
    """Of labels: raw, calibrated by the neutral text, and, of two, split at the median.

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
