"""Who is best at what: tasks down, entrants across, scores in percent.

With a reference every score is held to its score on the same examples, as `gpteval compare` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from gpteval.errors import ResultError
from gpteval.plugins import registry
from gpteval.records import Result
from gpteval.report.footnotes import LEGEND, footnotes
from gpteval.report.standings import HALVES, Row, standings
from gpteval.results.entrants import Entrant, chosen, labels, of_entrants
from gpteval.task import PaperScore

if TYPE_CHECKING:
    from gpteval.results.store import ResultStore
    from gpteval.studies import compare as comparing

LEVEL = 0.05
"""Where a p, corrected for the number of tasks, is marked."""
RESAMPLES = 2_000
"""Of a task's examples, where no exact test is known: enough to tell on which side of `LEVEL` a p
lies."""
ABOVE, BELOW = "▲", "▼"
TOLD = {"zero-shot", "probe", "baseline", "changed"}
"""Marks that an entrant's name says."""

Place = tuple[str, str, bool]
"""Task, split, and whether it is a bundled sample."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One entrant on one task.

    Attributes:
        row: Its line of the leaderboard.
        best: Whether nobody is better here, quick tries aside, and the best constant answer is not.
        against: Its difference to the reference; None where there is none.
        notes: Numbers of the notes that hold here.
    """

    row: Row
    best: bool
    against: comparing.Row | None = None
    notes: tuple[int, ...] = ()

    @property
    def sign(self) -> str:
        """▲ above the reference, ▼ below it, "" where that could be chance."""
        if self.against is None or self.against.adjusted is None or self.against.adjusted > LEVEL:
            return ""
        return ABOVE if self.against.difference.value > 0 else BELOW

    @property
    def interval(self) -> str:
        """In brackets; "" where the examples support none."""
        return "[{:.1f}, {:.1f}]".format(*self.row.interval) if self.row.interval else ""


@dataclass(frozen=True, slots=True)
class Line:
    """One task on one split.

    Attributes:
        task, metric, split, suite: As in `Row`.
        sample: Whether it is a bundled sample.
        n: Most examples that anybody answered.
        cells: Of those entrants that have a score.
        constant: The best constant answer.
        paper: GPT-1's figure.
    """

    task: str
    metric: str
    split: str
    suite: bool
    sample: bool
    n: int
    cells: Mapping[Entrant, Cell]
    constant: float | None
    paper: PaperScore | None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.task, self.split, self.sample


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every task and every entrant.

    Attributes:
        names: Entrants in their order, and what to call them.
        lines: Tasks in the order they are registered, then the means of suites.
        notes: Mark and meaning; the number of a note is its place, from 1.
        remarks: What is said of the paper's figures, and what could not be compared.
        reference: Whose scores the others are held to.
        one_seed: Whether a difference to it is of a model that was fine-tuned with one seed.
        chained: Whether each is held to the one before it that has the task, in place of a
            reference.
    """

    names: Mapping[Entrant, str]
    lines: tuple[Line, ...]
    notes: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    reference: Entrant | None = None
    one_seed: bool = False
    chained: bool = False


@dataclass(slots=True)
class _Compared:
    """Differences to the reference, and why there are none."""

    rows: dict[tuple[Entrant, str, str], comparing.Row] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def matrix(
    results: Sequence[Result],
    store: ResultStore,
    *,
    choices: Sequence[str] = (),
    reference: str | None = None,
    all_splits: bool = False,
    chained: bool = False,
) -> Matrix:
    """Put results into a matrix.

    Args:
        results: As they were written, of `store`.
        store: Where their predictions are.
        choices: The words of entrants (see `of_entrants`), in the order of their columns; none:
            all, the fine-tuned first.
        reference: The words of the one that all others are held to.
        all_splits: Show every scored split, not only a run's last.
        chained: Hold each to the one before it that has the task; none chosen: what reads words,
            what reads a frozen model, what is fine-tuned, each from the plainest on.

    Raises:
        ResultError: Nobody has the words of a choice, or several have those of the reference.
    """
    results = of_entrants(results, choices)
    rows = [row for row in standings(results, all_splits=all_splits) if row.headline]
    table = _table(rows, results)
    names = labels(_ordered(table, choices, plain_first=chained))
    base = _only(results, names, reference) if reference is not None else None
    pairs = _chain(table, names) if chained else _to(base, table, names) if base else {}
    compared = _compared(pairs, results, store, names)
    shown = [row for cells in table.values() for row in cells.values()]
    told = [note for note in footnotes(shown) if note[0] not in TOLD]
    notes = tuple(note for note in told if note[0] in LEGEND)
    remarks = [f"{name}: {text}" for name, text in told if name not in LEGEND]
    return Matrix(
        names,
        tuple(_line(place, cells, compared, notes) for place, cells in table.items()),
        notes,
        (*remarks, *compared.refused),
        base,
        any(row.seeds_unknown for row in compared.rows.values()),
        chained,
    )


def _table(rows: Sequence[Row], results: Sequence[Result]) -> dict[Place, dict[Entrant, Row]]:
    """Of an entrant's several rows in a place the last that was written, a quick try before none.

    Tasks in the order they are registered, the means of suites last.
    """
    order = {name: number for number, name in enumerate(registry().tasks())}
    written = {id(result): number for number, result in enumerate(results)}
    table: dict[tuple[bool, int, Place], dict[Entrant, Row]] = {}
    for row in sorted(rows, key=lambda r: (not r.result.data.limit, written[id(r.result)])):
        place = row.task, row.split, row.result.data.origin == "sample"
        number = order.get(row.task, len(order))
        table.setdefault((row.suite, number, place), {})[Entrant.of(row.result)] = row
    return {place: table[*key, place] for *key, place in sorted(table)}  # type: ignore[index]


def _ordered(
    table: Mapping[Place, Mapping[Entrant, Row]], choices: Sequence[str], *, plain_first: bool
) -> list[Entrant]:
    """By the choices, then the way of measuring; those with most tasks first."""
    modes = [mode for half in HALVES for mode in half]
    if plain_first:
        modes.reverse()
    tasks = Counter(entrant for cells in table.values() for entrant in cells)
    first = {e: row.result for cells in table.values() for e, row in cells.items()}

    def rank(entrant: Entrant) -> tuple[int, ...]:
        named = (n for n, choice in enumerate(choices) if chosen(first[entrant], choice))
        way = modes.index(entrant.mode)
        if not plain_first:
            return next(named, 0), way, -tasks[entrant]
        trained = bool(first[entrant].config.get("pretraining", True))
        return next(named, 0), way, trained, bool(first[entrant].changed), -tasks[entrant]

    return sorted(tasks, key=rank)


def _only(results: Sequence[Result], names: Mapping[Entrant, str], words: str) -> Entrant:
    """The one entrant that has these words."""
    own = of_entrants(results, [words])
    found = [entrant for entrant in names if entrant in set(map(Entrant.of, own))]
    if len(found) != 1:
        told = ", ".join(names[entrant] for entrant in found or names)
        raise ResultError(
            f"--reference {words} is not one entrant: name one of {told}, by its model, mode, "
            "recipe and settings"
        )
    return found[0]


Pairs = Mapping[tuple[Entrant, Entrant], Sequence[Mapping[Entrant, Row]]]
"""Who is held to whom, the latter first → the lines that both have."""


def _to(
    base: Entrant, table: Mapping[Place, Mapping[Entrant, Row]], names: Mapping[Entrant, str]
) -> Pairs:
    """Every entrant held to the reference."""
    shared = {(base, e): [c for c in table.values() if base in c and e in c] for e in names}
    return {pair: lines for pair, lines in shared.items() if lines and pair != (base, base)}


def _chain(table: Mapping[Place, Mapping[Entrant, Row]], names: Mapping[Entrant, str]) -> Pairs:
    """Every entrant held, on each line, to the one before it there."""
    pairs: dict[tuple[Entrant, Entrant], list[Mapping[Entrant, Row]]] = {}
    for cells in table.values():
        for pair in pairwise(entrant for entrant in names if entrant in cells):
            pairs.setdefault(pair, []).append(cells)
    return pairs


def _compared(
    pairs: Pairs, results: Sequence[Result], store: ResultStore, names: Mapping[Entrant, str]
) -> _Compared:
    """All pairs held against each other, each on its lines."""
    found = _Compared()
    if not pairs:
        return found
    from gpteval.results.pairing import measurements
    from gpteval.studies.compare import compare

    for pair, lines in pairs.items():
        keys = [[row_key(cells[own].result) for cells in lines] for own in pair]
        sides = [measurements(store, [r for r in results if row_key(r) in own]) for own in keys]
        comparison = compare(*sides, resamples=RESAMPLES)
        _, entrant = pair
        for row in comparison.rows:
            if row.adjusted is not None:
                found.rows[entrant, row.task, row.split] = row
        for task, split, reason in comparison.refused:
            found.refused.append(f"{task} {split} of {names[entrant]}: not compared: {reason}")
    return found


def row_key(r: Result) -> tuple[str, ...]:
    """What the seeds of one row share, and no other result has."""
    setting = r.mode, r.model, r.model_digest, r.recipe, repr(r.config), r.precision
    return r.task, r.split, str(r.version), r.data.digest, *setting


def is_best(row: Row, beside: Sequence[Row]) -> bool:
    """Whether no row is better, quick tries aside, and this is better than the constant answer."""
    highest = max(round(other.score, 1) for other in _whole(beside))
    constant = best_constant(beside)
    above = constant is None or highest > round(constant, 1)
    return above and row in _whole(beside) and round(row.score, 1) == highest


def best_constant(rows: Sequence[Row]) -> float | None:
    """The score of the best constant answer, in percent: on all examples where somebody has all."""
    known = [row.majority for row in _whole(rows) if row.majority is not None]
    return max(known, default=None)


def _whole(rows: Sequence[Row]) -> Sequence[Row]:
    """Without quick tries, where there is anything else."""
    return [row for row in rows if not row.result.data.limit] or rows


def _line(
    place: Place,
    rows: Mapping[Entrant, Row],
    compared: _Compared,
    notes: Sequence[tuple[str, str]],
) -> Line:
    task, split, sample = place
    first, *_ = beside = list(rows.values())
    numbers = {name: number for number, (name, _) in enumerate(notes, start=1)}
    cells = {
        entrant: Cell(
            row,
            is_best(row, beside),
            compared.rows.get((entrant, task, split)),
            tuple(numbers[mark.name] for mark in row.marks if mark.name in numbers),
        )
        for entrant, row in rows.items()
    }
    return Line(
        task,
        first.metric,
        split,
        first.suite,
        sample,
        max(row.n or 0 for row in rows.values()),
        cells,
        best_constant(beside),
        next((row.paper for row in rows.values() if row.paper), None),
    )
