"""What `gpteval leaderboard --cost` shows."""

import io
import json

import pytest
from click.testing import CliRunner
from fabricated import result
from rich.console import Console

from gpteval.cli.leaderboard import command
from gpteval.report.costs import CostTable, costs, json_rows, markdown, short
from gpteval.results.store import ResultStore

COST = {
    "updates": 233,
    "tokens": 600_000,
    "tokens_read": 1_500_000,
    "train_flops": 3e12,
    "evaluate_flops": 1e12,
    "peak_memory_bytes": 2_345_678_901,
    "utilisation": 0.613,
}
SECONDS = {"load": 1.0, "encode": 0.25, "train": 120.04, "evaluate": 9.0}


def row(name="rte", **more):
    return result(name, cost=COST, seconds=SECONDS, **more)


def printed(rows, width):
    page = io.StringIO()
    Console(file=page, width=width).print(CostTable(rows))
    return page.getvalue()


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (999, "999"), (1000, "1.00k"), (999_600, "1.00M"), (45.6e12, "45.6T")],
)
def test_large_numbers_are_read_at_a_glance(value, said):
    assert short(value) == said


def test_a_row_says_what_a_task_took():
    line = next(x for x in printed(costs([row()]), 200).splitlines() if x.startswith("rte"))
    expected = "rte mini cpu fp32 1 233 600k 60 % 4.00T 1.0 0.2 120.0 9.0 2.35GB 61 %"
    assert line.split() == expected.split()


def test_runs_of_several_processes_have_a_row_of_their_own():
    several = result("rte", cost=COST | {"processes": 8}, seconds=SECONDS, seed=1)
    pages = [line for line in printed(costs([row(), several]), 200).splitlines() if "cpu" in line]
    assert ["8 × cpu fp32" in line for line in pages] == [False, True]


def test_splits_of_one_run_share_a_row_and_seeds_are_medians():
    slower = SECONDS | {"train": 140.0}
    seeds = [row(), row(split="dev"), result("rte", cost=COST, seconds=slower, seed=1)]
    cost, _ = costs([row("cola"), *seeds])
    assert (cost.task, cost.seeds, cost.seconds["train"]) == ("rte", 2, 130.02)


def test_a_narrow_terminal_says_what_it_left_out():
    text = printed(costs([row()]), 60)
    assert "no room for on, seeds" in text
    assert max(map(len, text.splitlines()[:3])) <= 60


def test_a_record_without_figures_shows_what_it_has():
    (cost,) = json_rows(costs([result("rte", cost={}, seconds={"train": 1.5})]))
    assert cost["seconds"] == {"train": 1.5}
    assert "flops" not in cost
    assert "| 1.5 |" in markdown(costs([result("rte", cost={})]), "made by")


def test_the_command_shows_costs_in_every_form(tmp_path):
    ResultStore(tmp_path).append([row()])
    runner = CliRunner()
    page = runner.invoke(command, [str(tmp_path), "--cost", "--format", "markdown"]).output
    assert "| rte | mini | cpu fp32 | 1 | 233 | 600k | 60 % | 4.00T |" in page
    assert f"`gpteval leaderboard {tmp_path} --cost --format markdown`" in page
    assert "4.00T" in runner.invoke(command, [str(tmp_path), "--cost"]).output
    found = json.loads(runner.invoke(command, [str(tmp_path), "--cost", "--json"]).output)
    assert (found["flops"], found["saved"]) == (4e12, 0.6)
