"""Every block of code in the repository's pages is run, or held to what it names.

What stands at its fence decides: `sh` is commands of gpteval that are run, `python` is run too,
`toml` is read by what reads it; a block without a name is commands that need data or weights, which
test_docs_commands.py runs with small ones, or one of `NOT_RUN`; `text` is no code. Blocks that
install something are run by .ci/run and .ci/tutorial, in a fresh environment.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pages import EXAMPLES, FENCE, PAGES, ROOT, Block, blocks, of_kind

from gpteval.cli.main import cli
from gpteval.studies.gate_config import settings
from gpteval.table import read_table

INSTALLS = re.compile(r"^\S*(pip install|python3 -m venv)", re.MULTILINE)
INSTALLED = {"README.md", "tutorial.md"}
"""Pages that install something in a fresh environment."""
RUN = {"README.md", "docs/baselines.md", *(str(page.relative_to(ROOT)) for page in EXAMPLES)}
"""Pages whose commands test_docs_commands.py runs, or test_matrix.py: those that print a table."""
NOT_RUN = {
    ("README.md", "cli/"): "a listing, which test_laws.py holds to the tree",
    ("CONTRIBUTING.md", "gpteval/"): "a listing of directories that are there",
    ("benchmarks/gpu/README.md", "python"): "hours, a GPU and real weights: options are looked up",
}
"""(page, first word) of blocks without a name at the fence that are not run, and why."""


def name(block: Block) -> tuple[str, str]:
    """Its page, and the first word in it."""
    return str(block.page.relative_to(ROOT)), block.text.split()[0]


def test_a_block_is_run_or_it_is_told_why_not() -> None:
    known = of_kind("sh", "python", "toml", "", "text")
    assert len(known) == sum(len(blocks(page)) for page in PAGES)
    plain = {name(block) for block in of_kind("") if not list(block.commands)}
    assert plain == set(NOT_RUN)
    assert {name(block)[0] for block in of_kind("") if list(block.commands)} <= RUN


def test_the_directories_that_contributing_lists_are_there() -> None:
    (listing,) = [b for b in of_kind("") if name(b) == ("CONTRIBUTING.md", "gpteval/")]
    assert all((ROOT / line.split()[0]).is_dir() for line in listing.lines)


SCRIPT = re.compile(r"python (benchmarks/[\w/]+\.py)([^`\n#|]*)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_benchmark_on_a_page_has_the_options_it_is_given(page: Path) -> None:
    for script, words in SCRIPT.findall(page.read_text(encoding="utf-8")):
        source = (ROOT / script).read_text(encoding="utf-8")
        given = re.findall(r"--[\w-]+", words)
        assert [word for word in given if f'"{word}"' not in source] == [], script


OF_TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""Pages that tell of commands as they are; a changelog also of those that were."""


@pytest.mark.parametrize("page", OF_TODAY, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_command_in_the_text_of_a_page_has_options_that_exist(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for span in re.findall(r"`gpteval ([a-z][^`]*)`", prose):
        words = [word.partition("|")[0] for word in shlex.split(span)]
        command = known(words[0])
        assert command is not None, span
        while isinstance(command, click.Group) and words[1:]:
            command, words = command.get_command(click.Context(command), words[1]), words[1:]
            assert command is not None, span
        options = {name for option in command.params for name in option.opts}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options, span


@pytest.mark.parametrize("page", sorted({b.page for b in of_kind("sh", "python")}), ids=str)
def test_the_blocks_of_a_page_run_in_their_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.name in INSTALLED:
        pytest.skip("in a fresh environment, by .ci/run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GPTEVAL_DATA", raising=False)
    for block in blocks(page):
        if block.kind == "sh":
            assert len(list(block.commands)) == len(block.text.splitlines()), block
            for words in block.commands:
                done = CliRunner().invoke(cli, words)
                assert done.exit_code == 0, f"{block}: {done.output}{done.exception}"
        elif block.kind == "python":
            exec(compile(block.text, str(block), "exec"), {"__name__": "page"})


def test_what_is_installed_is_run_by_continuous_integration() -> None:
    found = {block.page.name for block in of_kind("sh") if INSTALLS.search(block.text)}
    assert found == INSTALLED
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = [block for block in of_kind("sh") if block.page == ROOT / "README.md"]
    assert [f"readme_block {n}" in run for n, _ in enumerate(readme, start=1)] == [True, True]
    assert ".ci/tutorial" in run
    assert "docs/tutorial.md" in (ROOT / ".ci" / "tutorial").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", [b for b in of_kind("") if list(b.commands)], ids=str)
def test_the_options_of_a_command_exist(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in block.commands:
        for place in (word for word in words if word in ("BOOKS", "DATA")):
            Path(place).mkdir(exist_ok=True)
        command = known(words[0])
        assert command is not None, f"{block}: no command {words[0]!r}"
        command.make_context(words[0], words[1:])


def known(name: str) -> click.Command | None:
    """A command of gpteval's, or of a package of examples/."""
    own = click.Group()
    for page in EXAMPLES:
        sys.path.insert(0, str(page.parent))
        with suppress(AttributeError):
            module = importlib.import_module(page.parent.name.replace("-", "_"))
            module.gpteval_register_commands(own)
        sys.path.remove(str(page.parent))
    return cli.get_command(click.Context(cli), name) or own.commands.get(name)


@pytest.mark.parametrize("block", of_kind("toml"), ids=str)
def test_a_toml_block_is_read_by_what_reads_it(block: Block, tmp_path: Path) -> None:
    table = tomllib.loads(block.text)
    if "project" in table:
        example = (ROOT / "tests" / "plugin_example" / "pyproject.toml").read_text("utf-8")
        assert table["project"]["entry-points"].keys() == entry_points(example).keys()
        return
    (tmp_path / "pyproject.toml").write_text(block.text)
    if "tool" in table:
        read = settings(tmp_path, {})
        assert read.absolute == table["tool"]["gpteval"]["check"]["absolute"]
    else:
        assert read_table(tmp_path / "pyproject.toml").name == table["name"]


def entry_points(text: str) -> dict[str, dict[str, str]]:
    """The groups of a package's pyproject.toml."""
    groups: dict[str, dict[str, str]] = tomllib.loads(text)["project"]["entry-points"]
    return groups


def test_the_reference_is_what_the_docstrings_say() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert reference.PAGE.read_text("utf-8") == reference.page(), "run python docs/reference.py"


def test_the_reference_has_every_public_name() -> None:
    import gpteval

    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^### `(\w+)", text, re.MULTILINE))
    assert set(gpteval.__all__) - {"hookimpl", "Row"} <= shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_links_to_what_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
