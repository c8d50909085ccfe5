import math

import pytest
import torch

from gpteval.corpus.documents import find_documents
from gpteval.corpus.tokens import encode_documents
from gpteval.pretrain.bits_per_byte import bits_per_byte, negative_log_likelihood, plain_trees

TEXTS = {
    "a.txt": "the captain of the old ship looked at the sea . " * 3,
    "b.txt": "Nobody “sold” apples .",
}


@pytest.fixture
def encoded(tiny, tmp_path):
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    paths = [tmp_path / name for name in TEXTS]
    return encode_documents(find_documents(paths), tiny.tokenizer, tmp_path / "all.tokens")


def bits_by_hand(model, ids):
    """-log2 p of ids[1:], one full forward pass per token."""
    total = 0.0
    for end in range(1, len(ids)):
        logits = model.logits(model.hidden(plain_trees([torch.tensor(ids[:end])])))[-1]
        total -= torch.log_softmax(logits.double(), 0)[ids[end]].item() / math.log(2)
    return total


@torch.no_grad()
def test_bits_per_byte_equals_a_sum_token_by_token(tiny, encoded):
    model, context = tiny.model.eval(), 10
    total = 0.0
    for text in TEXTS.values():
        ids = [tiny.tokenizer.start, *tiny.tokenizer.encode([text])[0]]
        for begin in range(0, len(ids) - 1, context):
            total += bits_by_hand(model, ids[begin : begin + context + 1])
    size = sum(len(text.encode()) for text in TEXTS.values())
    assert bits_per_byte(model, encoded, context) == pytest.approx(total / size, rel=1e-5)


def test_a_random_model_is_near_the_uniform_distribution(tiny, encoded):
    predicted = len(encoded.tokens) - len(encoded.documents)
    uniform = (
        predicted * math.log2(tiny.tokenizer.vocab_size) / sum(d.size for d in encoded.documents)
    )
    assert bits_per_byte(tiny.model, encoded, 64) == pytest.approx(uniform, rel=0.1)


def test_measuring_leaves_the_model_in_training(tiny, encoded):
    tiny.model.train()
    bits_per_byte(tiny.model, encoded, 64)
    assert tiny.model.training


@torch.no_grad()
def test_sequences_of_a_batch_do_not_see_each_other(tiny):
    model = tiny.model.eval()
    rows = [torch.tensor([3, 1, 4, 1]), torch.tensor([5, 9, 2, 6, 5, 3])]
    together = model.hidden(plain_trees(rows))
    apart = torch.cat([model.hidden(plain_trees([row])) for row in rows])
    assert torch.allclose(together, apart, atol=1e-5)


@torch.no_grad()
def test_likelihood_of_windows_is_the_sum_of_each(tiny):
    model = tiny.model.eval()
    rows = [torch.tensor([3, 1, 4, 1]), torch.tensor([5, 9, 2, 6, 5, 3])]
    separate = sum(negative_log_likelihood(model, [row]) for row in rows)
    assert torch.allclose(negative_log_likelihood(model, rows), separate)
