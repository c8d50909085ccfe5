"""Commands of README and of the examples' pages are run, at a small size.

They need what a reader has: data, weights, a hub. `reader.py` has small ones of each; the tables
below say what stands for what. Only options that decide how long a command takes are replaced.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from pages import EXAMPLES, ROOT, Block, blocks
from reader import environment, hub, installed, possessions, run

README = ROOT / "README.md"
VALUES = {
    "--preset": "mini",
    "--merges": "60",
    "--seeds": "2",
    "--snapshots": "2",
    "--evaluate": "12",
    "--epochs": "1",
    "--limit": "12",
}
"""What stands for the value of an option."""
ADDED = {
    "run": "--limit 12 --epochs 1",
    "plan": "--limit 12 --epochs 1",
    "ablate": "--limit 4 --epochs 1",
    "zeroshot": "--limit 12 --no-untrained",
    "probe": "--limit 12",
    "neuron": "--limit 12",
    "baselines": "--limit 12",
    "vectors": "--width 4 --epochs 1",
    "doctor": "--limit 1",
    "pretrain": "--context 256 --batch-size 1 --epochs 0 --updates 12 --warmup 2 --held-out 1",
    "diff": "--data-dir DATA",
    "mingru": "--updates 2 --merges 60",
    "babylm": "--limit 4",
}
"""What stands behind a command, where its size is left to defaults; and where data is."""
ONLY_PARSED = {
    "srun": "needs Slurm; what it starts is the line above it, which is run",
    "torchrun --standalone --nproc-per-node 8 -m gpteval run": "test_run_distributed.py runs it",
    "torchrun --standalone --nproc-per-node 8 -m gpteval pretrain": "test_distributed.py runs it",
}
"""How lines of README begin that are not run here, and why."""

BEFORE = [
    "gpteval run --tasks rte --sample",
    "gpteval run --tasks rte --data-dir DATA --results runs/main",
    "gpteval run --tasks rte --data-dir DATA --results runs/branch --seed 1",
]
"""What a reader did before README's blocks: the first is its first command."""
SPANS = {
    "--tasks 'mnli*,SST-2,choice'": "gpteval run --tasks 'mnli*,SST-2,choice' --data-dir DATA",
    "--skip-missing": "gpteval run --tasks rte,scitail --data-dir PART --skip-missing",
    "--limit 200": "gpteval run --tasks copa --sample --limit 200",
    ".md": "gpteval leaderboard --output scores.md",
    ".tex": "gpteval leaderboard --output scores.tex",
    ".jsonl": "gpteval leaderboard --output scores.jsonl",
    ".txt": "gpteval leaderboard --output scores.txt",
    "--json": "gpteval leaderboard --json",
    "--lr 1e-4 --epochs 5 --lm-weight 0": (
        "gpteval run --tasks copa --sample --lr 1e-4 --epochs 5 --lm-weight 0"
    ),
    "run --no-pretraining": "gpteval run --no-pretraining --tasks copa --sample",
    "run --no-aux-lm": "gpteval run --no-aux-lm --tasks copa --sample",
    "--model my-model/model": "gpteval run --tasks copa --sample --model my-model/model",
    "my-model/tokens/survey.json": "open('my-model/tokens/survey.json')",
    "curve.jsonl": "open('my-model/curve.jsonl')",
    "--model": "gpteval doctor --sample --model MY-MODEL",
    "gpteval pretrain … --evaluate 500 --watch copa,rocstories": (
        "gpteval pretrain … --evaluate 500 --watch copa,rocstories --data-dir DATA"
    ),
    "--help": "gpteval run --help",
    'gpteval.run("rte,cola", model="mini", data_dir="DATA")': (
        'gpteval.run("rte,cola", model="mini", data_dir="DATA", limit=12, changes={"epochs": 1})'
    ),
}
"""What a reader types for what is code in README's table, and no whole line, or too long a run."""


def small(words: list[str]) -> list[str]:
    """A command of gpteval, cut to size."""
    words = [VALUES.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    if words[:2] == ["pretrain", "…"]:
        words[1:2] = ["BOOKS", "--output", "my-model"]
    return [*(word for word in words if word != "…"), *ADDED.get(words[0], "").split()]


def line(text: str) -> Iterator[tuple[str, Any]]:
    """What a line of a page, or of its table, is to `reader.run`."""
    text = SPANS.get(text, text)
    if not text.startswith("gpteval "):
        return (yield "python", f"import gpteval; {text}")
    words = small(shlex.split(text)[1:])
    if words[0] == "pretrain":  # begins anew, not where an earlier line of the page ended
        output = words[words.index("--output") + 1]
        yield "python", f"import shutil; shutil.rmtree({output!r}, ignore_errors=True)"
    yield "gpteval", words


def table() -> list[str]:
    """What is code in the second column of README's table of what to say."""
    rows = README.read_text("utf-8").partition("| to | say |\n|---|---|\n")[2].partition("\n\n")[0]
    cells = [row.partition(" | ")[2] for row in rows.splitlines()]
    return [span for cell in cells for span in re.findall("`([^`]+)`", cell)]


def commands(page: Path) -> list[Block]:
    """The blocks of a page that are commands which need what a reader has."""
    return [block for block in blocks(page) if not block.kind and list(block.commands)]


def programs(block: Block) -> set[str]:
    """What its lines start."""
    return {text.split()[0] for text in block.lines}


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """Where a reader types."""
    return possessions(tmp_path / "reader")


def assert_run(texts: list[str], place: Path, **variables: str) -> None:
    """Every line ends well."""
    lines = [asked for text in texts for asked in line(text)]
    for asked, code, said in run(lines, place, **variables):
        assert code == 0, f"{asked}: {said}"


def test_readmes_commands_run(reader: Path, tmp_path: Path) -> None:
    shutil.copytree(reader / "DATA" / "glue" / "RTE", reader / "PART" / "glue" / "RTE")
    own = [b for b in commands(README) if programs(b) == {"gpteval"}]
    # What prints README's table, from results/, is run by test_matrix.py.
    first, *others = [b for b in own if not b.lines[0].startswith("gpteval leaderboard results")]
    said = [span for span in table() if not span.startswith("eval ")]
    texts = [*BEFORE, *first.lines, *said, *(text for block in others for text in block.lines)]
    with hub(tmp_path) as address:
        assert_run(texts, reader, HF_ENDPOINT=address, HF_HOME=str(tmp_path / "home"))


def test_a_shell_completes_as_readme_says() -> None:
    (text,) = [span for span in table() if span.startswith("eval ")]
    tools = environment(PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin")
    script = f"{text}; complete -p gpteval"
    done = subprocess.run(["bash", "-euc", script], env=tools, check=True, capture_output=True)
    assert b"gpteval" in done.stdout


def test_two_machines_run_as_readme_says(reader: Path, tmp_path: Path) -> None:
    texts = [text for b in commands(README) if "torchrun" in programs(b) for text in b.lines]
    (text,) = [text for text in texts if not text.startswith(tuple(ONLY_PARSED))]
    assert len(texts) == 1 + len(ONLY_PARSED)
    with socket() as found:
        found.bind(("127.0.0.1", 0))
        here = f"127.0.0.1:{found.getsockname()[1]}"
    with hub(tmp_path) as address:
        variables = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home")}
        variables |= {"GPTEVAL_DATA": str(reader / "DATA")}
        started = [start(text, here, reader, variables) for _ in range(2)]
        said = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert len((reader / "SHARED/results/records.jsonl").read_text().splitlines()) == 1


def start(text: str, here: str, place: Path, variables: dict[str, str]) -> subprocess.Popen[str]:
    """The line of one machine, of which each has one process here; `here` is the first's door."""
    launcher, _, command = text.partition(" -m gpteval ")
    words = [{"8": "1", "FIRST:29500": here}.get(word, word) for word in launcher.split()[1:]]
    asked = ["cola" if word == "all" else word for word in small(shlex.split(command))]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *words, "-m", "gpteval", *asked],
        cwd=place, env=environment(**variables), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.parent.name)
def test_the_commands_of_an_examples_page_run(page: Path, reader: Path, tmp_path: Path) -> None:
    (block,) = commands(page)
    installs, *texts = block.lines
    assert installs == f"pip install -e examples/{page.parent.name}"
    package = installed(page.parent.name, tmp_path)
    for own in package.glob("tests/layouts.py"):
        runpy.run_path(str(own))["write_layouts"](reader / "DATA")
    assert_run(texts, reader, PYTHONPATH=str(package))
