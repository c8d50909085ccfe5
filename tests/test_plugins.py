"""Plug-ins: a real package installed by pip, broken ones, and two of one name."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path

import pytest

from gpteval.errors import PluginError, UnknownNameError
from gpteval.loading import GROUP, OWN
from gpteval.plugins import KINDS, Registry, registry

EXAMPLE = Path(__file__).parent / "plugin_example"


def package(site: Path, name: str, module_text: str) -> list[EntryPoint]:
    """Lay a package out on the path as pip would, and return its entry points."""
    module = name.replace("-", "_")
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


@pytest.mark.parametrize("hook", KINDS)
def test_all_that_is_built_in_passes_the_checks_of_what_strangers_offer(hook: str) -> None:
    known = registry()
    offers = [(name, item) for plugin, name, item in known._offers(hook) if plugin.package == OWN]
    assert offers
    assert not [wrong for name, item in offers if (wrong := known.fault(hook, name, item))]
