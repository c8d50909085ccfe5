"""The packages in examples/ pass their own tests beside the built-ins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir()))
def test_an_example_package_passes_its_own_tests(name: str, tmp_path: Path) -> None:
    place = shutil.copytree(EXAMPLES / name, tmp_path / name)
    points = re.findall(r"entry-points.gpteval\]\n(.*)", (place / "pyproject.toml").read_text())
    info = place / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[gpteval]\n{points[0].replace(chr(34), '')}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "."], cwd=place, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(place)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
