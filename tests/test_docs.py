"""Every block of code in README, docs/ and the examples' READMEs is run, or held to what it names.

What stands at its fence decides: `sh` is commands of gpteval that are run, `python` is run too,
`toml` is read by what reads it; a block without a name is commands that need data or weights, whose
options have to exist, or a listing that another test holds to the tree; `text` is no code. Blocks
that install something are run by .ci/run and .ci/tutorial, in a fresh environment.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gpteval.cli.main import cli
from gpteval.studies.gate_config import settings
from gpteval.table import read_table

ROOT = Path(__file__).parent.parent
EXAMPLES = [*ROOT.glob("examples/*/README.md")]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *EXAMPLES]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLS = re.compile(r"^\S*(pip install|python3 -m venv)", re.MULTILINE)
COMMAND = re.compile(r"(?:^|-m )gpteval ((?!plugins new)[a-z].*)$")
INSTALLED = {"README.md", "tutorial.md"}
"""Pages that install something in a fresh environment."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, and the line where it begins."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> Iterator[list[str]]:
        """The words of its lines that call gpteval, "…" for what is left out taken away."""
        for line in re.sub(r"\\\n\s*", " ", self.text).splitlines():
            if found := COMMAND.search(line.partition("  #")[0].strip()):
                yield [word for word in shlex.split(found[1]) if word != "…"]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in FENCE.finditer(text)
    ]


def of_kind(*kinds: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.kind in kinds]


def test_no_block_is_of_a_kind_that_nothing_runs() -> None:
    known = of_kind("sh", "python", "toml", "", "text")
    assert len(known) == sum(len(blocks(page)) for page in PAGES)


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
def test_the_options_of_a_command_that_is_not_run_exist(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in block.commands:
        for place in (word for word in words if word in ("BOOKS", "DATA")):
            Path(place).mkdir(exist_ok=True)
        command = known(words[0], block.page)
        assert command is not None, f"{block}: no command {words[0]!r}"
        command.make_context(words[0], words[1:])


def known(name: str, page: Path) -> click.Command | None:
    """A command of gpteval's, or of the package whose page it is."""
    if page not in EXAMPLES:
        return cli.get_command(click.Context(cli), name)
    own, module = click.Group(), page.parent.name.replace("-", "_")
    sys.path.insert(0, str(page.parent))
    with suppress(AttributeError):
        importlib.import_module(module).gpteval_register_commands(own)
    sys.path.remove(str(page.parent))
    return own.commands.get(name) or cli.get_command(click.Context(cli), name)


@pytest.mark.parametrize("block", of_kind("toml"), ids=str)
def test_a_toml_block_is_read_by_what_reads_it(block: Block, tmp_path: Path) -> None:
    table = tomllib.loads(block.text)
    (tmp_path / "pyproject.toml").write_text(block.text)
    if "tool" in table:
        read = settings(tmp_path, {})
        assert read.absolute == table["tool"]["gpteval"]["check"]["absolute"]
    else:
        assert read_table(tmp_path / "pyproject.toml").name == table["name"]


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
