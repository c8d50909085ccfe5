"""One step of every method on tensors of a GPU that isn't there, with torch's CPU build.

torch's FakeTensorMode computes shapes and devices, no values, and refuses what a GPU would: two
tensors of an operation on two devices. Autograd asks a GPU's runtime for streams besides; here
torch's own stand-in for it is put in its place (`stand_in`), which concerns the whole process. So
this is a program: it prints a JSON object, case → how often the CPU waited for the GPU, or a
traceback. It is of torch 2.13 on Linux: another's tables may lie otherwise.
"""

from __future__ import annotations

import ctypes
import json
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from test_finetune import toy
from test_gpu import groups
from test_huggingface import gpt2, llama
from test_scoring import prompts
from torch import Tensor
from torch._subclasses import fake_tensor
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._python_dispatch import TorchDispatchMode

from gpteval import FinetuneConfig, Model, PretrainConfig
from gpteval.compute.device import Machine
from gpteval.corpus.tokens import RECORD, Documents, TokenFile
from gpteval.encode.batch import Encoded
from gpteval.pretrain.bits_per_byte import Objective
from gpteval.pretrain.pretraining import Pretraining
from gpteval.score.likelihood import fold_prompts, score_prompts
from gpteval.train.finetune import Finetuning
from gpteval.train.head import TaskModel
from gpteval.train.predict import probabilities
from gpteval.tree import fold
from gpteval_models import attention
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.huggingface import HuggingFaceModel

GPU = torch.device("cuda", 0)
ASKED = (2, 3, 4)
"""Places in the table of torch's `AcceleratorHooksInterface`: isBuilt, isAvailable and
hasPrimaryContext, after two destructors."""

kept: list[Any] = []
"""What torch has the address of."""


def rows(kind: str) -> list[Encoded]:
    """Questions with four answers that share text, or single texts of two classes."""
    if kind == "choose":
        return groups()
    return [Encoded(e.id, fold([e.tree.tokens]), (0.0, 1.0), e.index) for e in groups()]


MODELS = [
    *product(("gpt", "llama"), ("fp32", "bf16")),
    *product(("llama masked", "llama unfolded", "gpt2"), ("bf16",)),
]
"""Families and ways to read trees. Of an LSTM, torch's fake tensors know no packed sequences."""

ROWS = {kind: rows(kind) for kind in ("choose", "classify")}
PROMPTS = fold_prompts(prompts())


def stand_in() -> None:
    """Have torch take a GPU for present, and its own guard that does nothing for that GPU's.

    torch puts that guard in place itself where its CUDA build finds no GPU.
    """
    lib = Path(torch.__file__).parent / "lib"
    c10, core = (ctypes.CDLL(str(lib / name)) for name in ("libc10.so", "libtorch_cpu.so"))
    zero, one = (ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(f) for f in (_zero, _one))
    address = [ctypes.cast(function, ctypes.c_void_p).value for function in (zero, one)]
    # A guard that counts no devices is what torch replaces.
    methods = (ctypes.c_void_p * 64)(*[address[0]] * 64)
    guard = ctypes.c_void_p(ctypes.addressof(methods))
    guards = (ctypes.c_void_p * 2).in_dll(c10, "_ZN3c104impl26device_guard_impl_registryE")
    guards[1] = ctypes.addressof(guard)
    c10._ZN3c104impl24ensureCUDADeviceGuardSetEv()
    find = core._ZN2at6detail12getCUDAHooksEv
    find.restype = ctypes.c_void_p
    hooks = ctypes.c_void_p.from_address(find())
    table = (ctypes.c_void_p * 64).from_buffer_copy(
        (ctypes.c_void_p * 64).from_address(hooks.value)
    )
    for place in ASKED:
        table[place] = address[1]
    hooks.value = ctypes.addressof(table)
    kept.extend([zero, one, methods, guard, table])
    torch.cuda.is_available = torch.cuda.is_bf16_supported = lambda *_: True
    torch.cuda.Event = Event
    fake_tensor.init_gpu_context = lambda *_: None
    assert torch.accelerator.current_accelerator() == torch.device("cuda")


def _zero(_: object) -> int:
    return 0


def _one(_: object) -> int:
    return 1


class Event:
    """Of a stream without work."""

    def record(self) -> None:
        """Nothing is under way."""

    synchronize = record


class Values(TorchDispatchMode):
    """Answers for what depends on values, which there are none of: 0, and all that may be there.

    Attributes:
        waited: How often the CPU waited for something of the GPU's.
    """

    waited = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """What torch asks of a mode."""
        asked, more = str(func), kwargs or {}
        if asked == "aten._to_copy.default" and not more.get("non_blocking"):
            self.waited += args[0].is_cuda and torch.device(more.get("device") or GPU) != GPU
        if asked not in ANSWERS:
            return func(*args, **more)
        self.waited += args[0].is_cuda
        return ANSWERS[asked](args[0])


def _value(tensor: Tensor) -> float:
    return 0.0 if tensor.is_floating_point() else 0


ANSWERS: dict[str, Callable[[Tensor], object]] = {
    "aten._local_scalar_dense.default": _value,
    "aten.item.default": _value,
    "aten.equal.default": lambda x: False,
    "aten._unique2.default": lambda x: (x.clone(), torch.zeros_like(x), x.new_empty(0)),
    "aten.nonzero.default": lambda x: x.new_empty((x.numel(), x.ndim), dtype=torch.long),
    "aten.pin_memory.default": torch.clone,
    "aten._pin_memory.default": torch.clone,
}


class Pretence(fake_tensor.FakeTensorMode):
    """That doesn't reach for the GPU where a tensor is made of numbers."""

    avoid_device_init = True


def model(name: str) -> Model:
    """A small one, made on the GPU."""
    with GPU:
        if name == "gpt":
            return GPT(GPTConfig(10, context=64, width=32, layers=2, heads=4))
        kind, _, reading = name.partition(" ")
        made = HuggingFaceModel((llama if kind == "llama" else gpt2)(), "a test")
        made.reading = reading or "spans"
        assert reading or attention.install(made.lm)
        return made


def fine_tuning(name: str, machine: Machine, kind: str, lm_weight: float, values: Values) -> int:
    """An update, in which nobody waits for the GPU, and a prediction."""
    with GPU:
        made = TaskModel(model(name), toy(kind), 0.1)
    made.model.dropout = 0.1
    config = FinetuneConfig(lm_weight=lm_weight, batch_size=4)
    training = Finetuning(made, config, 0, autocast=machine.autocast)
    training.update(ROWS[kind][:4], 1, 2)
    waited = values.waited
    state = [t for moments in training.optimiser.state.values() for t in moments.values()]
    assert state
    assert all(t.device == GPU for t in (*state, *made.parameters()))
    assert len(probabilities(made, ROWS[kind], autocast=machine.autocast)) == len(ROWS[kind])
    return waited


def zero_shot(name: str, machine: Machine, values: Values) -> int:
    """Likelihoods of a few prompts."""
    scored = score_prompts(model(name), PROMPTS, autocast=machine.scoring())
    assert len(scored) == len(PROMPTS.prompts)
    return values.waited


def pre_training(name: str, machine: Machine, corpus: Path, values: Values) -> int:
    """An update."""
    table = np.array([(0, 0, 0, 4000)], RECORD)
    documents = Documents(table, ("random",), 4000)
    data = TokenFile(np.memmap(corpus, np.uint16, "r"), documents, "random")
    config = PretrainConfig(context=32, batch_size=4, updates=20, warmup=2)
    Pretraining(Objective(model(name)), data, None, config, machine).step()
    return values.waited


def two_devices(values: Values) -> int:
    """What has to fail."""
    (torch.ones(2, device=GPU, requires_grad=True) * torch.ones(2)).sum().backward()
    return values.waited


def cases(corpus: Path) -> Iterator[tuple[str, Callable[[Values], int]]]:
    """Every method by what it is called."""
    yield "two devices", two_devices
    for name, precision in MODELS:
        machine, about = Machine(GPU, precision), f"{name}, {precision}: "
        for kind, weight in (("choose", 0.5), ("classify", 0.0)):
            update = partial(fine_tuning, name, machine, kind, weight)
            yield f"{about}fine-tuning to {kind}", update
        yield f"{about}zero-shot", partial(zero_shot, name, machine)
        yield f"{about}pre-training", partial(pre_training, name, machine, corpus)


def attempt(case: Callable[[Values], int]) -> int | str:
    """How often a case waited for the GPU, or how it failed."""
    try:
        with Pretence(shape_env=ShapeEnv()), Values() as values:
            return case(values)
    except Exception:
        return traceback.format_exc()


def main() -> None:
    """Try every case."""
    stand_in()
    torch.compiler.set_stance("force_eager")
    with tempfile.TemporaryDirectory() as directory:
        corpus = Path(directory, "tokens")
        (np.arange(4000) % 10).astype(np.uint16).tofile(corpus)
        print(json.dumps({name: attempt(case) for name, case in cases(corpus)}))


if __name__ == "__main__":
    main()
