"""What a reader of the pages has, at a small size, and commands run as a reader runs them.

Data in the official layouts, books, models, a WordNet, a file of a run, new rows, and a hub on
loopback that has GLUE, GPT-1's weights and SmolLM2.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from conftest import TEXT
from official import GLUE, official_row, task, write_official
from pages import ROOT
from test_hub import Hub, data_set, joined, label
from test_huggingface import llama
from test_huggingface import write as write_llama
from test_openai_format import write_bpe
from test_wordnet import write_wordnet
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

from gpteval import Split, Task

COMMIT = "c0" * 20
RUN = """
import json, shutil, sys
from click.testing import CliRunner
from gpteval.cli.main import cli
for kind, asked in json.load(sys.stdin):
    if kind == "python":
        exec(compile(asked, "page", "exec"), {"__name__": "page"})
        done = [0, "", ""]
    else:
        found = CliRunner().invoke(cli, asked)
        done = [found.exit_code, found.output, repr(found.exception)]
    print(json.dumps(done), flush=True)
"""
"""Runs commands and lines of Python in one process, in their order."""


def possessions(place: Path) -> Path:
    """The directory where a reader types."""
    write_official(place / "DATA")
    (place / "BOOKS").mkdir()
    for number in range(4):
        (place / "BOOKS" / f"{number}.txt").write_text(f"{TEXT} chapter {number} . " * 40)
    (place / "new.csv").write_text("sentence1,sentence2\nIt rains.,It is wet.\n")
    (place / "my-run.toml").write_text('tasks = ["copa"]\nsample = true\nlimit = 4\nepochs = 1\n')
    write_llama(place / "MY-MODEL", llama())
    write_wordnet(place / "WORDNET")
    return place


@contextmanager
def hub(place: Path) -> Iterator[str]:
    """The address of a hub; `place` is for the models that it serves."""
    served = {
        "nyu-mll/glue": (task("rte").source.revision, joined(*_glue())),
        "openai-community/openai-gpt": (COMMIT, _files(openai_gpt(place / "openai"))),
        "HuggingFaceTB/SmolLM2-135M": (COMMIT, _files(write_llama(place / "smol", llama()))),
    }
    handler = type("Served", (Hub,), {"served": served})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def openai_gpt(directory: Path) -> Path:
    """GPT-1 of one layer with random weights, in Hugging Face's format."""
    directory.mkdir(parents=True)
    write_bpe(directory, "vocab.json", "merges.txt")
    torch.manual_seed(0)
    size = len(json.loads((directory / "vocab.json").read_text()))
    shape = OpenAIGPTConfig(vocab_size=size, n_positions=64, n_embd=64, n_layer=1, n_head=1)
    OpenAIGPTLMHeadModel(shape).save_pretrained(directory)
    return directory


def _files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _glue() -> Iterator[dict[str, bytes]]:
    """Every configuration of GLUE, with the columns of its task."""
    for name in sorted(GLUE):
        known, configurations = task(name), {}
        for split in known.source.splits.values():
            own = split.config or known.source.config
            configurations.setdefault(own, {})[str(split.hub)] = _hub_rows(known, split)
        for own, splits in configurations.items():
            yield data_set(own, _types(known), splits)


def _types(known: Task) -> dict[str, dict[str, Any]]:
    theirs = {ours: name for name, ours in known.source.hub_columns.items()}
    gold = label(*known.labels) if known.labels else {"dtype": "float32"}
    types = {theirs.get(name, name): {"dtype": "string"} for name in known.source.columns}
    return types | {theirs.get(known.source.label, "label"): gold}


def _hub_rows(known: Task, split: Split) -> list[dict[str, Any]]:
    source = known.source
    theirs = {ours: name for name, ours in source.hub_columns.items()}
    rows = []
    for number in range(12):
        made = official_row(known, number)
        row: dict[str, Any] = {theirs.get(c, c): made[c] for c in source.columns}
        gold = number % len(known.labels) if known.labels else float(made[source.label])
        row[theirs.get(source.label, "label")] = gold if split.labelled else -1
        rows.append(row)
    return rows


def installed(name: str, place: Path) -> Path:
    """A copy of a package of examples/ with what pip would write beside it."""
    copy = shutil.copytree(ROOT / "examples" / name, place / name)
    points = re.findall(r"entry-points.gpteval\]\n(.*)", (copy / "pyproject.toml").read_text())
    info = copy / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[gpteval]\n{points[0].replace(chr(34), '')}\n")
    return copy


def environment(**variables: str) -> dict[str, str]:
    """That of a reader: of one thread, and without the tester's data."""
    own = {k: v for k, v in os.environ.items() if k != "GPTEVAL_DATA"}
    return {**own, "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_XET": "1", **variables}


def run(
    lines: Sequence[tuple[str, Any]], place: Path, **variables: str
) -> Iterator[tuple[Any, int, str]]:
    """Each line with its exit code and what it printed.

    Args:
        lines: ("gpteval", words) or ("python", text), in the order of the page.
        place: Where the reader types.
        variables: Of the environment.
    """
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=place, input=json.dumps(lines), text=True,
        capture_output=True, env=environment(**variables), check=False,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for (_, asked), (code, output, error) in zip(lines, found, strict=False):
        yield asked, code, f"{output}\n{error}"
    if len(found) < len(lines):
        yield lines[len(found)][1], done.returncode, done.stderr
