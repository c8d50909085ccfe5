"""A number says which code it came from, and a checkout without git ends nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gpteval.results import provenance


def git(root: Path, *words: str) -> None:
    name = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *name, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with some code and some results, both committed."""
    for name in ("gpteval/code.py", "results/records.jsonl"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def commit() -> str:
    return provenance.commit.__wrapped__()


def test_a_commit_is_named_and_changed_code_is_marked(checkout: Path) -> None:
    assert len(commit()) == 12
    (checkout / "gpteval/code.py").write_text("2\n")
    assert commit()[12:] == "+"


def test_results_that_are_tracked_are_no_changed_code(checkout: Path) -> None:
    (checkout / "results/records.jsonl").write_text("1\n2\n")
    assert len(commit()) == 12


def test_without_git_no_commit_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert commit() == ""


def test_an_installed_package_names_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert commit() == ""


def test_the_root_is_that_of_this_checkout() -> None:
    said = "from gpteval.results import provenance; print(provenance.ROOT)"
    root = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert (Path(root.stdout.strip()) / "gpteval/results/provenance.py").is_file()
