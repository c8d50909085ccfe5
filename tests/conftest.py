"""What tests share: one thread each, and a tiny real model trained on nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpteval import BpeTokenizer, Loaded, load_model, save_checkpoint
from gpteval_models.gpt import GPT, GPTConfig

TEXT = (
    "the captain of the old ship looked at the sea and said nothing for a long while . "
    "a boy who sold apples at the gate asked him whether he was happy or sad . "
    "he answered that the wind was good , and that nobody could ask for more than that ."
)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tests run side by side, each on one core."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of two layers and random weights."""
    tokenizer = BpeTokenizer.train([TEXT], merges=60)
    torch.manual_seed(0)
    shape = GPTConfig(tokenizer.vocab_size, context=64, width=32, layers=2, heads=2)
    directory = tmp_path_factory.mktemp("models") / "tiny"
    save_checkpoint(directory, "gpt", GPT(shape), tokenizer)
    return directory


@pytest.fixture
def tiny(tiny_directory: Path) -> Loaded:
    """The checkpoint, loaded afresh."""
    return load_model(str(tiny_directory))
