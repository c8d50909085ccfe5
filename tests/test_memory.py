"""What memory is told of a fine-tuning: what can be counted, and that nothing is moved."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import gpteval
from gpteval import FinetuneConfig, Loaded, Source, Task
from gpteval.compute.memory import room
from gpteval.encode.batch import Encoded
from gpteval.progress import Silent
from gpteval.train.course import Course
from gpteval.train.finetune import Finetuning
from gpteval.train.head import TaskModel
from gpteval.train.memory import HOLES, Memory, needed
from gpteval.tree import fold

TASK = Task(
    "toy", 1, "classify", Source("", {}, ("text",)), lambda row: None, ("accuracy",), ("a", "b")
)
CONFIG = FinetuneConfig(batch_size=4, epochs=1)


def rows(length: int, count: int = 8) -> list[Encoded]:
    words = [[5 + n, *range(6, 5 + length)] for n in range(count)]
    return [Encoded(str(n), fold([own]), (1.0, 0.0), n) for n, own in enumerate(words)]


def told(loaded: Loaded, length: int, config: FinetuneConfig = CONFIG) -> Memory:
    finetuning = Finetuning(TaskModel(deepcopy(loaded.model), TASK, 0.1), config, 0)
    return needed(finetuning, Course.of(rows(length), config, 0))


def test_weights_and_moments_are_those_that_are_there(tiny: Loaded) -> None:
    model = TaskModel(deepcopy(tiny.model), TASK, 0.1)
    finetuning = Finetuning(model, CONFIG, 0)
    memory = needed(finetuning, Course.of(rows(20), CONFIG, 0))
    finetuning.fit(rows(20), lambda: 1.0)
    assert memory.weights == memory.kept == sum(p.nbytes for p in model.parameters())
    moments = finetuning.optimiser.state.values()
    held = sum(m[name].nbytes for m in moments for name in ("exp_avg", "exp_avg_sq"))
    assert held == 2 * memory.learnt


def test_states_grow_with_the_tokens_of_the_largest_part_and_weights_do_not(tiny: Loaded) -> None:
    short, long = told(tiny, 10), told(tiny, 20)
    assert 1.7 < long.states / short.states < 2.5  # attention grows with their square
    assert (short.weights, short.learnt, short.saved) == (long.weights, long.learnt, long.saved)


def test_states_are_what_autograd_keeps_of_the_whole_part(tiny: Loaded) -> None:
    finetuning = Finetuning(TaskModel(deepcopy(tiny.model), TASK, 0.1), CONFIG, 0)
    kept: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in finetuning.model.parameters()}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept.update({storage.data_ptr(): storage.nbytes()} if storage.data_ptr() not in own else {})
        return tensor

    memory = needed(finetuning, Course.of(rows(20), CONFIG, 0))
    finetuning.model.train()
    (part,) = finetuning.gradients.parts(rows(20)[:4])
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        losses = finetuning.model.losses(part, CONFIG.lm_weight)
    del losses
    assert abs(memory.states / sum(kept.values()) - 1) < 0.1


def test_an_adapter_needs_no_moments_of_frozen_weights(tiny: Loaded) -> None:
    pytest.importorskip("peft")
    from gpteval.train.adapter import add_adapter

    config = FinetuneConfig(batch_size=4, epochs=1, adapter="lora", lora_rank=1)
    model = TaskModel(deepcopy(tiny.model), TASK, 0.1)
    add_adapter(model.model, config)
    memory = needed(Finetuning(model, config, 0), Course.of(rows(20), config, 0))
    assert memory.learnt < 0.1 * memory.weights < 0.1 * told(tiny, 20).learnt * 1.2
    assert memory.total < told(tiny, 20).total


def test_telling_changes_nothing_of_the_training(tiny: Loaded) -> None:
    losses = []
    for asked in (False, True):
        torch.manual_seed(0)
        finetuning = Finetuning(TaskModel(deepcopy(tiny.model), TASK, 0.1), CONFIG, 0)
        if asked:
            needed(finetuning, Course.of(rows(20), CONFIG, 0))
        losses.append(finetuning.fit(rows(20), None).recent)
    assert losses[0] == losses[1]


def test_a_save_counts_where_it_takes_more_than_an_update() -> None:
    memory = Memory(10, 2, 4, 10, 0, 5, 1, 24, holes=1.0)
    assert memory.total == 10 + 2 * 2 + 10 + 24
    gathered = replace(memory, gathered=30)  # of weights that are split, in an update
    assert gathered.total == 10 + 4 + 10 + (2 + 30 + 5 + 1)
    assert HOLES["cpu"] > HOLES["cuda"] == 1


def test_a_machine_says_how_much_memory_it_has() -> None:
    there = room(torch.device("cpu"))
    assert 1e8 < there < 1e14


@pytest.mark.parametrize("thrifty", [False, True])
def test_a_run_that_needs_more_than_there_is_says_so_before_it_begins(
    thrifty: bool, tiny_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    pytest.importorskip("bitsandbytes")
    monkeypatch.setattr("gpteval.compute.memory.room", lambda device: 1_000_000)
    said: list[str] = []

    class Listener(Silent):
        def say(self, line: str) -> None:
            said.append(line)

    changes = {"epochs": 1}
    if thrifty:
        changes |= {"adapter": "lora", "optimizer": "adamw-8bit"}
    settings = {"model": str(tiny_directory), "sample": True, "limit": 16, "results": tmp_path}
    compute = gpteval.TrainingCompute(gradient_checkpointing=thrifty)
    gpteval.run("wnli", changes=changes, compute=compute, progress=Listener(), **settings)
    advice = "a smaller model, or a machine with more"
    if not thrifty:
        advice = "--gradient-checkpointing or --optimizer adamw-8bit or --adapter lora"
    assert re.match(r"wnli needs about [\d.]+ GB of 0\.001", said[0])
    assert said[0].endswith(f" GB of 0.001: try {advice}")
