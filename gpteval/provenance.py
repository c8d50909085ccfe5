"""What software a number came from: versions, plug-ins, commit; and digests of settings."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gpteval.plugins import registry

LIBRARIES = ("gpteval", "torch", "tokenizers", "transformers", "datasets", "scikit-learn")


@cache
def versions() -> Mapping[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:  # transformers is an extra
            continue
    return found


def plugins() -> Mapping[str, str]:
    """Package → version of every plug-in that loaded."""
    return {p.package: p.version for p in registry().plugins if not p.error}


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


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, the same whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
