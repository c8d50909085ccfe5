"""Results directories: read, ranked, scored again, verified, joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gpteval.api.shown import Board, Matrix, Results
from gpteval.config import RESULTS, SUBMITTED, task_names
from gpteval.errors import ConfigError, ResultError, UnknownNameError
from gpteval.paths import PathLike, user_path
from gpteval.plugins import registry
from gpteval.report.standings import standings
from gpteval.results.entrants import of_entrants
from gpteval.results.named import of_tasks
from gpteval.results.store import ResultStore

if TYPE_CHECKING:
    from gpteval.records import Result
    from gpteval.report.submission import Sheet

Names = str | Iterable[str]


def load_results(
    directory: PathLike = RESULTS,
    tasks: Names | None = None,
    model: str | None = None,
    *,
    entrants: Iterable[str] = (),
) -> Results:
    """The results in a directory, as they were written.

        gpteval.load_results("runs").to_pandas()

    Args:
        directory: Where a run left them.
        tasks: Only these: names, groups and patterns; None for all.
        model: Only this model's.
        entrants: Only theirs: words of a model and how it was used, as `compare` takes them after
            "@" ("mini,finetune", "tfidf").

    Raises:
        ResultError: There are none.
        UnknownNameError: None is of that model.
    """
    chosen = of_tasks(_results(ResultStore(user_path(directory))), tasks)
    known = sorted({result.model for result in chosen})
    if model is not None and model not in known:
        raise UnknownNameError("model", model, known, f"(results of: {', '.join(known)})")
    return Results(of_entrants([r for r in chosen if model in (None, r.model)], entrants))


def _results(store: ResultStore) -> list[Result]:
    """All results of a directory, at least one."""
    if results := store.read():
        return results
    place = store.directory
    raise ResultError(
        f"no results in {place}: make some with `gpteval run --tasks rte --results {place}`, "
        "or name another directory (samples: `gpteval leaderboard runs`)"
    )


def leaderboard(
    directory: PathLike = RESULTS,
    tasks: Names | None = None,
    model: str | None = None,
    *,
    entrants: Iterable[str] = (),
    all_splits: bool = False,
) -> Board:
    """The results in a directory beside the paper's.

    Args:
        directory: Where a run left them.
        tasks: Only these: names, groups and patterns; None for all.
        model: Only this model's.
        entrants: Only theirs, as in `load_results`.
        all_splits: Every scored split, not only the last.

    Raises:
        ResultError: There are none.
    """
    results = load_results(directory, tasks, model, entrants=entrants)
    return Board(standings(results, all_splits=all_splits))


def matrix(
    directory: PathLike = RESULTS,
    tasks: Names | None = None,
    *,
    entrants: Iterable[str] = (),
    reference: str | None = None,
    all_splits: bool = False,
) -> Matrix:
    """Who is best at what: tasks and entrants (a model and how it was used).

    Args:
        directory: Where runs left their results.
        tasks: Only these: names, groups and patterns; None for all.
        entrants: Only these, in this order, as in `load_results`; none for all.
        reference: The one that all others are held to, by a paired test on the same examples.
        all_splits: Every scored split, not only the last.

    Raises:
        ResultError: There are none, or `reference` is not one of them.
    """
    from gpteval.report import matrix as made

    choices = tuple(entrants)
    found = made.matrix(
        load_results(directory, tasks, entrants=choices),
        ResultStore(directory),
        choices=choices,
        reference=reference,
        all_splits=all_splits,
    )
    return Matrix.of(found)


def history(
    directory: PathLike = RESULTS,
    tasks: Names | None = None,
    *,
    entrants: Iterable[str] = (),
    all_splits: bool = False,
) -> Matrix:
    """What each step from counted words to a fine-tuned model brings: each held to the one before.

    Args:
        directory: Where runs left their results.
        tasks: Only these: names, groups and patterns; None for all.
        entrants: The steps in their order, as in `load_results`; none: all that learn from the
            training split, from what reads words to what is fine-tuned.
        all_splits: Every scored split, not only the last.

    Raises:
        ResultError: There are none.
    """
    from gpteval.report import history as made

    choices = tuple(entrants)
    results = load_results(directory, tasks, entrants=choices)
    store = ResultStore(user_path(directory))
    found = made.history(results, store, choices=choices, all_splits=all_splits)
    return Matrix.of(found)


def rescore(
    directory: PathLike = RESULTS,
    tasks: Names | None = None,
    *,
    data_dir: PathLike | Sequence[PathLike] | None = None,
    dry_run: bool = False,
) -> list[tuple[Result, Result]]:
    """Compute metrics and intervals again from stored predictions, without the model.

    Args:
        directory: Of results; records whose numbers change are replaced, all or none.
        tasks: Only these; None for all that are installed.
        data_dir: Directory of official files, or several: predictions that lack the clusters or
            parts of their examples get them from there. None: they are taken as they are.
        dry_run: Change nothing.

    Returns:
        Records as they were and as they are.

    Raises:
        ResultError: Predictions are missing or damaged, or nothing can be written.
        DataError: The rows in `data_dir` are not those that were scored.
    """
    changed, _ = rescored(directory, tasks, data_dir, dry_run=dry_run)
    return changed


def rescored(
    directory: PathLike,
    tasks: Names | None,
    data_dir: PathLike | Sequence[PathLike] | None = None,
    *,
    dry_run: bool,
) -> tuple[list[tuple[Result, Result]], int]:
    """What `rescore` gives, and how many other records were given a digest."""
    from gpteval.data.rows import origin
    from gpteval.studies import rescore as study

    names = None if tasks is None else [t.name for t in registry().select(task_names(tasks))]
    store = ResultStore(directory)
    _results(store)
    found = study.rescore(store, names, origin(data_dir) if data_dir else None)
    if dry_run:
        return found.changed, 0
    for result, predictions in found.filled:  # before the numbers that are computed from them
        store.replace_predictions(result, predictions)
    return found.changed, store.rewrite(found.changed)


def verify_results(directory: PathLike = RESULTS) -> list[str]:
    """What is wrong with a results directory, a line each: `gpteval results verify`."""
    from gpteval.studies.rescore import faults

    return list(faults(ResultStore(directory)))


def merge_results(directories: Iterable[PathLike], output: PathLike) -> tuple[int, int]:
    """Add the results and predictions of several directories to one.

    Returns:
        How many results were added, and how many were there.

    Raises:
        ResultError: A directory has none, or a file can't be read or written.
    """
    from gpteval.results.merging import merge

    sources = [ResultStore(directory) for directory in directories]
    for source in sources:
        if not source.files:
            raise ResultError(f"no results in {source.directory}: name a directory of records")
    return merge(sources, ResultStore(output))


def submit(
    candidate: str, output: PathLike, *, suite: str = SUBMITTED, seed: int | None = None
) -> list[Sheet]:
    """Write the zip that a benchmark's server takes, from predictions on sets without labels.

    Args:
        candidate: A results directory, with words after "@" that choose one entrant.
        output: The zip.
        suite: Whose server it is for.
        seed: Of several runs, the one to take.

    Returns:
        The files in the zip.

    Raises:
        ConfigError: `output` does not end in .zip.
        GptevalError: Predictions are missing, or not in the server's format.
    """
    from gpteval.files import write_whole, writing
    from gpteval.report.submission import packed, sheets
    from gpteval.results.pairing import side

    path = user_path(output)
    if path.suffix.lower() != ".zip":
        raise ConfigError(f"--output {path}: name a file ending in .zip")
    made = sheets(registry().suites()[suite], side(candidate, private=True), seed)
    with writing(path):
        write_whole(path, packed(made))
    return made
