"""Dropout drawn by gaps: independent of its place, the same forward and backward."""

import math

import pytest
import torch

from gpteval_models.dropout import DRAWN_AT_ONCE, ROWS, Attend, Dropout


def test_tensors_that_share_a_draw_are_dropped_at_the_rate_and_independently():
    torch.manual_seed(0)
    dropout = Dropout(0.1)
    masks = torch.ones(300, 1000)
    for mask in masks:
        mask[dropout.places(1000)] = 0
    assert masks.mean().item() == pytest.approx(0.9, abs=0.003)
    together = ((masks[1:] == 0) & (masks[:-1] == 0)).float().mean().item()
    assert together == pytest.approx(0.01, abs=0.001)


def test_a_tensor_larger_than_a_draw_is_dropped_to_its_end():
    size = DRAWN_AT_ONCE + 5000
    places = Dropout(0.5).places(size)
    assert (places[1:] > places[:-1]).all()
    assert size - 30 < places[-1] < size


def test_a_residual_sum_keeps_one_side_whole_and_drops_the_other():
    x, update = torch.randn(50, 20), torch.ones(50, 20, requires_grad=True)
    total = Dropout(0.25).add(x.round(), update * 1)
    added = (total - x.round()).detach().round(decimals=4)
    assert added.unique(sorted=True).tolist() == pytest.approx([0, 4 / 3], abs=1e-4)
    total.sum().backward()
    torch.testing.assert_close(update.grad, added, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("queries", "keys"), [(7, 7), (5, 12), (2 * ROWS + 3, 2 * ROWS + 40)])
def test_attention_and_its_gradients_are_the_formula_with_the_same_entries_dropped(queries, keys):
    torch.manual_seed(0)
    sizes = ((2, queries, 8), (2, keys, 8), (2, keys, 8))
    q, k, v = (torch.randn(s, dtype=torch.float64, requires_grad=True) for s in sizes)
    bias = torch.full((queries, keys), -math.inf, dtype=torch.float64).triu(keys - queries + 1)
    weight = torch.randn(sizes[0], dtype=torch.float64)
    torch.manual_seed(1)
    read = Attend.apply(q, k, v, bias, Dropout(0.3), q.shape[-1] ** -0.5)
    found = torch.autograd.grad((read * weight).sum(), (q, k, v))
    torch.manual_seed(1)
    kept, dropout = torch.ones(2, queries, keys, dtype=torch.float64), Dropout(0.3)
    for begin in range(0, queries, ROWS):
        end = min(begin + ROWS, queries)
        part = torch.ones(2, end - begin, keys - queries + end, dtype=torch.float64)
        part.view(-1)[dropout.places(part.numel())] = 0
        kept[:, begin:end, : part.shape[2]] = part
    p = (q @ k.transpose(1, 2) / math.sqrt(8) + bias).softmax(-1)
    expected = (p * kept / 0.7) @ v
    torch.testing.assert_close(read, expected)
    torch.testing.assert_close(found, torch.autograd.grad((expected * weight).sum(), (q, k, v)))
