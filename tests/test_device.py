import pytest
import torch

from gpteval.config import Compute
from gpteval.errors import ConfigError
from gpteval.train.device import resolve


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


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_autocast_multiplies_matrices_at_the_precision(precision, dtype):
    machine = resolve(Compute("cpu", precision))
    with machine.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == dtype
