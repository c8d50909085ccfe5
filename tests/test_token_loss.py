"""The chunked loss is torch's, and so are its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpteval.compute.rounding import RoundedProducts
from gpteval.encode.batching import MOST_LOGITS
from gpteval.train.token_loss import token_loss

PLACES, WIDTH, VOCABULARY = 23, 8, 50


class Head(nn.Module):
    """Scores of tokens from hidden states: linear, and where asked no more than `cap`."""

    def __init__(self, *, bias: bool = False, cap: float = 0.0) -> None:
        super().__init__()
        self.linear, self.cap = nn.Linear(WIDTH, VOCABULARY, bias=bias), cap

    def logits(self, hidden: Tensor) -> Tensor:
        scores = self.linear(2 * hidden)
        return self.cap * torch.tanh(scores / self.cap) if self.cap else scores


def results(head: Head, loss: Tensor, hidden: Tensor) -> list[Tensor]:
    """A loss, and the gradients of four times it by the hidden states and the head's weights."""
    return [loss, *torch.autograd.grad(4 * loss, [hidden, *head.parameters()])]


def inputs() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    hidden = torch.randn(PLACES, WIDTH, requires_grad=True)
    return hidden, torch.randint(VOCABULARY, (PLACES,))


@pytest.mark.parametrize("head", [Head(), Head(bias=True), Head(cap=2.0)])
@pytest.mark.parametrize("places", [1, 7, 23, 100])
def test_chunks_give_the_loss_and_gradients_of_the_whole(
    head: Head, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden, targets = inputs()
    monkeypatch.setitem(MOST_LOGITS, "cpu", places * VOCABULARY)
    found = results(head, token_loss(head, hidden, targets), hidden)
    expected = F.cross_entropy(head.logits(hidden), targets, reduction="sum")
    for ours, theirs in zip(found, results(head, expected, hidden), strict=True):
        assert (ours - theirs).abs().max() <= 1e-6 * theirs.abs().max()


def test_places_count_by_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, targets = inputs()
    head, weights = Head(), torch.rand(PLACES)
    monkeypatch.setitem(MOST_LOGITS, "cpu", 7 * VOCABULARY)
    found = results(head, token_loss(head, hidden, targets, weights), hidden)
    losses = F.cross_entropy(head.logits(hidden), targets, reduction="none")
    for ours, theirs in zip(found, results(head, losses @ weights, hidden), strict=True):
        assert (ours - theirs).abs().max() <= 1e-6 * theirs.abs().max()


@pytest.mark.parametrize("context", [nullcontext(), RoundedProducts()])
def test_products_are_rounded_as_they_would_be(context: AbstractContextManager[object]) -> None:
    hidden, targets = inputs()
    head = Head()
    with context:
        found = results(head, token_loss(head, hidden, targets), hidden)
        expected = F.cross_entropy(head.logits(hidden), targets, reduction="sum")
        for ours, theirs in zip(found, results(head, expected, hidden), strict=True):
            # A gradient on the edge between two bfloat16 numbers may go either way.
            assert (ours - theirs).abs().median() <= 1e-6 * theirs.abs().max()


def shapes(head: Head, hidden: Tensor, targets: Tensor) -> Sequence[torch.Size]:
    """Of every tensor that is held for the backward pass."""
    held = list[torch.Size]()

    def pack(tensor: Tensor) -> Tensor:
        held.append(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        token_loss(head, hidden, targets)
    return held


def test_no_logits_are_held_for_the_backward_pass() -> None:
    assert (PLACES, VOCABULARY) not in shapes(Head(), *inputs())


def test_nothing_is_computed_for_gradients_that_nobody_wants() -> None:
    hidden, targets = inputs()
    with torch.no_grad():
        loss = token_loss(Head(), hidden, targets)
    assert not loss.requires_grad
