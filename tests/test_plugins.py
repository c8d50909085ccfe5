"""Plug-ins: a real package installed by pip, broken ones, and two of one name."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path

import pytest

from gpteval import run
from gpteval.errors import PluginError, UnknownNameError
from gpteval.loading import GROUP, OWN
from gpteval.offers import KINDS
from gpteval.plugins import OFFERS, Registry, registry
from gpteval.testing import task_faults

EXAMPLE = Path(__file__).parent / "plugin_example"


def package(site: Path, name: str, module_text: str) -> list[EntryPoint]:
    """Lay a package out on the path as pip would, and return its entry points."""
    module = name.replace("-", "_")
    sys.modules.pop(module, None)  # another test's package of this name
    (site / f"{module}.py").write_text(module_text)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}\n")
    importlib.invalidate_caches()
    return list(PathDistribution(info).entry_points)


def task_module(task_name: str) -> str:
    return (
        "from gpteval import Example, Source, Split, Task, hookimpl\n"
        "@hookimpl\n"
        "def gpteval_register_tasks():\n"
        "    source = Source(hub='', columns=('text',), splits={'dev': Split(1, ('x.tsv',))})\n"
        f"    return [Task('{task_name}', 1, 'classify', source,\n"
        "        lambda row: Example.single(row, row['text']), ('accuracy',), ('no', 'yes'))]\n"
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_broken_plugin_is_listed_with_its_reason_and_the_rest_goes_on(site: Path) -> None:
    package(site, "gpteval-crash", "raise ValueError('no such thing')\n")
    found = Registry()
    assert found.plugins[-1].error == "import: ValueError: no such thing"
    assert "rte" in found.tasks()


def test_a_hook_of_an_unknown_name_is_an_error_of_that_plugin(site: Path) -> None:
    text = "from gpteval import hookimpl\n@hookimpl\ndef gpteval_register_taks(): return []\n"
    found = Registry(package(site, "gpteval-typo", text))
    assert "gpteval_register_taks" in found.plugins[0].error


def test_a_built_in_keeps_its_name_and_a_strangers_is_reached_by_package(site: Path) -> None:
    package(site, "gpteval-rival", task_module("rte"))
    found = Registry()
    (own,), (task,) = found.select(["rte"]), found.select(["gpteval-rival/rte"])
    assert (own.name, task.name) == ("rte", "gpteval-rival/rte")
    assert found.select(["gpteval/rte"]) == [own]
    assert any("write gpteval-rival/rte" in line for line in found.plugins[-1].remarks)


TAKEN = """
from pathlib import Path
from gpteval import Table, hookimpl

TABLE = Table("rte", "text", labels=("no", "yes"), files={"train": "rows.csv"}, held_out=4)

@hookimpl
def gpteval_register_tasks():
    return [TABLE.task(Path(__file__).parent)]
"""


def test_a_task_whose_name_is_taken_is_sound_and_can_be_fine_tuned(
    site: Path, tiny_directory: Path
) -> None:
    rows = [f"{'red' if n % 2 else 'blue'} {n},{'yes' if n % 2 else 'no'}" for n in range(20)]
    (site / "rows.csv").write_text("\n".join(["text,label", *rows]))
    package(site, "gpteval-rival", TAKEN)
    registry.cache_clear()
    try:
        (task,) = registry().select(["gpteval-rival/rte"])
        assert task_faults(task, data_dir=site, learn=False) == []
        settings = {"model": str(tiny_directory), "results": site / "out"}
        (result,) = run("gpteval-rival/rte", changes={"epochs": 1}, **settings)
        assert (result.task, result.n) == ("gpteval-rival/rte", 4)
    finally:
        registry.cache_clear()


def test_of_several_that_failed_each_is_named_where_a_task_is_missed(site: Path) -> None:
    for name in ("gpteval-one", "gpteval-two"):
        package(site, name, "1 / 0\n")
    with pytest.raises(UnknownNameError, match="gpteval-one:gpteval-one, gpteval-two:gpteval-two"):
        Registry().select(["irony"])


def test_two_strangers_of_one_name_are_told_apart_by_package(site: Path) -> None:
    for name in ("gpteval-one", "gpteval-two"):
        package(site, name, task_module("irony"))
    found = Registry()
    with pytest.raises(PluginError, match="gpteval-one/irony or gpteval-two/irony"):
        found.select(["irony"])
    assert found.select(["gpteval-two/irony"])[0].name == "gpteval-two/irony"


def test_a_qualified_name_always_works(site: Path) -> None:
    package(site, "gpteval-irony", task_module("irony"))
    found = Registry()
    assert found.select(["gpteval-irony/irony"]) == found.select(["irony"])
    assert found.select(["gpteval/rte"]) == found.select(["rte"])


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown task or group 'rtee'; did you mean 'rte'"):
        Registry().select(["rtee"])


def test_a_task_of_a_failed_plugin_is_refused_with_the_reason(site: Path) -> None:
    found = Registry(package(site, "gpteval-crash2", "import nothing_of_that_name\n"))
    with pytest.raises(PluginError, match="failed: import: ModuleNotFoundError"):
        found.select(["gpteval-crash2/anything"])


def test_names_and_groups_mix_and_keep_their_order() -> None:
    names = [t.name for t in Registry().select(["race", "glue", "cola"])]
    assert len(names) == len(set(names)) == 10
    assert [t.name for t in Registry().select(["glue", "race"])] == names


@pytest.mark.parametrize(
    "content", [b"[gpteval\nfoo", b"\xff\xfe[gpteval]\nx = y\n", b"[gpteval]\nfoo"]
)
def test_a_damaged_package_hides_no_other(site: Path, content: bytes) -> None:
    package(site, "gpteval-whole", task_module("irony"))
    package(site, "gpteval-cut", "")
    (site / "gpteval_cut-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    found = Registry()
    assert {"rte", "irony"} <= found.tasks().keys()
    assert [p.package for p in found.plugins if p.error] in ([], ["gpteval-cut"])


def test_strict_mode_raises(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTEVAL_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match="gpteval-crash3"):
        Registry(package(site, "gpteval-crash3", "1 / 0\n"))


@pytest.fixture(scope="module")
def installed_example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which pip has installed the example plug-in."""
    target = tmp_path_factory.mktemp("site")
    # A copy: pip builds in the folder it is given.
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "polarity")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target)]
    subprocess.run([*pip, str(source)], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": str(target)}


def gpteval(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gpteval", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_an_installed_plugin_adds_its_task_and_command(installed_example: dict[str, str]) -> None:
    assert "polarity" in gpteval(installed_example, "tasks").stdout
    assert gpteval(installed_example, "polarity").stdout == "affirms or denies\n"
    assert "gpteval-polarity:polarity" in gpteval(installed_example, "plugins").stdout


def test_an_admission_list_keeps_it_out(installed_example: dict[str, str]) -> None:
    assert "polarity" not in gpteval(installed_example | {"GPTEVAL_PLUGINS": ""}, "tasks").stdout


def test_its_task_runs_on_its_own_sample(
    installed_example: dict[str, str], tiny_directory: Path, tmp_path: Path
) -> None:
    model = ["--model", str(tiny_directory), "--results", str(tmp_path), "--epochs", "1"]
    done = gpteval(installed_example, "run", "--tasks", "polarity", "--sample", "--json", *model)
    assert done.returncode == 0, done.stderr
    assert '"agreement"' in done.stdout
    assert '"gpteval-polarity": "0.3.0"' in done.stdout


def test_every_hook_that_offers_something_has_a_kind() -> None:
    assert set(OFFERS) == set(KINDS)


@pytest.mark.parametrize("hook", OFFERS)
def test_all_that_is_built_in_passes_the_checks_of_what_strangers_offer(hook: str) -> None:
    known = registry()
    offers = [(name, item) for plugin, name, item in known._offers(hook) if plugin.package == OWN]
    assert offers
    assert not [wrong for name, item in offers if (wrong := known.fault(hook, name, item))]


ONE_FILE = """
from gpteval import FinetuneConfig, hookimpl
from gpteval_tasks.rte import RTE
import dataclasses, click
@hookimpl
def gpteval_register_tasks(): return [dataclasses.replace(RTE, name="nearly_rte")]
@hookimpl
def gpteval_register_recipes(): return {"short": FinetuneConfig(epochs=1)}
@hookimpl
def gpteval_register_commands(cli):
    @cli.command()
    def hello(): click.echo("hello")
"""


@pytest.fixture
def one_file(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(ONE_FILE)
    return tmp_path / "mine.py"


PLAIN = {name: value for name, value in os.environ.items() if name != "GPTEVAL_PLUGINS"}


@pytest.mark.parametrize("before", [True, False])
def test_a_file_is_a_plug_in_wherever_the_option_stands(before: bool, one_file: Path) -> None:
    option = ["--plugin", str(one_file)]
    for words in (["tasks"], ["hello"], ["run", "--tasks", "x", "--recipe", "short"]):
        done = gpteval(PLAIN, *([*option, *words] if before else [*words, *option]))
        shown = done.stdout + done.stderr
        assert {"tasks": "nearly_rte", "hello": "hello\n", "run": "unknown task"}[words[0]] in shown


def test_its_digest_is_its_version_in_every_record(one_file: Path, tmp_path: Path) -> None:
    words = ["baselines", "--tasks", "nearly_rte", "--sample", "--limit", "16", "--json"]
    out = ["--results", str(tmp_path / "out"), f"--plugin={one_file}"]
    first = json.loads(gpteval(PLAIN, *words, *out).stdout.splitlines()[0])
    one_file.write_text(ONE_FILE + "# another\n")
    second = json.loads(gpteval(PLAIN, *words, *out).stdout.splitlines()[0])
    assert len(first["plugins"]["mine.py"]) == 12
    assert first["plugins"]["mine.py"] != second["plugins"]["mine.py"]
    assert first["key"] != second["key"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "failed: import: ZeroDivisionError"),
        (ONE_FILE.replace("RTE, name", "RTE, version='x', name"), "version can't be 'x'"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_fails_ends_the_command_in_one_line(
    text: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    done = gpteval(PLAIN, "tasks", "--plugin", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_option_for_a_file_without_one_says_so() -> None:
    done = gpteval(PLAIN, "tasks", "--plugin")
    assert (done.returncode, "--plugin needs a file" in done.stderr) == (2, True)


def test_no_plugins_is_obeyed_before_arguments_are_parsed(
    installed_example: dict[str, str],
) -> None:
    assert (
        "No such command 'polarity'"
        in gpteval(installed_example, "polarity", "--no-plugins").stderr
    )
    assert "polarity" not in gpteval(installed_example, "--no-plugins", "tasks").stdout


def test_a_name_in_the_admission_list_that_nothing_has_is_told(
    installed_example: dict[str, str],
) -> None:
    near, far = "; did you mean 'gpteval-polarity'?", " (see `pip list`)"
    asked = {"gpteval_Polarity": "", "gpteval-polartiy": near, "x-y": far, "": ""}
    for names, hint in asked.items():
        done = gpteval(installed_example | {"GPTEVAL_PLUGINS": names}, "models")
        told = f"gpteval: GPTEVAL_PLUGINS names {names!r}, and no installed package of that name"
        assert done.stderr == (f"{told} is a plug-in{hint}\n" if hint else "")
        assert done.returncode == 0


def test_what_a_package_adds_is_listed_shown_and_checked(
    installed_example: dict[str, str],
) -> None:
    def rows(*words: str) -> dict[str, dict[str, object]]:
        lines = gpteval(installed_example, "plugins", *words, "--json").stdout.splitlines()
        return {row["name"]: row for row in map(json.loads, lines)}

    name = "gpteval-polarity:polarity"
    (shown,) = rows("show", "gpteval-polarity").values()
    assert shown == rows("list")[name] == rows()[name]
    assert rows("check")[name] == {**shown, "faults": []}
    assert (shown["version"], shown["state"], shown["error"]) == ("0.3.0", "loaded", "")
    assert (shown["tasks"], shown["metrics"]) == (["polarity"], ["agreement"])
    assert (shown["suites"], shown["recipes"], shown["models"]) == (["pair"], ["hasty"], [])
    assert gpteval(installed_example, "plugins", "check").returncode == 0
    assert "gpteval-polarity 0.3.0" in gpteval(installed_example, "--version").stdout


def test_checking_a_broken_plug_in_is_exit_code_1(site: Path) -> None:
    package(site, "gpteval-crash4", "1 / 0\n")
    done = gpteval(PLAIN | {"PYTHONPATH": str(site)}, "plugins", "check")
    assert (done.returncode, "failed\n  import: ZeroDivisionError" in done.stdout) == (1, True)


def test_an_unknown_plug_in_names_the_nearest(installed_example: dict[str, str]) -> None:
    done = gpteval(installed_example, "plugins", "show", "gpteval-polarty")
    assert done.returncode == 2
    assert "did you mean 'gpteval-polarity'" in done.stderr
