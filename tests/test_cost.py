"""The arithmetic on record against torch's own counter, and what a machine can do."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gpteval import FinetuneConfig, Loaded
from gpteval.compute.cost import (
    Work,
    attention_layers,
    finetuning_cost,
    forward_flops,
    matmul_ceiling,
    matrix_parameters,
    peak_memory,
    training_flops,
)
from gpteval.compute.device import Machine
from gpteval.encode.batch import Encoded, pack
from gpteval.train.adapter import add_adapter
from gpteval.train.finetune import Training
from gpteval.tree import fold

CPU = Machine(torch.device("cpu"), "fp32")
SHARED = list(range(5, 25))
TREE = fold([[*SHARED, 1, 2, 3], [*SHARED, 4, 5, 6, 7]])


def test_matrix_products_are_those_torch_counts(tiny: Loaded) -> None:
    model, batch = tiny.model, pack([Encoded("0", TREE, (1.0,), 0)], 1)
    with FlopCounterMode(display=False) as counter:
        model.logits(model.hidden(batch.trees)[:10])
    found = counter.get_flop_counts()["Global"]
    counted = found[torch.ops.aten.addmm] + found[torch.ops.aten.mm]
    assert counted == forward_flops(model, len(TREE.tokens), 0, predicted=10)


@pytest.mark.parametrize("lora", [False, True])
def test_products_of_both_passes_are_those_torch_counts(tiny: Loaded, lora: bool) -> None:
    """Frozen weights have no gradient; nor has what the first layer reads, which is not told."""
    model = deepcopy(tiny.model)
    if lora:
        pytest.importorskip("peft")
        add_adapter(model, FinetuneConfig(adapter="lora", lora_rank=2))
    batch = pack([Encoded("0", TREE, (1.0,), 0)], 1)
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(model.logits(model.hidden(batch.trees)[:10]).sum())
    found = counter.get_flop_counts()["Global"]
    counted = found[torch.ops.aten.addmm] + found[torch.ops.aten.mm]
    told = training_flops(model, Work(tokens=len(TREE.tokens), predicted=10))
    assert told == (pytest.approx(counted, rel=0.1) if lora else counted)
    assert (told < 0.75 * 3 * Work(tokens=len(TREE.tokens), predicted=10).flops(model)) is lora


def test_attention_costs_two_products_for_every_token_seen(tiny: Loaded) -> None:
    seen = sum(len(TREE.path(index)) for index in range(len(TREE.tokens)))
    assert TREE.keys == seen
    matrices = forward_flops(tiny.model, len(TREE.tokens), 0)
    assert forward_flops(tiny.model, len(TREE.tokens), seen) - matrices == 2 * 4 * 32 * seen


def test_embeddings_and_the_output_layer_are_not_read_by_every_token(tiny: Loaded) -> None:
    assert attention_layers(tiny.model) == 2
    assert matrix_parameters(tiny.model) == 2 * (3 + 1 + 4 + 4) * 32 * 32


def test_attention_in_attention_is_one_layer() -> None:
    """As BERT's: `BertAttention` holds `BertSdpaSelfAttention`, if it is called so."""

    class SelfAttention(torch.nn.Linear):
        pass

    class Attention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = SelfAttention(4, 4)

    assert attention_layers(torch.nn.Sequential(Attention(), Attention(), SelfAttention(4, 4))) == 3


def test_a_shared_prefix_is_computed_once_and_read_twice() -> None:
    evaluated = Work()
    evaluated.add([Encoded("0", TREE, (), 0)] * 3)
    assert (evaluated.tokens, evaluated.tokens_read) == (3 * 27, 3 * (23 + 24))


def test_utilisation_is_what_was_computed_over_what_could_have_been(tiny: Loaded) -> None:
    training = Training(updates=3, tokens=1000, tokens_read=1200, predicted=900, seconds=2.0)
    cost = finetuning_cost(tiny.model, training, Work(), CPU)
    assert cost["train_flops"] == 3 * forward_flops(tiny.model, 1000, 0, 900)
    expected = cost["train_flops"] / 2.0 / cost["ceiling"]
    assert abs(cost["utilisation"] - expected) < 1e-4
    assert cost["evaluate_flops"] == 0


def test_the_ceiling_is_measured_once_per_precision() -> None:
    first = matmul_ceiling(CPU.device, "fp32")
    assert first == matmul_ceiling(CPU.device, "fp32") > 1e8
    assert matmul_ceiling(CPU.device, "bf16") != first


def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_memory(CPU.device)
    held = torch.ones(before, dtype=torch.uint8)
    assert peak_memory(CPU.device) > held.nbytes
