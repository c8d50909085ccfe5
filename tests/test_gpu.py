"""Every method on a GPU beside the same on the CPU; on a machine without one, the CPU twice.

The kit of `benchmarks/gpu` runs these where a GPU is: `pytest -m gpu`.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import flash_on_cpu  # noqa: F401 (registers the kernel)
import pytest
import torch
from pytest import MonkeyPatch
from test_finetune import examples, toy
from test_huggingface import llama, write
from test_scoring import prompts
from torch import Tensor, nn

from gpteval import Compute, FinetuneConfig, Model, PretrainConfig, load_model, run
from gpteval.compute.device import Machine, compile_layers, resolve
from gpteval.corpus.tokens import RECORD, Documents, TokenFile
from gpteval.encode.batch import Encoded, pack
from gpteval.encode.examples import encode_examples
from gpteval.pretrain.bits_per_byte import Objective
from gpteval.pretrain.pretraining import Pretraining
from gpteval.score.likelihood import fold_prompts, score_prompts
from gpteval.train.finetune import Finetuning, Saving
from gpteval.train.head import TaskModel
from gpteval.tree import fold
from gpteval_models import packed
from gpteval_models.dropout import Dropout
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.packed import PackedSpans
from gpteval_models.spans import SpanBlocks

HALF = 3e-2
"""Largest relative distance of bf16 from fp32, of a whole tensor."""


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    threads = torch.get_num_threads()
    yield torch.device(request.param)
    torch.set_num_threads(threads)


@pytest.fixture(params=["gpt", "llama"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    torch.manual_seed(0)
    if request.param == "gpt":
        lm: Model = GPT(GPTConfig(10, context=64, width=32, layers=2, heads=4, dropout=0.0))
        return lm.eval()
    return load_model(f"hf:{write(tmp_path / 'model', llama())}").model


def distance(found: Tensor, expected: Tensor) -> float:
    found, expected = found.detach().double().cpu(), expected.detach().double().cpu()
    return float((found - expected).norm() / expected.norm())


def groups() -> list[Encoded]:
    torch.manual_seed(1)
    trees = []
    for number in range(6):
        shared, branch = (torch.randint(10, (n + number,)).tolist() for n in (12, 5))
        sequences = [shared + branch + [n] * 3 for n in range(3)] + [[*shared, 7, 8, 9, 1, 2]]
        trees.append(Encoded(str(number), fold(sequences), (0.0, 1.0, 0.0, 0.0), number))
    return trees


def task_model(model: Model, kind: str = "choose") -> TaskModel:
    torch.manual_seed(2)
    made = TaskModel(deepcopy(model), toy(kind), dropout=0.0)
    made.model.dropout = 0.0
    return made


def gradients(
    model: TaskModel, device: torch.device, precision: str, backend: str = ""
) -> dict[str, Tensor]:
    model = deepcopy(model).to(device)
    if backend:  # of the copy: a compiled function keeps the layer it was made of
        compile_layers(model, precision, backend)
    machine = Machine(device, precision)
    with machine.autocast():
        task_loss, lm_loss = model.losses(pack(groups(), 1).to(device), 0.5)
    (task_loss + 0.5 * lm_loss).backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return found | {"loss": (task_loss + 0.5 * lm_loss).detach()}


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-4), ("bf16", HALF)])
def test_loss_and_gradients(
    model: Model, device: torch.device, precision: str, most: float
) -> None:
    made = task_model(model)
    expected = gradients(made, torch.device("cpu"), "fp32")
    found = gradients(made, device, precision)
    assert found.keys() == expected.keys()
    flat = [torch.cat([g[n].cpu().flatten() for n in expected]) for g in (found, expected)]
    assert distance(*flat) < most
    assert distance(found["loss"], expected["loss"]) < most


@pytest.mark.parametrize("window", [0, 3])
@pytest.mark.parametrize("heads", [4, 2])
def test_attention_in_one_call_is_that_of_blocks(
    device: torch.device, heads: int, window: int
) -> None:
    """The kernel of variable lengths, with ancestors, fewer heads of keys, and a window."""
    spans = pack(groups(), 1).trees.spans
    count = spans[-1].stop
    torch.manual_seed(0)
    q, kv = torch.randn(count, 1, 4, 16), torch.randn(count, 2, heads, 16)
    weight = torch.randn(count, 4, 16)
    blocks = SpanBlocks(spans, torch.device("cpu"))
    inputs = [x.clone().requires_grad_() for x in (q, kv)]
    expected = blocks.unsort(blocks.attend(*map(blocks.sort, inputs), Dropout(0.0), 0.25, window))
    to_expected = torch.autograd.grad((expected * weight).sum(), inputs)
    moved = [x.clone().to(device).requires_grad_() for x in (q, kv)]
    with torch.autocast(device.type, torch.bfloat16):
        read = PackedSpans(spans, device).attend(*moved, Dropout(0.0), 0.25, window)
    found = torch.autograd.grad((read.float() * weight.to(device)).sum(), moved)
    assert distance(read, expected) < HALF
    for ours, reference in zip(found, to_expected, strict=True):
        assert distance(ours, reference) < HALF


def test_attention_in_one_call_drops_at_its_rate(device: torch.device) -> None:
    spans = pack(groups(), 1).trees.spans
    q = torch.zeros(spans[-1].stop, 1, 2, 16, device=device)
    kv = torch.ones(spans[-1].stop, 2, 2, 16, device=device)
    packed = PackedSpans(spans, device)
    with torch.autocast(device.type, torch.bfloat16):
        read = torch.stack([packed.attend(q, kv, Dropout(0.3), 1.0) for _ in range(200)]).float()
    assert read.std() > 0.05
    assert read.mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-3), ("bf16", 0.3)])
def test_likelihoods(model: Model, device: torch.device, precision: str, most: float) -> None:
    def totals(where: torch.device, precision: str) -> list[float]:
        context = Machine(where, precision).scoring()
        scored = score_prompts(deepcopy(model).to(where), fold_prompts(prompts()), autocast=context)
        return [c.total for s in scored for c in (*s.candidates, *s.neutral)]

    expected = totals(torch.device("cpu"), "fp32")
    assert totals(device, precision) == pytest.approx(expected, abs=most)


def test_a_fine_tuning_goes_the_same_way(tmp_path: Path, device: torch.device) -> None:
    def losses(where: str, number: int) -> list[float]:
        changes = {"dropout": 0.0, "classifier_dropout": 0.0, "epochs": 1}
        found = run(
            "copa,rte,stsb", model="mini", sample=True, limit=64, changes=changes,
            compute=Compute(where, "fp32"), results=tmp_path / str(number),
        )  # fmt: skip
        return [h["loss"] for r in found for h in r.history]

    assert losses(device.type, 0) == pytest.approx(losses("cpu", 1), abs=2e-3)


def training(model: TaskModel, device: torch.device, path: Path | None = None) -> Finetuning:
    saving = Saving(path, 0.0) if path else None
    config = FinetuneConfig(dropout=0.1, batch_size=4, lr=1e-3)
    autocast = Machine(device, "fp32").autocast
    return Finetuning(model.to(device), config, seed=0, autocast=autocast, saving=saving)


def rows(loaded: object, model: TaskModel) -> list[Encoded]:
    return encode_examples(examples("choose", 12), toy("choose"), loaded, model.specials, 64)


def test_a_saved_training_goes_on_as_if_never_stopped(
    tiny: object, tmp_path: Path, device: torch.device
) -> None:
    """Dropout's generator is a GPU's own there: it is saved too."""

    def losses(stop: int, path: Path) -> list[float]:
        torch.manual_seed(0)
        model = TaskModel(deepcopy(tiny.model), toy("choose"), 0.1)
        made = training(model, device, path)
        encoded = rows(tiny.tokenizer, model)
        made._resume()
        for update in range(made.done.updates + 1, stop + 1):
            made.update(encoded[:4], update, 6)
            made._save_when_due()
        made._read(late=0)
        return made.done.recent

    losses(3, tmp_path / "state")
    torch.manual_seed(9)
    resumed = losses(6, tmp_path / "state")
    assert resumed == pytest.approx(losses(6, tmp_path / "other"), abs=1e-5)


def test_a_pre_training_goes_the_same_way(tmp_path: Path, device: torch.device) -> None:
    tokens = torch.randint(50, (4000,), generator=torch.Generator().manual_seed(0)).numpy()
    tokens.astype("uint16").tofile(tmp_path / "tokens")

    def losses(where: torch.device) -> list[float]:
        import numpy as np

        table = np.array([(0, 0, 0, len(tokens))], RECORD)
        documents = Documents(table, ("random",), len(tokens))
        data = TokenFile(np.memmap(tmp_path / "tokens", np.uint16, "r"), documents, "random")
        torch.manual_seed(0)
        shape = GPTConfig(50, context=32, width=32, layers=2, heads=2, dropout=0.0)
        config = PretrainConfig(
            context=32, batch_size=4, updates=20, warmup=2, lr=1e-2, dropout=0.0
        )
        made = Pretraining(
            Objective(GPT(shape).to(where)), data, None, config, Machine(where, "fp32")
        )
        return [made.step()[1] for _ in range(20)]

    assert losses(device) == pytest.approx(losses(torch.device("cpu")), abs=5e-3)


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-4), ("bf16", HALF)])
def test_what_is_compiled_computes_the_same(
    model: Model, device: torch.device, precision: str, most: float, monkeypatch: MonkeyPatch
) -> None:
    if device.type == "cpu":  # as on a GPU: the kernel is that of flash_on_cpu.py
        monkeypatch.setattr(packed, "SpanBlocks", PackedSpans)
    made = task_model(model)
    expected = gradients(made, device, precision)
    backend = "aot_eager" if device.type == "cpu" else "inductor"
    found = gradients(made, device, precision, backend)
    assert distance(found["loss"], expected["loss"]) < most
    flat = [torch.cat([g[n].cpu().flatten() for n in expected]) for g in (found, expected)]
    assert distance(*flat) < most


def test_layers_compiled_whole_share_one_graph(
    tmp_path: Path, device: torch.device, monkeypatch: MonkeyPatch
) -> None:
    """Whatever the batch: other lengths, other numbers of spans; one more where none is shared."""
    if device.type == "cpu":
        monkeypatch.setattr(packed, "SpanBlocks", PackedSpans)
    made = task_model(load_model(f"hf:{write(tmp_path / 'model', llama())}").model).to(device)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compile_layers(made, "bf16", "aot_eager")
    plain = [Encoded(e.id, fold([list(e.tree.tokens)]), (1.0,), 0) for e in groups()]
    graphs = []
    for batch in (*(groups()[first:] for first in range(5)), plain, plain[2:]):
        with Machine(device, "bf16").autocast():
            task_loss, _ = made.losses(pack(batch, 1).to(device), 0.0)
        task_loss.backward()
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs == [graphs[0]] * 5 + [graphs[0] + 1] * 2
    assert not torch._dynamo.utils.counters["graph_break"]


def test_a_batch_that_does_not_fit_is_split(tiny: object, device: torch.device) -> None:
    """On a GPU by its real limit; on a CPU the first try is made to fail."""
    model = TaskModel(deepcopy(tiny.model), toy("choose"), 0.0)
    made, encoded = training(model, device), rows(tiny.tokenizer, model)
    with out_of_memory(made.model, device):
        made.update(encoded, 1, 6)
        made._read(late=0)
    assert made.done.updates == 1
    assert made.gradients.most_tokens < sum(len(e.tree.tokens) for e in encoded)


class out_of_memory:
    """Makes whole batches too large: the layers ask a GPU for more than it has."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model, self.device, self.original = model, device, model.losses

    def __enter__(self) -> None:
        def losses(batch: object, weight: float) -> object:
            if batch.examples > 6 and self.device.type == "cuda":
                torch.empty(1 << 42, dtype=torch.uint8, device=self.device)
            if batch.examples > 6:
                raise torch.OutOfMemoryError
            return self.original(batch, weight)

        self.model.losses = losses

    def __exit__(self, *_: object) -> None:
        self.model.losses = self.original


def test_auto_takes_the_gpu_in_bf16(device: torch.device) -> None:
    if device.type == "cuda":
        assert resolve(Compute()) == Machine(device, "bf16")
