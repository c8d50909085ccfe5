"""New packages: what is made passes ruff, mypy strict and its own tests untouched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from click.testing import CliRunner

from gpteval.cli.main import cli
from gpteval.errors import ConfigError
from gpteval.scaffold import KINDS, new_package

ROOT = Path(__file__).parent.parent


def call(*words: object, place: Path, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*map(str, words)], cwd=place, env={**os.environ, **more}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def ruff() -> str:
    found = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if found is None:
        pytest.skip("ruff is not installed")
    return found


def registered(place: Path) -> str:
    """The metadata that `pip install -e` would leave, so that the package is found in place."""
    (name,) = re.findall(r'^name = "(.*)"', (place / "pyproject.toml").read_text(), re.MULTILINE)
    module = name.replace("-", "_")
    info = place / f"{module}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[gpteval]\nx = {module}\n")
    return name


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of every kind, in place."""
    place = tmp_path_factory.mktemp("packages")
    made = [new_package(f"my-{kind}", kind, place) for kind in KINDS]
    for package in made:
        registered(package)
    return made


def test_what_is_made_passes_ruff(packages: list[Path]) -> None:
    for package in packages:
        call(ruff(), "check", ".", place=package)
        call(ruff(), "format", "--check", ".", place=package)


def test_what_is_made_passes_mypy_strict(packages: list[Path]) -> None:
    pytest.importorskip("mypy")
    modules = [package / package.name.replace("-", "_") for package in packages]
    for place in (*packages, ROOT):  # gpteval's own settings, with what mypy keeps of them
        assert tomllib.loads((place / "pyproject.toml").read_text())["tool"]["mypy"]["strict"]
    call(sys.executable, "-m", "mypy", *modules, place=ROOT)


def test_its_own_tests_pass_untouched(packages: list[Path]) -> None:
    path = os.pathsep.join(map(str, packages))
    call(sys.executable, "-m", "pytest", "-q", *packages, place=packages[0].parent, PYTHONPATH=path)


@pytest.mark.parametrize("kind", ["classify", "metric"])
def test_it_is_installed_into_a_fresh_environment_and_found(kind: str, tmp_path: Path) -> None:
    place = new_package("mine", kind, tmp_path)
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    # What gpteval itself needs is shared; the package alone is installed, without the network.
    (site,) = home.glob("lib/python*/site-packages")
    shared = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({path!r})" for path in shared]
    (site / "shared.pth").write_text("\n".join(lines) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps"]
    call(*pip, "--no-build-isolation", place, place=tmp_path)
    done = call(python, "-m", "gpteval", "plugins", "show", "gpteval-mine", place=tmp_path)
    assert "loaded" in done.stdout
    call(python, "-m", "pytest", "-q", place / "tests", place=tmp_path)


def test_a_task_that_was_made_is_run(tmp_path: Path, tiny_directory: Path) -> None:
    place = new_package("mine", "classify", tmp_path)
    registered(place)
    words = ["run", "--tasks", "mine", "--model", tiny_directory, "--limit", 8, "--json"]
    command = [sys.executable, "-m", "gpteval", *words]
    done = call(*command, place=tmp_path, PYTHONPATH=str(place))
    assert '"gpteval-mine": "0.1.0"' in done.stdout


def test_the_command_says_where_the_package_is(tmp_path: Path) -> None:
    words = ["plugins", "new", "irony", "--kind", "regress", "--directory", str(tmp_path)]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert str(tmp_path / "gpteval-irony") in done.output
    assert (tmp_path / "gpteval-irony" / "gpteval_irony" / "data" / "rows.csv").is_file()


@pytest.mark.parametrize("name", ["", "../x", "Irony", "9lives", "a b", "x" * 41, "a--b"])
def test_a_name_that_no_package_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name"):
        new_package(name, "classify", tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    new_package("mine", "suite", tmp_path)
    with pytest.raises(ConfigError, match="is there: choose another name"):
        new_package("mine", "suite", tmp_path)
