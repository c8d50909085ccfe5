"""One step of every method with tensors on a GPU, on a machine without one: `pretend_gpu.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PROGRAM = Path(__file__).with_name("pretend_gpu.py")
WAITS = {"fine-tuning": 0, "pre-training": 2}
"""How often an update waits for the GPU: pre-training reads its loss and norm."""

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available() or sys.platform != "linux",
    reason="of torch's CPU build on Linux; on a GPU test_gpu.py does it",
)


@pytest.fixture(scope="module")
def found() -> dict[str, int | str]:
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_a_tensor_of_the_cpu_that_meets_one_of_the_gpu_is_found(
    found: dict[str, int | str],
) -> None:
    assert "at least two devices, cuda:0 and cpu" in str(found["two devices"])


def test_every_method_keeps_to_the_gpu(found: dict[str, int | str]) -> None:
    assert len(found) >= 28
    failed = {name: said for name, said in found.items() if isinstance(said, str)}
    assert failed.keys() == {"two devices"}, failed


def test_an_update_waits_for_the_gpu_no_more_than_it_must(found: dict[str, int | str]) -> None:
    for name, waited in found.items():
        for method, most in WAITS.items():
            if method in name:
                assert waited == most, name
