"""A new plug-in package, offline: whole, tested, and ready to be edited."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from gpteval.errors import ConfigError
from gpteval.files import replacing, write_whole

TASKS: Mapping[str, tuple[str, ...]] = {
    "classify": ('text="text"', 'labels=("negative", "positive")'),
    "entailment": (
        'form="entailment"',
        'text=("premise", "hypothesis")',
        'labels=("entailment", "contradiction")',
    ),
    "similarity": (
        'form="similarity"',
        'text=("first", "second")',
        'labels=("different", "same")',
    ),
    "choice": ('form="choice"', 'text="question"', 'answers=("answer1", "answer2")'),
    "pairs": ('form="pairs"', 'text=("good", "bad")'),
    "regress": ('form="regress"', 'text=("first", "second")', 'label="score"', "scale=(0, 5)"),
}
"""Kind of task → what it says of its table."""

HELD_OUT = ('files={"train": "rows.csv"}', "held_out=4")
SCORED = ('files={"dev": "rows.csv"}',)
"""The table's files: a few rows held out to be scored, or (pairs) all of them scored."""

CODE: Mapping[str, tuple[str, ...]] = {
    "metric": ("metric.py",),
    "model": ("model.py", "network.py"),
    "recipe": ("recipe.py",),
    "suite": ("suite.py",),
}
"""Kind of anything else → the templates of its modules, the package's own first."""

KINDS = (*TASKS, *CODE)
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
LONGEST = 40
"""Characters of a name: the lines that it stands on stay short."""

NEXT: Mapping[str, str] = {
    "task": "Put rows of your own into `@module@/data/rows.csv` and say in `@module@/__init__.py`\n"
    "what its columns are; `gpteval tasks check @name@` shows what a model reads of them, and\n"
    "`gpteval run --tasks @name@ --model mini` fine-tunes and scores one.",
    "metric": "A task names it in `metrics`; `gpteval metrics` lists it.",
    "model": "`gpteval pretrain BOOKS --output out --preset @name@` trains one, and\n"
    "`gpteval run --tasks rte --sample --model out/model` fine-tunes it.",
    "recipe": "`gpteval run --tasks rte --sample --recipe @name@` uses it.",
    "suite": "`gpteval leaderboard` shows its mean where all its tasks have results.",
}
"""Kind → what the README says to do next."""


def new_package(name: str, kind: str, directory: Path) -> Path:
    """Write a package of its own into a directory.

    Args:
        name: Of what it offers; the package is gpteval-NAME.
        kind: One of `KINDS`.
        directory: Where the package's directory goes.

    Returns:
        The package's directory.

    Raises:
        ConfigError: No such kind, a name that no package can have, or something is there.
    """
    if kind not in KINDS:
        raise ConfigError(f"kind is {', '.join(KINDS)}, not {kind!r}")
    own = name.removeprefix("gpteval-")
    if not NAME.fullmatch(own) or len(own) > LONGEST:
        raise ConfigError(
            f"name {name!r:.60}: at most {LONGEST} lower-case letters, digits, - and _, "
            "beginning with a letter"
        )
    package = f"gpteval-{own}"
    place = directory / package
    if place.exists():
        raise ConfigError(f"{place} is there: choose another name, or remove it")
    with replacing(place) as partial:
        for path, text in _texts(own, kind, package).items():
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(partial / path, text)
    return place


def _texts(name: str, kind: str, package: str) -> dict[str, str]:
    """Path in the package → what stands there."""
    module = package.replace("-", "_")
    family = "task" if kind in TASKS else kind
    code = CODE.get(kind, ("task.py",))
    wanted = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        ".github/workflows/test.yml": "workflow.yml",
        f"{module}/__init__.py": code[0],
        f"tests/test_{name.replace('-', '_')}.py": f"{family}_test.py",
    }
    wanted |= {f"{module}/model.py": template for template in code[1:]}
    shown = "task" if kind in TASKS else "model family" if kind == "model" else kind
    words = {"package": package, "module": module, "name": name, "kind": shown}
    texts = {path: _filled(f"{template}.in", words, kind) for path, template in wanted.items()}
    if kind in TASKS:
        texts[f"{module}/data/rows.csv"] = _read(f"data/{kind}.csv")
    return texts


def _filled(template: str, words: Mapping[str, str], kind: str) -> str:
    text = _read(template).replace("@next@", NEXT["task" if kind in TASKS else kind])
    if kind in TASKS:
        lines = [*TASKS[kind], *(SCORED if kind == "pairs" else HELD_OUT)]
        text = text.replace("@table@", "\n".join(f"    {line}," for line in lines))
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text


def _read(template: str) -> str:
    return (files(__name__) / "templates" / template).read_text("utf-8")
