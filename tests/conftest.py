"""What tests share: one thread each, and a tiny real model trained on nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from gpteval import BpeTokenizer, Loaded, load_model, save_checkpoint
from gpteval_models.gpt import GPT, GPTConfig

TEXT = (
    "the captain of the old ship looked at the sea and said nothing for a long while . "
    "a boy who sold apples at the gate asked him whether he was happy or sad . "
    "he answered that the wind was good , and that nobody could ask for more than that ."
)

# A machine that is busy with other things fails no test.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tests run side by side, each on one core."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is left in, or read from, the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPTEVAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of two layers and random weights."""
    return checkpoint(tmp_path_factory.mktemp("models") / "tiny", context=64)


@pytest.fixture(scope="session")
def roomy_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a context that articles fit into."""
    return checkpoint(tmp_path_factory.mktemp("models") / "roomy", context=512, seed=1)


def checkpoint(directory: Path, context: int, seed: int = 0) -> Path:
    """Write random weights and a tokenizer of a few words."""
    tokenizer = BpeTokenizer.train([TEXT], merges=60)
    torch.manual_seed(seed)
    shape = GPTConfig(tokenizer.vocab_size, context=context, width=32, layers=2, heads=2)
    save_checkpoint(directory, "gpt", GPT(shape), tokenizer)
    return directory


@pytest.fixture
def tiny(tiny_directory: Path) -> Loaded:
    """The checkpoint, loaded afresh."""
    return load_model(str(tiny_directory))
