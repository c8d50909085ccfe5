"""The laws of the house: which module imports which, how large one may be, what start-up loads."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = {
    "errors": 0, "task": 0, "config": 1, "model": 1, "records": 1, "hookspecs": 1, "progress": 1,
    "plugins": 2, "data": 3, "provenance": 3, "transfer": 3, "encode": 4, "checkpoint": 5,
    "load": 6, "score": 6, "report": 7, "train": 7, "job": 7, "fitting": 8, "asked": 8, "suite": 9,
    "zeroshot": 9, "ablate": 9, "baselines": 9, "curve": 9, "doctor": 9, "probe": 9, "cli": 10,
}  # fmt: skip
HEAVY = {"torch", "datasets", "transformers", "sklearn", "pyarrow", "numpy"}


def modules(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Modules imported at run time; those under `if TYPE_CHECKING` don't count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for part in node.body
        for inner in ast.walk(part)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{a.name}" if node.module == "gpteval" else str(node.module)
                      for a in node.names}  # fmt: skip
    return found


def layer(module: str) -> int:
    return LAYERS[module.split(".")[1]]


@pytest.mark.parametrize("path", modules("gpteval"), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    inside = path.relative_to(ROOT).with_suffix("").parts
    if inside[1].startswith("__"):
        return
    own = ".".join(inside)
    for name in imports(path):
        if name.startswith("gpteval.") and name.split(".")[1] in LAYERS:
            assert layer(name) <= layer(own), f"{own} imports {name}"


def test_the_harness_does_not_import_its_own_plugins() -> None:
    for path in modules("gpteval"):
        assert not [n for n in imports(path) if n.startswith(("gpteval_", "tasks", "models"))]


def test_tasks_import_only_public_names_and_nothing_heavy() -> None:
    import gpteval

    public = {f"gpteval.{name}" for name in gpteval.__all__}
    for path in modules("tasks"):
        found = imports(path)
        assert not {n.split(".")[0] for n in found} & HEAVY, path
        assert {n for n in found if n.startswith("gpteval.")} <= public, path


def test_models_import_only_public_names() -> None:
    import gpteval

    public = {f"gpteval.{name}" for name in gpteval.__all__}
    for path in modules("models"):
        assert {n for n in imports(path) if n.startswith("gpteval.")} <= public, path


def test_every_package_is_shipped() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    names = {"gpteval": "gpteval", "tasks": "gpteval_tasks", "models": "gpteval_models"}
    there = {
        ".".join([names[folder], *path.parent.relative_to(ROOT / folder).parts])
        for folder in names
        for path in modules(folder)
    }
    assert there == set(settings["packages"])


def test_every_public_name_is_there() -> None:
    import gpteval

    for name in gpteval.__all__:
        assert getattr(gpteval, name) is not None or name == "Model"


@pytest.mark.parametrize("path", [*modules("gpteval"), *modules("tasks"), *modules("models")],
                         ids=lambda p: str(p.relative_to(ROOT)))  # fmt: skip
def test_a_module_stays_readable(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8").count("\n") <= 350
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["tasks"],
        ["plugins"],
        ["models"],
        ["run", "--help"],
        ["zeroshot", "--help"],
        ["doctor", "--help"],
        ["curve", "--help"],
    ],
    ids=" ".join,
)
def test_start_up_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, json, gpteval.cli.main as m\n"
        "try: m.main()\n"
        "except SystemExit: pass\n"
        "print(json.dumps([n for n in sys.modules if '.' not in n]), file=sys.stderr)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert not set(json.loads(process.stderr.splitlines()[-1])) & HEAVY
