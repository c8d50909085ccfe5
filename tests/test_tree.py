"""Token trees: folding, packing, and a GPT that can't tell them from separate sequences."""

from __future__ import annotations

import flash_on_cpu  # noqa: F401 (registers the kernel)
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gpteval.encode.batch import Batch, Encoded, lm_weights, pack
from gpteval.model import hidden_at
from gpteval.tree import Tree, fold
from gpteval_models.dropout import Dropout
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.packed import PackedSpans
from gpteval_models.spans import SpanBlocks

APART = 1 << 30
"""No prefix is this long: every sequence stays by itself."""

few = st.lists(st.integers(0, 2), min_size=1, max_size=12)
sequence_lists = st.lists(few, min_size=1, max_size=6)


def ids(length: int) -> list[int]:
    return torch.randint(50, (length,)).tolist()


@pytest.fixture
def sequences() -> list[list[int]]:
    """A prefix of prefixes, one that ends inside another, and strangers."""
    torch.manual_seed(3)
    article, question = ids(20), ids(9)
    asked = article + question
    return [asked + ids(4), asked + ids(6), asked + ids(4), article + ids(11), asked, ids(7)]


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(vocab_size=50, context=48, width=32, layers=3, heads=4)).eval()


def lm_loss(model: GPT, batch: Batch) -> Tensor:
    """Σ weight · −log p of every token but those that begin a path."""
    read = batch.trees.parents >= 0
    logits = model.logits(model.hidden(batch.trees)[batch.trees.parents[read]])
    nats = F.cross_entropy(logits, batch.trees.tokens[read], reduction="none")
    return (nats * batch.lm_weight[read]).sum()


def loss_of_separate_sequences(model: GPT, sequences: list[list[int]]) -> Tensor:
    """[C]'s LM loss: the mean over a sequence's tokens, then over the sequences."""
    losses = []
    for sequence in sequences:
        batch = pack([Encoded("", fold([sequence], APART), (), 0)], 0)
        logits = model.logits(model.hidden(batch.trees))[:-1]
        losses.append(F.cross_entropy(logits, torch.tensor(sequence[1:])))
    return torch.stack(losses).mean()


def seen_by(tree: Tree, token: int) -> set[int]:
    """Tokens that a token's span says it sees, itself included."""
    span = next(s for s in tree.spans if s.start <= token < s.stop)
    above = {i for start, stop in span.ancestors for i in range(start, stop)}
    return above | set(range(span.start, token + 1))


@given(sequence_lists, st.integers(1, 5))
def test_every_path_spells_its_sequence(sequences: list[list[int]], shared: int) -> None:
    tree = fold(sequences, shared)
    for sequence, end in zip(sequences, tree.ends, strict=True):
        path = tree.path(end)
        assert [tree.tokens[i] for i in path] == sequence
        assert [tree.positions[i] for i in path] == list(range(len(sequence)))


@given(sequence_lists, st.integers(1, 5))
def test_every_token_sees_its_path_and_nothing_else(
    sequences: list[list[int]], shared: int
) -> None:
    tree = fold(sequences, shared)
    for token in range(len(tree.tokens)):
        assert seen_by(tree, token) == set(tree.path(token))


@given(sequence_lists, st.integers(1, 5))
def test_spans_lie_one_after_another(sequences: list[list[int]], shared: int) -> None:
    tree = fold(sequences, shared)
    covered = [i for span in tree.spans for i in range(span.start, span.stop)]
    assert covered == list(range(len(tree.tokens)))


@given(sequence_lists)
def test_lm_weights_are_the_means_of_means(sequences: list[list[int]]) -> None:
    tree = fold(sequences, 2)
    weights, expected = lm_weights(tree, len(sequences)), [0.0] * len(tree.tokens)
    for end in tree.ends:
        rest = tree.path(end)[1:]
        for index in rest:
            expected[index] += 1 / len(rest) / len(sequences)
    assert weights == pytest.approx(expected)


def test_a_shared_prefix_is_stored_once(sequences: list[list[int]]) -> None:
    assert len(fold(sequences).tokens) == 20 + 9 + 4 + 6 + 4 + 11 + 7


def test_a_prefix_shorter_than_asked_is_repeated() -> None:
    assert len(fold([[1, 2, 3, 4], [1, 2, 3, 5]], min_shared=4).tokens) == 8


def test_a_shared_prefix_gives_the_same_logits(model: GPT, sequences: list[list[int]]) -> None:
    tree = fold(sequences)
    folded = model.hidden(pack([Encoded("", tree, (), 0)], 0).trees)
    for sequence, end in zip(sequences, tree.ends, strict=True):
        alone = model.hidden(pack([Encoded("", fold([sequence]), (), 0)], 0).trees)
        logits = model.logits(folded[tree.path(end)])
        torch.testing.assert_close(logits, model.logits(alone), atol=1e-5, rtol=0)


def test_a_shared_prefix_gives_the_same_loss_and_gradients(
    model: GPT, sequences: list[list[int]]
) -> None:
    folded = lm_loss(model, pack([Encoded("", fold(sequences), (), 0)], 0))
    apart = loss_of_separate_sequences(model, sequences)
    torch.testing.assert_close(folded, apart, atol=1e-5, rtol=0)
    parameters = list(model.parameters())
    pairs = zip(*(torch.autograd.grad(x, parameters) for x in (folded, apart)), strict=True)
    for ours, reference in pairs:
        torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-5)


def test_padded_families_train_as_each_does_alone(model: GPT) -> None:
    torch.manual_seed(5)
    model.dropout = 1e-9  # attention as in training, with nothing dropped
    model.train()
    begins = [ids(length) for length in (9, 5, 7, 8, 6)]
    examples = [
        Encoded(str(i), fold([begin + ids(2 + i), begin + ids(3)]), (), i)
        for i, begin in enumerate(begins)
    ]
    blocks = SpanBlocks(pack(examples, 0).trees.spans, torch.device("cpu"))
    assert len(blocks._families) < len(examples)
    parameters = list(model.parameters())
    hidden = model.hidden(pack(examples, 0).trees)
    weights = torch.randn_like(hidden)
    together = torch.autograd.grad((hidden * weights).sum(), parameters)
    alone = torch.cat([model.hidden(pack([example], 0).trees) for example in examples])
    torch.testing.assert_close(hidden, alone, atol=1e-5, rtol=0)
    apart = torch.autograd.grad((alone * weights).sum(), parameters)
    for ours, reference in zip(together, apart, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("window", [0, 1, 5])
@pytest.mark.parametrize("heads", [4, 2])
def test_spans_in_one_call_are_attended_as_in_blocks(
    sequences: list[list[int]], heads: int, window: int
) -> None:
    examples = [Encoded(str(i), fold(s), (), i) for i, s in enumerate((sequences, sequences[:2]))]
    batch = pack(examples, 0)
    blocks, packed = (
        each(batch.trees.spans, torch.device("cpu")) for each in (SpanBlocks, PackedSpans)
    )
    q, kv = (
        torch.randn(len(batch.trees.tokens), 1, 4, 8),
        torch.randn(len(batch.trees.tokens), 2, heads, 8),
    )
    read = packed.attend(q, kv, Dropout(0.0), 0.3, window)
    expected = blocks.attend(blocks.sort(q), blocks.sort(kv), Dropout(0.0), 0.3, window)
    torch.testing.assert_close(read, blocks.unsort(expected), atol=1e-6, rtol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.lists(sequence_lists, min_size=1, max_size=3))
def test_packed_trees_do_not_see_each_other(groups: list[list[list[int]]]) -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=3, context=12, width=8, layers=2, heads=2)).eval()
    examples = [Encoded(str(i), fold(g, 2), (), i) for i, g in enumerate(groups)]
    together = model.hidden(pack(examples, 0).trees)
    alone = [model.hidden(pack([example], 0).trees) for example in examples]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_states_asked_for_alone_are_those_of_all(layers: int, sequences: list[list[int]]) -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=50, context=48, width=32, layers=layers, heads=4)).eval()
    batch = pack([Encoded("", fold(sequences), (), 0)], 0)
    places = torch.tensor([30, 3, len(batch.trees.tokens) - 1, 3])
    found, every = hidden_at(model, batch.trees, places), model.hidden(batch.trees)
    torch.testing.assert_close(found, every[places], rtol=0, atol=1e-6)


def test_packing_shifts_indices_by_the_tokens_before() -> None:
    first = Encoded("a", fold([[5, 6, 7]]), (1.0,), 0)
    second = Encoded("b", fold([[1, 2, 3], [1, 2, 4]], min_shared=2), (0.0, 1.0), 1)
    batch = pack([first, second], outputs=1)
    assert batch.trees.tokens.tolist() == [5, 6, 7, 1, 2, 3, 4]
    assert batch.trees.parents.tolist() == [-1, 0, 1, -1, 3, 4, 4]
    assert batch.trees.positions.tolist() == [0, 1, 2, 0, 1, 2, 2]
    assert batch.trees.spans[-1].ancestors == ((3, 5),)
    assert (batch.ends.tolist(), batch.owners.tolist()) == ([2, 5, 6], [0, 1, 1])
    assert batch.slots.tolist() == [0, 0, 1]
    assert batch.targets.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_answers_have_room_where_no_example_has_a_label() -> None:
    unlabelled = Encoded("a", fold([[1, 2], [3, 4], [5, 6]]), (), 0)
    assert pack([unlabelled], outputs=1).targets.tolist() == [[0.0, 0.0, 0.0]]
    assert pack([unlabelled], outputs=2).targets.tolist() == [[0.0, 0.0]]  # of two labels


def test_the_parts_of_a_batch_carry_their_share_of_the_whole() -> None:
    examples = [Encoded(str(i), fold([[1, 2, 3], [4, 5]]), (1.0, 0.0), i) for i in range(3)]
    whole = pack(examples, 2)
    parts = [pack([e], 2, whole_examples=3, whole_sequences=6) for e in examples]
    assert torch.cat([part.lm_weight for part in parts]).tolist() == whole.lm_weight.tolist()
    assert sum(part.share * part.examples for part in parts) == pytest.approx(1)
    assert whole.lm_weight.sum().item() == pytest.approx(1)
