import os
import platform
import subprocess
import sys

import pytest
import torch

from gpteval.compute.device import compile_layers, keep_freed_memory, resolve
from gpteval.config import Compute
from gpteval.encode.batch import Encoded, pack
from gpteval.errors import ConfigError
from gpteval.tree import fold


def test_cpu_computes_in_fp32_unless_told_otherwise():
    assert resolve(Compute("cpu")).precision == "fp32"
    assert resolve(Compute("cpu", "bf16")).precision == "bf16"


def test_auto_takes_the_first_device_that_is_there():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu"
    assert resolve(Compute()).device.type == best


@pytest.mark.parametrize(
    "name", ["tpu", "cuda:x", "cuda:99", "mps" if not torch.mps.is_available() else "xpu"]
)
def test_a_device_that_cannot_be_used_is_one_clear_line(name):
    with pytest.raises(ConfigError, match=name) as caught:
        resolve(Compute(name))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="torch without MKL")
@pytest.mark.parametrize(("chosen", "mode"), [("", "AUTO"), ("COMPATIBLE", "COMPATIBLE")])
def test_products_repeat_unless_the_user_chose_otherwise(chosen, mode):
    code = """
from gpteval.config import Compute
from gpteval.compute.device import resolve
import torch
resolve(Compute("cpu"))
torch.randn(64, 64) @ torch.randn(64, 64)
"""
    environment = {k: v for k, v in os.environ.items() if k != "MKL_CBWR"} | {"MKL_VERBOSE": "1"}
    environment |= {"MKL_CBWR": chosen} if chosen else {}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert f"CNR:{mode}" in told.stdout


def test_linear_layers_multiply_at_the_precision():
    torch.manual_seed(0)
    x, layer = torch.randn(5, 64), torch.nn.Linear(64, 7, bias=False)
    exact = x.double() @ layer.weight.double().T
    rounded = x.bfloat16().double() @ layer.weight.bfloat16().double().T
    for precision, expected, apart in (("fp32", exact, 1e-6), ("bf16", rounded, 4e-3)):
        with resolve(Compute("cpu", precision)).autocast():
            product = layer(x).double()
        torch.testing.assert_close(product, expected, atol=apart, rtol=apart)


def computed(model, size):
    """Logits of a sequence, and the gradient of one matrix."""
    model.zero_grad()
    batch = pack([Encoded("0", fold([list(range(5, 5 + size))]), (1.0,), 0)], 1)
    logits = model.logits(model.hidden(batch.trees))
    torch.autograd.backward(logits.logsumexp(-1).sum())
    return logits.detach(), model.blocks[0].up.weight.grad.clone()


def test_compiled_layers_compute_the_same_from_one_graph(tiny):
    tiny.model.eval()
    sizes = (7, 12, 30)
    expected = [computed(tiny.model, size) for size in sizes]
    torch._dynamo.utils.counters.clear()
    compile_layers(tiny.model, "fp32", "aot_eager")
    for size, same in zip(sizes, expected, strict=True):
        torch.testing.assert_close(computed(tiny.model, size), same, atol=1e-5, rtol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert not torch._dynamo.utils.counters["graph_break"]


REUSE = """
import resource, sys
import torch
from gpteval.compute.device import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    assert keep_freed_memory() and keep_freed_memory()
for _ in range(8):  # a small block in the middle of a freed one costs another, once or twice
    torch.ones(1 << 24)
before = faults()
for _ in range(3):
    torch.ones(1 << 24)
print(faults() - before)
"""


def page_faults(way):
    command = [sys.executable, "-c", REUSE, way]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_freed_memory_is_used_again_without_asking_the_system():
    assert page_faults("keep") < 1000 < page_faults("leave")


def test_other_allocators_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
