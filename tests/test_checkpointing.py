"""Gradient checkpointing: less is held for the backward pass, and nothing else changes."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import gpteval
from gpteval import ConfigError, FinetuneConfig, Loaded
from gpteval.compute.rounding import RoundedProducts
from gpteval.encode.batch import Encoded
from gpteval.train.adapter import add_adapter
from gpteval.train.checkpointing import Context, checkpoint_layers, keeping
from gpteval.train.finetune import Finetuning
from gpteval.train.head import TaskModel
from gpteval.tree import fold

TASK = gpteval.Task(
    "toy", 1, "choose", gpteval.Source("", {}, ("text",)), lambda row: None, ("accuracy",)
)
TEXT = list(range(5, 45))
ROWS = [
    Encoded(str(n), fold([[*TEXT, 7 + n, 8], [*TEXT, 9, 9 + n, 3]]), (1.0, 0.0), n % 2)
    for n in range(6)
]
CONFIG = FinetuneConfig(batch_size=3, epochs=1, warmup=0.0)


def huggingface(name: str) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    from gpteval_models.huggingface import TOLERANCE, HuggingFaceModel
    from gpteval_models.rows import reading

    torch.manual_seed(0)
    shape = {"vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    if name == "gpt2":
        lm = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=90, n_embd=32, n_layer=3, n_head=2, n_positions=64)
        )
    else:
        lm = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                **shape, intermediate_size=48, num_key_value_heads=1, max_position_embeddings=64
            )
        )
    model = HuggingFaceModel(lm.eval(), name)
    model.reading = reading(model, TOLERANCE)
    return model


@pytest.fixture(params=["gpt", "gpt2", "llama", "llama, unfolded"])
def language_model(request: pytest.FixtureRequest, tiny: Loaded) -> nn.Module:
    kind, _, how = request.param.partition(", ")
    if kind == "gpt":
        return deepcopy(tiny.model)
    model = huggingface(kind)
    if how:
        model.reading = how
    return model


def task_model(
    language_model: nn.Module, *, checkpointing: bool, autocast: Context = nullcontext
) -> TaskModel:
    torch.manual_seed(0)
    model = TaskModel(deepcopy(language_model), TASK, 0.1)
    model.model.dropout = 0.1
    if checkpointing:
        checkpoint_layers(model.model, autocast)
    return model


def trained(model: TaskModel, autocast: Context = nullcontext) -> dict[str, Tensor]:
    torch.manual_seed(1)
    Finetuning(model, CONFIG, 0, autocast=autocast).fit(ROWS, None)
    return model.state_dict()


PRECISIONS: dict[str, Context] = {
    "fp32": nullcontext,
    "bf16": partial(torch.autocast, "cpu", torch.bfloat16),
    "rounded": RoundedProducts,
}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_learn_the_same_to_the_last_bit(language_model: nn.Module, precision: str) -> None:
    autocast = PRECISIONS[precision]
    plain, thrifty = (
        trained(task_model(language_model, checkpointing=own, autocast=autocast), autocast)
        for own in (False, True)
    )
    assert plain.keys() == thrifty.keys()
    assert all(torch.equal(plain[name], thrifty[name]) for name in plain)


def held(model: TaskModel) -> int:
    """Bytes that are kept for a backward pass."""
    from gpteval.train.memory import _left

    torch.manual_seed(2)
    return _left(Finetuning(model, CONFIG, 0), ROWS)


def test_less_is_held_between_the_passes(language_model: nn.Module) -> None:
    plain, thrifty = (task_model(language_model, checkpointing=own) for own in (False, True))
    assert held(thrifty) < 0.6 * held(plain)
    with keeping(thrifty) as layers:
        assert layers == len(list(_layers(language_model)))
        assert held(thrifty) == held(plain)
    assert held(thrifty) < 0.6 * held(plain)


def _layers(model: nn.Module) -> nn.ModuleList:
    return next(m for m in model.modules() if isinstance(m, nn.ModuleList))


def test_matrices_beside_frozen_weights_learn_the_same(tiny: Loaded) -> None:
    pytest.importorskip("peft")
    config = FinetuneConfig(adapter="lora", lora_rank=4, batch_size=3, epochs=1, warmup=0.0)
    found = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = TaskModel(deepcopy(tiny.model), TASK, 0.1)
        add_adapter(model.model, config)
        if checkpointing:
            checkpoint_layers(model.model)
        Finetuning(model, config, 0).fit(ROWS, None)
        found.append(model.state_dict())
    plain, thrifty = found
    assert all(torch.equal(plain[name], thrifty[name]) for name in plain)


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(ConfigError, match="leave it out"):
        checkpoint_layers(nn.Sequential(nn.Linear(2, 2)))


def test_a_run_has_the_same_results_and_the_same_key(tiny_directory: Path, tmp_path: Path) -> None:
    settings = {"model": str(tiny_directory), "sample": True, "limit": 16}
    found = []
    for checkpointing in (False, True):
        compute = gpteval.TrainingCompute(gradient_checkpointing=checkpointing)
        results = tmp_path / str(checkpointing)
        made = gpteval.run(
            "copa", changes={"epochs": 1}, compute=compute, results=results, **settings
        )
        answers = [(results / result.predictions).read_bytes() for result in made]
        found.append([(r.key, r.scores, own) for r, own in zip(made, answers, strict=True)])
    assert found[0] == found[1]
