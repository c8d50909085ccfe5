"""A package of two hundred tasks: listing them asks each once and imports nothing for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_broken_plugins import lay_out
from test_laws import HEAVY

from gpteval.plugins import Registry

PACKAGE = """
from gpteval import Table, hookimpl
from pathlib import Path

@hookimpl
def gpteval_register_tasks():
    with Path(__file__).with_suffix(".asked").open("a") as file:
        file.write("once")
    files = {{"train": "rows.csv", "dev": "rows.csv"}}
    columns = {{"text": "text", "labels": ("a", "b"), "files": files}}
    return [Table(name=f"many{{n}}", **columns).task() for n in range({count})]
"""


def work(count: int, tmp_path: Path) -> int:
    """Calls of Python functions that a listing takes with so many further tasks."""
    file = tmp_path / f"many{count}.py"
    file.write_text(PACKAGE.format(count=count))
    calls = 0

    def count_calls(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count_calls)
    try:
        registry = Registry()
        registry.add_file(file)
        assert len(registry.tasks()) == len(registry.owners()) >= count
        assert len(registry.select(["many0", "rte"])) == 2
    finally:
        sys.setprofile(None)
    assert file.with_suffix(".asked").read_text() == "once"
    file.with_suffix(".asked").unlink()
    return calls


def test_the_work_of_a_listing_grows_no_faster_than_the_tasks(tmp_path: Path) -> None:
    first = work(1, tmp_path)  # with all that is done once in a process
    few, more, most = (work(count, tmp_path) for count in (1, 101, 201))
    assert few <= first
    assert most - more == pytest.approx(more - few, rel=0.05)


def test_two_hundred_tasks_of_a_package_are_listed_without_heavy_imports(tmp_path: Path) -> None:
    lay_out(tmp_path, "gpteval-many", "")
    (tmp_path / "gpteval_many.py").write_text(PACKAGE.format(count=200))
    code = (
        "import json, sys, gpteval.cli.main as m\n"
        "try: m.main()\n"
        "except SystemExit: pass\n"
        "print(json.dumps([n for n in sys.modules if '.' not in n]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "tasks", "--json"], text=True, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert next(tmp_path.glob("*.asked")).read_text() == "once"
    assert sum(fact["package"] == "gpteval-many 1.0" for fact in listed) == 200
    assert not set(json.loads(done.stderr.splitlines()[-1])) & HEAVY
