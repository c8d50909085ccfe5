"""The story in one table: from counted words to a fine-tuned model, each held to the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpteval.errors import ResultError
from gpteval.methods import window
from gpteval.plugins import registry
from gpteval.records import Result
from gpteval.report.matrix import Matrix, matrix

if TYPE_CHECKING:
    from gpteval.results.store import ResultStore


def history(
    results: Sequence[Result],
    store: ResultStore,
    *,
    choices: Sequence[str] = (),
    all_splits: bool = False,
) -> Matrix:
    """Put results into a matrix whose entrants follow upon one another.

    Args:
        results: As they were written, of `store`.
        store: Where their predictions are.
        choices: The words of entrants (see `of_entrants`), in their order. None: all that learn
            from the training split and see whole examples: what reads words, what reads a frozen
            model, what is fine-tuned, each from the plainest on.
        all_splits: Show every scored split, not only a run's last.

    Raises:
        ResultError: Nobody has the words of a choice, or nobody learns from a training split.
    """
    own = results if choices else _learning(results)
    if not own:
        raise ResultError("none of these results learns from a training split: name --entrant")
    return matrix(own, store, choices=choices, all_splits=all_splits, chained=True)


def _learning(results: Sequence[Result]) -> list[Result]:
    partial = {window.NAME, *(task.blind for task in registry().tasks().values())}
    return [r for r in results if r.mode != "zeroshot" and r.model not in partial]
