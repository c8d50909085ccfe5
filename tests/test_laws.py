"""The laws of the house: which module imports which, how large one may be, what start-up loads."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from graphlib import TopologicalSorter
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent
FLOORS = (
    {"text", "errors", "progress", "config", "upkeep", "paths", "files"}
    | {"task", "table", "columns", "typed", "metric", "tree", "model", "records"},
    {"hookspecs"},
    {"offers", "loading", "naming", "plugin_source", "plugins"},
    {"data", "compute", "encode"},
    {"weights", "results", "corpus"},
    {"score"},
    {"train", "pretrain", "features"},
    {"methods"},
    {"studies"},
    {"report", "launch", "testing", "scaffold"},
    {"api"},
    {"cli"},
)
"""The house, from the ground up: a room imports its own floor and those below."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
DOORS = {"__init__", "__main__"}
"""What opens onto the house: the public names, and `python -m gpteval`."""
HEAVY = {"torch", "datasets", "transformers", "sklearn", "pyarrow", "numpy", "scipy"}


def modules(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Modules imported anywhere in a file, for typing too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{a.name}" if node.module == "gpteval" else str(node.module)
                      for a in node.names}  # fmt: skip
    return found


def room(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[1]


def arrows() -> set[tuple[str, str]]:
    """Which room imports which other."""
    found = set()
    for path in modules("gpteval"):
        for name in imports(path):
            if room(path) not in DOORS and name.startswith("gpteval."):
                found.add((room(path), name.split(".")[1]))
    return {(source, target) for source, target in found if source != target}


@pytest.mark.parametrize("path", modules("gpteval"), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_has_a_room_and_imports_nothing_above_it(path: Path) -> None:
    if room(path) in DOORS:
        return
    assert room(path) in FLOOR, f"{room(path)} has no room in FLOORS"
    for name in imports(path):
        if name.startswith("gpteval."):
            target = name.split(".")[1]
            assert target in FLOOR, f"{path} imports {name}, which has no room"
            assert FLOOR[target] <= FLOOR[room(path)], f"{path} imports {name}, a floor above"


def test_no_rooms_import_each_other_in_a_circle() -> None:
    """Python's own sorter finds a circle, however many rooms are in it."""
    graph: dict[str, set[str]] = {}
    for source, target in arrows():
        graph.setdefault(source, set()).add(target)
    assert list(TopologicalSorter(graph).static_order())


def test_no_room_is_a_fifth_of_the_house() -> None:
    lines = Counter[str]()
    for path in modules("gpteval"):
        lines[room(path)] += path.read_text(encoding="utf-8").count("\n")
    assert max(lines.values()) <= lines.total() / 5


def test_readme_names_every_room() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## The house")[2]
    lines = text.split("```")[1].splitlines()
    named = {word.rstrip("/") for line in lines for word in line.partition("  ")[0].split()}
    named |= {word for line in lines for word in line.split() if word.endswith(".py")}
    rooms = {room(path) for path in modules("gpteval")} - DOORS
    assert {name.removesuffix(".py") for name in named} == rooms


def test_the_training_loop_is_four_hops_from_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    hops = ["cli/run.py", "methods/run.py", "methods/finetune.py", "train/finetune.py"]
    assert all(f"`{hop}`" in text for hop in hops)
    for source, target in pairwise(hops):
        module = "gpteval." + target.removesuffix(".py").replace("/", ".")
        assert module in imports(ROOT / "gpteval" / source)


def test_the_harness_does_not_import_its_own_plugins() -> None:
    for path in modules("gpteval"):
        assert not [n for n in imports(path) if n.startswith(("gpteval_", "tasks", "models"))]


WRITERS = {"write_text", "write_bytes", "rename"}
"""Calls that write or move a file in place."""


def calls(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def writes(call: ast.Call) -> bool:
    """Whether a call writes a file by a name of its own: `files.py` alone may, whole or not."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    constants = [a.value for a in call.args if isinstance(a, ast.Constant)]
    opened = name == "open" and any(str(c)[:1] in "wax" for c in constants if c)
    # str.replace takes two, Path.replace one
    moved = name == "replace" and len(call.args) == 1 and not call.keywords
    return name in WRITERS or opened or moved


@pytest.mark.parametrize("folder", ["gpteval", "models"])
def test_files_are_written_in_one_place(folder: str) -> None:
    """But for what lies in a temporary directory, or in one that `replacing` puts in place."""
    places = {"files.py": 99, "checkpoint.py": 1, "vectors.py": 1}
    for path in modules(folder):
        found = [call for call in calls(path) if writes(call)]
        assert len(found) <= places.get(path.name, 0), (path, [c.lineno for c in found])


def test_no_test_forks_the_process_it_runs_in() -> None:
    """A child waits without end for what a thread held: `processes.started` makes fresh ones."""
    for path in [*modules("tests"), *modules("benchmarks")]:
        named = {call.func.attr for call in calls(path) if isinstance(call.func, ast.Attribute)}
        assert "fork" not in named, path


FINDERS = {"expanduser", "glob", "rglob", "iterdir", "scandir", "listdir"}
"""Calls that make a path of what a user typed, or search a directory: `os.walk` too."""
SEARCHERS = {
    "gpteval/paths.py": 9,
    # each lists files of its own making, the hidden partial ones among them
    "gpteval/files.py": 3,
    "gpteval/encode/cache.py": 2,
    "gpteval/pretrain/loop.py": 1,
    "gpteval/results/apart.py": 1,
    # which format a model's directory has, by the names in it
    "models/__init__.py": 1,
    "models/huggingface.py": 2,
    # what transformers wrote of a tokenizer, for its digest
    "models/huggingface_tokenizer.py": 1,
}
"""Modules that may search, and how often."""


def finds(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute):
        return False
    walks = isinstance(function.value, ast.Name) and (function.value.id, function.attr)
    return function.attr in FINDERS or walks == ("os", "walk")


@pytest.mark.parametrize(
    "path",
    [*modules("gpteval"), *modules("tasks"), *modules("models")],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_paths_are_made_and_directories_searched_in_one_place(path: Path) -> None:
    searches = [call.lineno for call in calls(path) if finds(call)]
    name = path.relative_to(ROOT).as_posix()
    assert len(searches) <= SEARCHERS.get(name, 0), searches


def parameters(command: click.Command, name: str) -> list[tuple[str, click.Parameter]]:
    """Every option and argument of a command and of those below it, by the words to type."""
    below = getattr(command, "commands", {}).items()
    found = [(f"{name} {p.name}", p) for p in command.params]
    return found + [pair for word, sub in below for pair in parameters(sub, f"{name} {word}")]


def every_parameter() -> list[tuple[str, click.Parameter]]:
    from gpteval.cli.main import COMMANDS

    commands = {name: import_module(f"gpteval.cli.{name}").command for name in COMMANDS}
    return [pair for name, command in commands.items() for pair in parameters(command, name)]


REFERENCES = {"model", "lstm"}
"""Not paths alone: a name, a prefix, or a directory, which `gpteval.paths.user_reference` reads."""
PLACES = {"directory", "corpus", "output", "results", "data_dir"}
TEXTS = {"overlap", "monitor"}
"""Names of tasks, beside which a directory is mentioned."""
PLACE = re.compile(r"director(y|ies)|files?\b|checkpoint|\(\.\w+", re.IGNORECASE)
"""Words that the help of a path has."""


@pytest.mark.parametrize("parameter", [pytest.param(p, id=name) for name, p in every_parameter()])
def test_every_option_that_is_a_path_has_the_one_type_of_paths(parameter: click.Parameter) -> None:
    from gpteval.cli.options import UserPath

    names_one = PLACE.search(getattr(parameter, "help", None) or "") or parameter.name in PLACES
    texts = parameter.type is click.STRING and parameter.name not in REFERENCES | TEXTS
    assert not isinstance(parameter.type, click.Path | click.File) or isinstance(
        parameter.type, UserPath
    )
    assert not (names_one and texts), "of type UserPath, or among TEXTS"


def test_what_is_imported_is_declared() -> None:
    """In the core dependencies, or in the extra of those who need it."""
    from importlib.metadata import packages_distributions

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for each in extras.values() for line in each)]
    declared = {re.split(r"[<>=\[ ]", line)[0].lower().replace("_", "-") for line in wanted}
    known = packages_distributions()
    for folder in ("gpteval", "tasks", "models"):
        for path in modules(folder):
            tops = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)
            for top in tops - {"gpteval", "gpteval_tasks", "gpteval_models"}:
                names = {n.lower().replace("_", "-") for n in known.get(top, [top])}
                assert names & declared, f"{path} imports {top}, which pyproject does not declare"


ORDINARY = {"sample", "paper", "ablations", "small"}
"""Names that are words of the harness too: an origin of rows, a column of a table, a font size."""


def strings(path: Path) -> set[str]:
    """String constants of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    constants = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in told)
    return {n.value for n in constants if isinstance(n.value, str)}


def test_the_harness_knows_no_name_of_what_plug_ins_offer() -> None:
    """Defaults of the command line stand in config.py, and nowhere else."""
    from gpteval.plugins import registry

    known = registry()
    names = {*known.tasks(), *known.metrics(), *known.suites(), *known.models(), *known.recipes()}
    names |= {name for family in known.models().values() for name in family.references}
    for path in modules("gpteval"):
        if path.name != "config.py":
            assert not strings(path) & (names - ORDINARY), path


def test_tasks_import_only_public_names_and_never_torch() -> None:
    import gpteval

    public = {f"gpteval.{name}" for name in gpteval.__all__}
    for path in modules("tasks"):
        found = imports(path)
        assert "torch" not in {n.split(".")[0] for n in found}, path
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
