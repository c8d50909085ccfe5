"""Every hook, and every function that a plug-in hands in, that misbehaves in every way there is.

Hooks are those of `gpteval.hookspecs`, functions those of the values they offer: what is added is
covered here. What is wrong with an offered value is in test_broken_plugins.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from official import write_cola
from test_plugins import package
from test_printed import ask

from gpteval import hookspecs
from gpteval.errors import PluginError
from gpteval.loading import OWN, REGISTERS
from gpteval.metric import Metric
from gpteval.offers import KINDS, Guarded, guarded
from gpteval.plugins import OFFERS, Registry, registry
from gpteval.records import Result

HOOKS = [name for name in vars(hookspecs) if name.startswith("gpteval_")]
SPECS = {name: inspect.signature(vars(hookspecs)[name]) for name in HOOKS}
REGISTERING = [name for name, spec in SPECS.items() if spec.return_annotation != "None"]
SITTING = "class Hostile:\n    def __repr__(self): raise ValueError('no look')\n"
WAYS = {
    "raises": ("raise ValueError('broken\\non two lines')", "ValueError: broken"),
    "leaves": ("raise SystemExit(3)", "SystemExit: 3"),
    "nothing": ("return None", "TypeError: returns None"),
    "number": ("return 5", "TypeError: returns 5"),
    "text": ("return 'text'", "TypeError: returns 'text'"),
    "wrong": ("return [5]", "an int (5) where"),
    "hostile": (f"{SITTING}return [Hostile()]", "ValueError: no look"),
    "late": ("yield from ()\nraise KeyError('late')", "KeyError: 'late'"),
    "prints": ("print('welcome')\nreturn []", "prints 'welcome'"),
}
"""Name of the package's end → what its hook does, and what is said of one that registers."""
ALWAYS = ("raises", "leaves", "prints")
"""Ways that are wrong for a hook that returns nothing, too."""
GUARDED = [(hook, way) for hook in HOOKS for way in WAYS]


def named(hook: str, way: str) -> str:
    return f"guard-{hook.removeprefix('gpteval_').replace('_', '-')}-{way}"


@pytest.fixture(scope="module", autouse=True)
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A package for every hook and way, in one environment."""
    site = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.delenv("GPTEVAL_PLUGINS", raising=False)
        for hook, way in GUARDED:
            given = ", ".join(SPECS[hook].parameters)
            body = "\n    ".join(WAYS[way][0].splitlines())
            text = f"import gpteval\n@gpteval.hookimpl\ndef {hook}({given}):\n    {body}\n"
            package(site, named(hook, way), text)
        yield


@pytest.fixture(autouse=True)
def afresh(broken: None) -> Iterator[None]:
    """No test knows another's files."""
    registry.cache_clear()
    yield
    registry.cache_clear()


def offered(known: Registry) -> dict[str, list[str]]:
    """Hook → the names of all that is offered."""
    return {hook: list(known._items(hook)) for hook in OFFERS}


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    """What is known of every package when every hook has been called."""
    known = Registry()
    known.check()
    known.add_commands(lambda plugin, group: None)
    known.run_finished([])
    return {plugin.package: plugin for plugin in known.plugins}


@pytest.mark.parametrize(("hook", "way"), GUARDED)
def test_a_hook_that_misbehaves_is_told_on_its_row_in_one_line(
    hook: str, way: str, rows: dict[str, Any]
) -> None:
    row = rows[named(hook, way)]
    wrong = hook in REGISTERING or way in ALWAYS
    where = hook.removeprefix("gpteval_")
    lines = [line for line in (row.error, *row.remarks) if line]
    assert len(lines) == wrong, lines
    assert bool(row.error) == (wrong and way != "prints")
    for line in lines:
        assert line.startswith(f"{where}: ") and WAYS[way][1].removeprefix("an ") in line
        assert len(line.splitlines()) == 1


def test_none_of_them_takes_anything_from_the_others() -> None:
    known = Registry()
    alone = Registry(p for p in _points() if p.dist is not None and p.dist.name == OWN)
    assert offered(known) == offered(alone)


def _points() -> list[Any]:
    from gpteval.loading import installed

    return installed()[0]


def test_a_wrong_thing_among_commands_is_told_and_is_none(tmp_path: Path) -> None:
    text = (
        "import click, gpteval\n@gpteval.hookimpl\ndef gpteval_register_commands(cli):\n"
        "    cli.commands['mine'] = 5\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        (tmp_path / "mine.py").write_text(text)
        code, told = ask(
            ["plugins", "show", "mine.py", "--json", "--plugin", str(tmp_path / "mine.py")],
            tmp_path / "page",
            tmp_path / "told",
        )
    assert (code, told) == (0, "")
    row = json.loads((tmp_path / "page").read_text())
    assert row["error"] == "register_commands: TypeError: 5 where a command is due"


@pytest.mark.parametrize(
    "words", ["tasks", "metrics", "models", "plugins", "baselines --tasks wnli --sample --limit 8"]
)
def test_commands_beside_them_print_what_they_print_alone(words: str, tmp_path: Path) -> None:
    arguments = [*words.split(), "--json"]
    arguments += ["--results", str(tmp_path / "out")] if "--sample" in arguments else []
    code, told = ask(arguments, tmp_path / "page", tmp_path / "told")
    assert (code, "Traceback" in told) == (0, False), told
    assert all(map(json.loads, (tmp_path / "page").read_text().splitlines()))


def functions() -> Iterator[tuple[type, str]]:
    """Every field of what plug-ins offer, and of its parts, that is a function."""
    kinds = list(KINDS.values())
    for kind in kinds:
        for entry in fields(kind):
            hint = get_type_hints(kind)[entry.name]
            if "Callable" in str(hint):
                yield kind, entry.name
            if isinstance(hint, type) and is_dataclass(hint) and hint not in kinds:
                kinds.append(hint)


FUNCTIONS = list(functions())


def test_functions_are_found_by_their_types() -> None:
    names = {f"{kind.__name__}.{name}" for kind, name in FUNCTIONS}
    assert {"Task.example", "Task.prompt", "Source.reader", "Metric.function"} <= names
    assert {"Metric.of_confusion", "ModelFamily.load", "ModelFamily.save"} <= names


def raises(*_: Any) -> Any:
    raise ValueError("broken")


def leaves(*_: Any) -> Any:
    raise SystemExit(3)


def late(*_: Any) -> Any:
    yield 1
    raise SystemExit("late")


@pytest.mark.parametrize("function", [raises, leaves, late])
@pytest.mark.parametrize(("kind", "name"), FUNCTIONS)
def test_a_function_that_fails_is_blamed_on_its_item_and_package(
    kind: type, name: str, function: Any
) -> None:
    values = {entry.name: None for entry in fields(kind)} | {name: function}
    item = guarded(kind(**values), "thing 'mine' of package")
    assert isinstance(getattr(item, name), Guarded)
    with pytest.raises(PluginError, match=r"^thing 'mine' of package: \w+: (broken|3|late)$"):
        list(getattr(item, name)("given"))


def test_what_an_interrupt_or_lack_of_memory_says_is_nobodys_fault() -> None:
    for error in (KeyboardInterrupt, MemoryError):

        def function(*_: Any, error: Any = error) -> Any:
            raise error

        with pytest.raises(error):
            guarded(Metric("mine", function), "metric 'mine' of package").function()


HEAD = """
import dataclasses, gpteval
from pathlib import Path
from operator import eq
from gpteval_tasks.cola import COLA

def raises(*given): raise ValueError("broken")
def leaves(*given): raise SystemExit(3)
def like(name, **changes):
    return dataclasses.replace(COLA, name=name, groups=("ours",), **changes)
def printing(function):
    def told(*given):
        print("welcome")
        return function(*given)
    return told
def accuracy(labels, given, names): return sum(map(eq, labels, given)) / len(labels)

@gpteval.hookimpl
def gpteval_register_tasks():
    return [like("sound"), TASK]

@gpteval.hookimpl
def gpteval_register_metrics():
    return METRICS
"""
FAULTS = {
    "example": 'like("broken", example={function})',
    "prompt": 'like("broken", prompt={function})',
    "metric": 'like("broken", metrics=("mine",))',
    "fast metric": 'like("broken", metrics=("quick",))',
    "reader": 'like("broken", source=dataclasses.replace(COLA.source, reader={function}))',
}
COMMANDS = {
    "example": "run baselines",
    "prompt": "zeroshot",
    "metric": "run baselines",
    "fast metric": "run",
    "reader": "run baselines",
}
ASKED = [(fault, command) for fault in FAULTS for command in COMMANDS[fault].split()]


def plug_in(path: Path, fault: str, function: str) -> Path:
    """A file with a sound task and one of a function that fails."""
    metrics = {
        "metric": f'[gpteval.Metric("mine", {function})]',
        "fast metric": f'[gpteval.Metric("quick", accuracy, of_confusion={function})]',
    }
    text = f"{HEAD}TASK = {FAULTS[fault].format(function=function)}\n"
    path.write_text(f"{text}METRICS = {metrics.get(fault, [])}\n")
    return path


@pytest.mark.parametrize("function", ["raises", "leaves"])
@pytest.mark.parametrize(("fault", "command"), ASKED)
def test_a_task_whose_function_fails_is_left_out_of_its_group_in_a_line_that_names_it(
    fault: str, command: str, function: str, tmp_path: Path, tiny_directory: Path
) -> None:
    file = plug_in(tmp_path / "mine.py", fault, function)
    data = ["--sample"]
    if fault == "reader":
        data = ["--data-dir", str(write_cola(tmp_path / "data"))]
    words = [command, "--tasks", "ours", *data, "--limit", "4", "--plugin", str(file), "--json"]
    words += ["--results", str(tmp_path / "out")]
    if command != "baselines":
        words += ["--model", str(tiny_directory), "--device", "cpu"]
    words += ["--epochs", "1"] if command == "run" else []
    code, told = ask(words, tmp_path / "page", tmp_path / "told")
    assert (code, "Traceback" in told) == (1, False), told
    (line,) = [line for line in told.splitlines() if "broken has no result: " in line]
    assert "of mine.py: " in line and ("ValueError: broken" in line or "SystemExit: 3" in line)
    results = [json.loads(line) for line in (tmp_path / "page").read_text().splitlines()]
    asked = [r for r in results if command != "zeroshot" or r["mode"] == command]
    assert {result["task"] for result in asked} == {"sound"}


def test_what_its_functions_print_is_not_among_the_results(
    tmp_path: Path, tiny_directory: Path
) -> None:
    text = HEAD + (
        'TASK = like("broken", example=printing(COLA.example), metrics=("mine",))\n'
        'METRICS = {"mine": printing(accuracy)}\n'
    )
    (tmp_path / "mine.py").write_text(text)
    words = ["baselines", "--tasks", "broken", "--sample", "--limit", "4", "--json"]
    words += ["--plugin", str(tmp_path / "mine.py"), "--results", str(tmp_path / "out")]
    code, told = ask(words, tmp_path / "page", tmp_path / "told")
    assert code == 0, told
    assert "welcome" in told
    assert all(map(json.loads, (tmp_path / "page").read_text().splitlines()))


MODEL = """
import gpteval

def load(reference):
    loaded = gpteval.load_model(DIRECTORY)
    compute = loaded.model.hidden_at
    def hidden_at(trees, places):
        if len(trees.tokens) > LONGEST:
            raise ERROR
        return compute(trees, places)
    loaded.model.hidden_at = hidden_at
    return loaded

@gpteval.hookimpl
def gpteval_register_models():
    return [gpteval.ModelFamily("zz", "", load, references={"zz": ""})]
"""


FAILING = [
    (0, "model 'zz' of mine.py: ", 2),
    (12, "code of plug-in mine.py: ", 1),
]
"""Tokens that a model reads before it fails: while it is tried at loading, and later."""


@pytest.mark.parametrize("error", ["ValueError('broken')", "SystemExit('broken')"])
@pytest.mark.parametrize(("longest", "said", "ends"), FAILING)
def test_a_model_that_fails_at_loading_or_later_is_one_line_that_names_its_plug_in(
    error: str, longest: int, said: str, ends: int, tmp_path: Path, roomy_directory: Path
) -> None:
    text = MODEL.replace("DIRECTORY", repr(str(roomy_directory))).replace("LONGEST", str(longest))
    (tmp_path / "mine.py").write_text(text.replace("ERROR", error))
    words = ["zeroshot", "--tasks", "copa", "--sample", "--model", "zz", "--device", "cpu"]
    words += ["--plugin", str(tmp_path / "mine.py"), "--results", str(tmp_path / "out")]
    code, told = ask(words, tmp_path / "page", tmp_path / "told")
    assert (code, "Traceback" in told) == (ends, False), told
    assert f"gpteval: {said}{error[:10]}" in told.splitlines()[-1]
    assert (tmp_path / "page").read_text() == ""


def test_what_a_run_finished_hook_does_to_the_results_stays_with_it(tmp_path: Path) -> None:
    text = "import gpteval\n@gpteval.hookimpl\ndef gpteval_run_finished(results): results.clear()\n"
    (tmp_path / "mine.py").write_text(text)
    known = Registry([])
    known.add_file(tmp_path / "mine.py")
    results: list[Result] = [None]  # type: ignore[list-item]
    known.run_finished(results)
    (plugin,) = known.plugins
    assert results and plugin.error.startswith("run_finished: AttributeError")


def test_hooks_that_register_are_those_that_return_something() -> None:
    assert [h for h in HOOKS if h.startswith(REGISTERS) and h in REGISTERING] == list(OFFERS)


WITHOUT = """
METRICS = []

def without(name, **source):
    return like(name, source=dataclasses.replace(COLA.source, **source))

@gpteval.hookimpl
def gpteval_register_tasks():
    return [
        like("sound"),
        without("broken_1", sample=""),
        without("broken_2", sample="no_such_package:samples/x"),
        without("broken_3", sample="gpteval_tasks:samples/none"),
        without("broken_4", sample="", directory="no_such_package:x"),
    ]
"""


@pytest.mark.parametrize("command", ["run --tasks ours", "zeroshot --tasks ours", "zeroshot --all",
                                     "baselines --tasks ours"])  # fmt: skip
def test_a_task_without_a_sample_is_left_out_of_its_group_and_told(
    command: str, tmp_path: Path, roomy_directory: Path
) -> None:
    (tmp_path / "mine.py").write_text(HEAD.partition("@gpteval.hookimpl")[0] + WITHOUT)
    words = [*command.split(), "--sample", "--limit", "2", "--results", str(tmp_path / "out")]
    words += ["--plugin", str(tmp_path / "mine.py"), "--json"]
    if "baselines" not in command:
        words += ["--model", str(roomy_directory), "--device", "cpu"]
    words += ["--epochs", "1"] if "run" in command else []
    words += ["--no-baselines"] if "zeroshot" in command else []
    code, told = ask(words, tmp_path / "page", tmp_path / "told")
    assert (code, "Traceback" in told) == (1, False), told
    for number in range(1, 5):
        said = f"broken_{number} has no result: no "
        assert [said in line for line in told.splitlines()].count(True) == 1
    tasks = {json.loads(line)["task"] for line in (tmp_path / "page").read_text().splitlines()}
    assert tasks == ({"sound"} if "ours" in command else tasks | {"sound", "copa", "race"})
