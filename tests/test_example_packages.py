"""The packages in examples/ pass their own tests beside the built-ins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pages import EXAMPLES
from reader import installed


@pytest.mark.parametrize("name", [page.parent.name for page in EXAMPLES])
def test_an_example_package_passes_its_own_tests(name: str, tmp_path: Path) -> None:
    place = installed(name, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "."], cwd=place, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(place)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
