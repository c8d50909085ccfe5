"""The Markdown pages of the repository, their blocks of code, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
EXAMPLES = [page for page in PAGES if page.parent.parent == ROOT / "examples"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|-m )gpteval ((?!plugins new)[a-z].*)$")


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
    def lines(self) -> list[str]:
        """Its lines without comments; one that ends in a backslash goes on in the next."""
        joined = re.sub(r"\\\n\s*", " ", self.text)
        lines = (line.partition("  #")[0].strip() for line in joined.splitlines())
        return [line for line in lines if line]

    @property
    def commands(self) -> Iterator[list[str]]:
        """The words of its lines that call gpteval, "…" for what is left out taken away."""
        for line in self.lines:
            if found := COMMAND.search(line):
                yield [word for word in shlex.split(found[1]) if word != "…"]


def blocks(page: Path) -> list[Block]:
    """Its blocks in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in FENCE.finditer(text)
    ]


def of_kind(*kinds: str) -> list[Block]:
    """All blocks with one of these words at their fence."""
    return [block for page in PAGES for block in blocks(page) if block.kind in kinds]
