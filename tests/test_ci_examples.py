"""The examples for CI in docs/, run as far as they can be without GitHub."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fabricated import measured

DOCS = Path(__file__).parent.parent / "docs" / "ci"


def shell(line, directory, **variables):
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], cwd=directory, check=False,
        capture_output=True, text=True, env={**os.environ, "PATH": tools, **variables},
    )  # fmt: skip


def steps(*words):
    """The workflow's commands that begin so."""
    workflow = yaml.safe_load((DOCS / "github.yml").read_text())
    lines = [step.get("run", "") for step in workflow["jobs"]["gate"]["steps"]]
    return [line for line in lines if line.startswith(words)]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """A baseline made as the head of the workflow says."""
    place = tmp_path_factory.mktemp("main")
    measured(place / "runs" / "main", seeds=3)
    comment = (DOCS / "github.yml").read_text().splitlines()
    (bless,) = [line.strip("# ") for line in comment if "gpteval bless" in line]
    assert shell(bless, place).returncode == 0
    return place / "baseline.json"


ENDS = {
    0: ({}, "", "## PASS (fine)"),
    1: ({"right": 0.3}, "", "## FAIL (regressed)"),
    2: ({}, "absolut = 0.02", ""),
    3: ({"drawn": 1}, "strict = true", "## FAIL (cannot tell)"),
    4: ({"version": 9}, "", "## FAIL (not comparable)"),
}
"""Exit code → what the change does, settings of the check, and how the job's summary begins."""


@pytest.mark.parametrize("code", ENDS)
def test_the_workflow_ends_with_each_exit_code(baseline, tmp_path, code):
    change, setting, heading = ENDS[code]
    measured(tmp_path / "runs" / "change", seeds=3, **change)
    (tmp_path / "gpteval.toml").write_text(f"[check]\n{setting}\n")
    (tmp_path / "baseline.json").write_bytes(baseline.read_bytes())
    summary = tmp_path / "summary.md"
    (check,) = steps("gpteval check")
    found = shell(check, tmp_path, GITHUB_STEP_SUMMARY=str(summary))
    assert (found.returncode, "::error title=" in found.stdout) == (code, code in (1, 3, 4))
    assert (summary.read_text() if summary.exists() else "").startswith(heading)
    assert ("did you mean 'absolute'" in found.stderr) == (code == 2)


@pytest.mark.parametrize(("seed", "code"), [(0, 0), (1, 1)])
def test_the_workflow_stops_at_a_record_that_was_edited(tmp_path, seed, code):
    directory = measured(tmp_path / "runs" / "change")
    records = (directory / "records.jsonl").read_text()
    (directory / "records.jsonl").write_text(records.replace('"seed":0', f'"seed":{seed}'))
    (verify,) = steps("gpteval results")
    assert shell(verify, tmp_path).returncode == code


def test_a_check_without_options_goes_by_the_settings_that_the_page_shows(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", (DOCS.parent / "gate.md").read_text(), re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(block)
    measured(tmp_path / "results", "wnli"), measured(tmp_path / "results", "cola")
    shell("gpteval bless results --output baseline.json", tmp_path)
    measured(tmp_path / "worse", "wnli", right=0.3), measured(tmp_path / "worse", "cola")
    found = shell("gpteval check worse --format json", tmp_path)
    rows = {row["task"]: row for row in map(json.loads, found.stdout.splitlines())}
    assert (found.returncode, rows["wnli"]["verdict"]) == (0, "REGRESSED")
    assert [rows[name]["blocking"] for name in ("wnli", "cola")] == [False, True]
    assert [rows[name]["tolerance"] for name in ("wnli", "cola")] == [0.01, 0.03]


def test_the_workflow_fine_tunes_with_options_that_exist():
    from gpteval.cli.run import command

    (line,) = steps("gpteval run")
    words = line.split()[2:]
    assert command.make_context("run", words, resilient_parsing=False).params["seeds"] == 3


def test_the_hooks_are_commands_that_pass_on_good_results(tmp_path):
    (repository,) = yaml.safe_load((DOCS / "pre-commit.yaml").read_text())["repos"]
    measured(tmp_path / "results")
    assert shell("gpteval bless results --output baseline.json", tmp_path).returncode == 0
    codes = [shell(hook["entry"], tmp_path).returncode for hook in repository["hooks"]]
    assert codes == [0, 0]
    measured(tmp_path / "results", right=0.3, model_digest="worse")
    codes = [shell(hook["entry"], tmp_path).returncode for hook in repository["hooks"]]
    assert codes == [0, 1]
