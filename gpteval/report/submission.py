r"""Predictions of sets whose labels are private, as the server of a benchmark takes them.

GLUE's takes a zip of TSV files with the header `index\tprediction` and a line for every row of the
official set, counted from 0. Labels are in the words of the official files (0 and 1 of CoLA, SST-2,
MRPC, QQP and WNLI, `entailment` and the like of the others); STS-B's scores have three decimals and
lie in 0 to 5. So have its authors' own programs: nyu-mll/jiant at daa5a25 (`benchmarks.py`,
`Task.get_glue_preds`, `LABELS` of every task) and nyu-mll/GLUE-baselines (`src/main.py`,
`src/evaluate.py`).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpteval.errors import ResultError
from gpteval.records import Prediction
from gpteval.results.pairing import Measurement
from gpteval.studies.compare import installed
from gpteval.task import Suite, Task

HEADER = "index\tprediction"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the zip, so that the same predictions are the same bytes."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file of a submission.

    Attributes:
        name: As the server has it ("RTE.tsv").
        measurement, seed: Whose predictions of what.
        text: Its content.
    """

    name: str
    measurement: Measurement
    seed: int
    text: str

    @property
    def rows(self) -> int:
        """Predictions in it."""
        return self.text.count("\n") - 1


def sheets(suite: Suite, measured: Sequence[Measurement], seed: int | None) -> list[Sheet]:
    """Every file of a submission, each as the server takes it.

    Args:
        suite: The benchmark.
        measured: What was predicted of splits whose labels are private, by one entrant each.
        seed: Of the runs to take; None where there is one of each.

    Raises:
        ResultError: Predictions are missing, there are several to choose from, or the server
            would refuse them.
    """
    by_place: dict[tuple[str, str], list[Measurement]] = {}
    for measurement in measured:
        by_place.setdefault(measurement.where, []).append(measurement)
    missing = {name: where for name, where in suite.submission.items() if where not in by_place}
    if missing:
        named = ", ".join(f"{name} ({task} {split})" for name, (task, split) in missing.items())
        tasks = ",".join(dict.fromkeys(task for task, _ in missing.values()))
        raise ResultError(
            f"{len(missing)} of {len(suite.submission)} files have no predictions: {named}: make "
            f"them with `gpteval run --tasks {tasks} --predict`, into the same directory"
        )
    return [_sheet(name, by_place[where], seed) for name, where in suite.submission.items()]


def packed(files: Sequence[Sheet]) -> bytes:
    """The files as a zip."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for sheet in files:
            archive.writestr(zipfile.ZipInfo(sheet.name, EPOCH), sheet.text)
    return content.getvalue()


def _sheet(name: str, entrants: Sequence[Measurement], seed: int | None) -> Sheet:
    first = entrants[0]
    task, place, runs = installed(first), " ".join(first.where), list(first.scores)
    if len(entrants) > 1:
        there = ", ".join(m.entrant for m in entrants)
        raise ResultError(f"{place} was predicted by {there}: choose one, as in RESULTS@mini")
    if seed is None and len(runs) > 1:
        raise ResultError(f"{place} was predicted with the seeds {runs}: choose one by --seed")
    chosen = runs[0] if seed is None else seed
    if chosen not in runs or first.runs is None:
        raise ResultError(f"{place} was predicted with the seeds {runs}, not {chosen}")
    text = tsv(task, first.runs()[runs.index(chosen)])
    if wrong := next(refusals(task, first.split, text), ""):
        raise ResultError(f"{name}: the server would refuse {place}: {wrong}")
    return Sheet(name, first, chosen, text)


def words(task: Task) -> dict[str, str]:
    """Label → how the official files spell it."""
    spelt = {label: raw for raw, label in task.source.label_names.items()}
    return {label: spelt.get(label, label) for label in task.labels}


def tsv(task: Task, predictions: Sequence[Prediction]) -> str:
    """A file of the server: predictions by index, labels as the official files spell them."""
    spelt, (low, high) = words(task), task.scale
    lines = [HEADER]
    for p in sorted(predictions, key=lambda p: (len(p.id), p.id)):
        if task.kind == "regress":
            answer = f"{min(max(float(p.prediction), low), high):.3f}"
        else:
            answer = spelt.get(str(p.prediction), str(p.prediction))
        lines.append(f"{p.id}\t{answer}")
    return "".join(f"{line}\n" for line in lines)


def refusals(task: Task, split: str, text: str) -> Iterator[str]:
    """What a server would refuse of a file, one reason after another."""
    header, *lines = text.splitlines()
    if header != HEADER:
        yield f"its first line is {header!r:.40}"
    official, known = task.source.splits[split].rows, set(words(task).values())
    if official and len(lines) != official:
        yield f"it has {len(lines)} rows of {official}: predict all of them, without --limit"
    low, high = task.scale
    for number, line in enumerate(lines):
        index, _, answer = line.partition("\t")
        if index != str(number):
            yield f"row {number} has the index {index!r:.40}"
        if known and answer not in known:
            yield f"row {number} is {answer!r:.40}, none of {', '.join(sorted(known))}"
        if task.kind == "regress" and not low <= float(answer) <= high:
            yield f"row {number} is {answer}, outside {low} to {high}"
