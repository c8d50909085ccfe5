"""What software a number came from: versions and commit."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    """Commit of the checkout this package runs from, "+" appended if changed; "" elsewhere."""
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return ""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip()
