"""The same seed gives the same weights bit for bit, in several threads too."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch

from gpteval import FinetuneConfig, Source, Task
from gpteval.encode.batch import Encoded
from gpteval.train.finetune import Finetuning
from gpteval.train.head import TaskModel
from gpteval.tree import fold
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.lstm import LSTM, LSTMConfig

VOCABULARY = 90
ANSWERS = 100


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def questions(count: int) -> list[Encoded]:
    """Articles with many answers: the gradient of an article's end is a sum over all of them."""
    draw = random.Random(0)

    def text(length: int) -> list[int]:
        return [draw.randrange(VOCABULARY) for _ in range(length)]

    def question(number: int) -> Encoded:
        article = text(20)
        tree = fold([article + text(3) for _ in range(ANSWERS)])
        return Encoded(str(number), tree, (1.0,) + (0.0,) * (ANSWERS - 1), number)

    return [question(number) for number in range(count)]


def trained(family: str) -> list[torch.Tensor]:
    """The weights after three updates."""
    torch.manual_seed(0)
    if family == "gpt":
        model = GPT(GPTConfig(VOCABULARY, context=64, width=256, layers=2, heads=4))
    else:
        model = LSTM(LSTMConfig(VOCABULARY, context=64, width=256, units=256))
    source = Source(hub="", columns=(), splits={})
    task = Task("toy", 1, "choose", source, lambda row: row, ("accuracy",), ())
    training = Finetuning(TaskModel(model, task, 0.1), FinetuneConfig(lr=1e-2), seed=0)
    for update in range(1, 4):
        training.update(questions(2), update, 3)
    return [parameter.detach().clone() for parameter in training.model.parameters()]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("family", ["gpt", "lstm"])
def test_two_threads_train_the_same_weights_every_time(family: str) -> None:
    first = trained(family)
    for _ in range(4):
        assert all(map(torch.equal, first, trained(family)))
