"""The examples for CI in docs/, run as far as they can be without GitHub."""

import os
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


@pytest.fixture
def blessed(tmp_path):
    """A directory as the head of the workflow says to make one."""
    measured(tmp_path / "runs" / "main", seeds=3)
    comment = (DOCS / "github.yml").read_text().splitlines()
    (bless,) = [line.strip("# ") for line in comment if "gpteval bless" in line]
    assert shell(bless, tmp_path).returncode == 0
    return tmp_path


@pytest.mark.parametrize(("right", "code"), [(0.8, 0), (0.3, 1)])
def test_the_workflow_lets_a_good_change_pass_and_stops_a_bad_one(blessed, right, code):
    measured(blessed / "runs" / "change", seeds=3, right=right)
    verify, check = steps("gpteval results", "gpteval check")
    assert shell(verify, blessed).returncode == 0
    found = shell(check, blessed, GITHUB_STEP_SUMMARY=str(blessed / "summary.md"))
    assert found.returncode == code
    assert ("::error title=REGRESSED" in found.stdout) == (code == 1)
    assert (blessed / "summary.md").read_text().startswith("## FAIL" if code else "## PASS")


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
