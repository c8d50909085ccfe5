"""What software a number came from: versions and commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout, where this package runs from one."""

CODE = ("gpteval", "models", "tasks", "pyproject.toml")
"""What makes numbers in a checkout: results that are written there change nothing."""

LIBRARIES = ("gpteval", "torch", "tokenizers", "transformers", "datasets", "scikit-learn")


@cache
def versions() -> Mapping[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    installed = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            installed[library] = version(library)
        except PackageNotFoundError:  # transformers is an extra
            continue
    return installed


@cache
def commit() -> str:
    """Commit of the checkout this package runs from, "+" appended if changed.

    Elsewhere, in an image that was built without it, what GPTEVAL_COMMIT says, or "".
    """
    if not (ROOT / ".git").exists():
        return os.environ.get("GPTEVAL_COMMIT", "")
    name = _git("describe", "--always", "--abbrev=12", "--exclude=*")
    changed = name and _git("status", "--porcelain", "--untracked-files=no", "--", *CODE)
    return f"{name}+" if changed else name


def _git(*words: str) -> str:
    """What git says in the checkout; "" where it fails, or is not installed."""
    try:
        said = subprocess.run(
            ["git", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return said.stdout.strip()
