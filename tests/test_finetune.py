"""Fine-tuning against plain torch on transformers' model, and the recipe's rules."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from gpteval import Example, FinetuneConfig, Loaded, Source, Split, Task
from gpteval.encode.batch import Batch, Encoded, pack
from gpteval.encode.batching import by_length, dealt, epoch_order, micro_batches
from gpteval.encode.examples import encode_examples
from gpteval.errors import TrainingError
from gpteval.train.finetune import RECENT, Finetuning, Saving
from gpteval.train.head import TaskModel
from gpteval.train.predict import predict
from gpteval.tree import fold

WORDS = tuple("the captain old ship sea boy apples gate wind good happy sad long".split())
SOURCE = Source(hub="", columns=("text",), splits={"dev": Split(1, ("x.tsv",))})


def toy(kind: str) -> Task:
    labels = ("no", "yes") if kind == "classify" else ()
    return Task("toy", 1, kind, SOURCE, lambda row: row, ("accuracy",), labels)


def text(generator: torch.Generator, most: int = 12) -> str:
    size = int(torch.randint(1, most, (1,), generator=generator))
    return " ".join(WORDS[i] for i in torch.randint(len(WORDS), (size,), generator=generator))


def examples(kind: str, count: int) -> list[Example]:
    g = torch.Generator().manual_seed(5)
    if kind == "choose":
        return [
            Example(str(i), tuple((text(g, 20), text(g)) for _ in range(3)), i % 3)
            for i in range(count)
        ]
    return [Example(str(i), ((text(g),),), ("no", "yes")[i % 2]) for i in range(count)]


def prepared(loaded: Loaded, kind: str = "classify", count: int = 12):
    torch.manual_seed(3)
    loaded.model.dropout = 0.0
    model = TaskModel(loaded.model, toy(kind), dropout=0.0)
    rows = encode_examples(examples(kind, count), toy(kind), loaded.tokenizer, model.specials, 64)
    return model, rows


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_losses_equal_those_of_separate_sequences_by_hand(tiny: Loaded, kind: str) -> None:
    model, rows = prepared(tiny, kind)
    task_loss, lm_loss = model.eval().losses(pack(rows, model.linear.out_features), 0.5)
    by_task, by_token = [], []
    for row in rows:
        scores = []
        for end in row.tree.ends:
            ids = torch.tensor([row.tree.tokens[i] for i in row.tree.path(end)])
            hidden = model.model.hidden(alone(ids).trees)
            by_token.append(F.cross_entropy(model.model.logits(hidden[:-1]), ids[1:]))
            scores.append(model.linear(hidden[-1]))
        logits = torch.cat(scores) if kind == "choose" else scores[0]
        by_task.append(F.cross_entropy(logits, torch.tensor(row.target)))
    torch.testing.assert_close(task_loss, torch.stack(by_task).mean(), atol=1e-5, rtol=0)
    torch.testing.assert_close(lm_loss, torch.stack(by_token).mean(), atol=1e-5, rtol=0)


def alone(ids: torch.Tensor) -> Batch:
    """A batch of one plain sequence."""
    return pack([Encoded("0", fold([ids.tolist()]), (1.0,), 0)], 1)


def gradients(model: TaskModel, batches) -> dict[str, torch.Tensor]:
    model.zero_grad()
    for batch in batches:
        task_loss, lm_loss = model.losses(batch, 0.5)
        (task_loss + 0.5 * lm_loss).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_gradients_do_not_depend_on_the_split_into_micro_batches(tiny: Loaded, kind: str) -> None:
    model, rows = prepared(tiny, kind)
    whole = gradients(model, micro_batches(rows, model.linear.out_features, 10_000))
    parts = micro_batches(rows, model.linear.out_features, 40)
    assert len(parts) > 3
    for name, gradient in gradients(model, parts).items():
        torch.testing.assert_close(gradient, whole[name], atol=1e-5, rtol=1e-4, msg=name)


def test_gradients_of_the_shares_of_processes_add_up_though_one_has_no_example(
    tiny: Loaded,
) -> None:
    model, rows = prepared(tiny, "choose", count=5)
    whole = gradients(model, [pack(rows, 1)])
    shares = [dealt(rows, rank, 6) for rank in range(6)]
    assert sorted(e.id for share in shares for e in share) == sorted(e.id for e in rows)
    assert not shares[5]
    parts = [part for share in shares for part in micro_batches(share, 1, 10_000, rows)]
    for name, gradient in gradients(model, parts).items():
        torch.testing.assert_close(gradient, whole[name], atol=1e-5, rtol=1e-4, msg=name)


def with_memory_for(model: TaskModel, tokens: int) -> None:
    """Let the model run out of memory as a GPU would."""

    def refuse(block: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > tokens:
            raise torch.OutOfMemoryError

    model.model.blocks[0].register_forward_pre_hook(refuse)


def test_a_batch_that_does_not_fit_in_memory_is_split_with_the_same_gradients(
    tiny: Loaded,
) -> None:
    model, rows = prepared(tiny, count=8)
    whole = gradients(model, [pack(rows, 2)])
    with_memory_for(model, 30)
    model.zero_grad()
    training = Finetuning(model, FinetuneConfig(batch_size=8), 0)
    training.gradients.add(rows, training.gradients.parts(rows))
    assert training.gradients.most_tokens <= 30
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, whole[name], atol=1e-5, rtol=1e-4, msg=name)


def test_predictions_do_not_depend_on_what_fits_in_memory(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=20)
    texts = examples("classify", 20)
    whole = predict(model, toy("classify"), texts, rows)
    with_memory_for(model, 30)
    assert [p.prediction for p in predict(model, toy("classify"), texts, rows)] == [
        p.prediction for p in whole
    ]
    with_memory_for(model, 2)
    with pytest.raises(TrainingError, match=r"example \d+ \(\d+ tokens\) alone does not fit"):
        predict(model, toy("classify"), texts, rows)


def test_groups_hold_every_example_once_and_stay_within_their_tokens(tiny: Loaded) -> None:
    _, rows = prepared(tiny, count=20)
    groups = by_length(rows, 30)
    assert sorted(e.id for g in groups for e in g) == sorted(e.id for e in rows)
    assert all(len(g) == 1 or sum(len(e.tree.tokens) for e in g) <= 30 for g in groups)


def test_an_epoch_reads_every_example_in_an_order_of_its_own() -> None:
    orders = [epoch_order(50, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert epoch_order(50, 1, 1) == orders[3]


def test_the_last_partial_batch_of_an_epoch_is_dropped(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=11)
    done = Finetuning(model, FinetuneConfig(batch_size=4, epochs=3), 0).fit(rows, None)
    assert done.updates == 2 * 3


def test_fewer_examples_than_a_batch_still_train(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=3)
    assert Finetuning(model, FinetuneConfig(epochs=2), 0).fit(rows, None).updates == 2


def test_the_weights_with_the_best_development_score_are_kept(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=8)
    seen: list[torch.Tensor] = []
    scores = iter([0.1, 0.9, 0.5])

    def dev_score() -> float:
        seen.append(model.linear.weight.detach().clone())
        return next(scores)

    Finetuning(model, FinetuneConfig(batch_size=4, lr=1e-2), 0).fit(rows, dev_score)
    assert torch.equal(model.linear.weight, seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_the_same_seed_gives_the_same_weights_bit_for_bit(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=8)
    model.model.dropout = model.dropout = 0.1
    twins = [deepcopy(model), deepcopy(model)]
    for twin in twins:
        torch.manual_seed(7)
        Finetuning(twin, FinetuneConfig(batch_size=4), 7).fit(rows, None)
    pairs = zip(twins[0].parameters(), twins[1].parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(twins[0].linear.weight, model.linear.weight)


def test_training_lowers_the_loss(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=16)
    batch = pack(rows, 2)
    before = [loss.item() for loss in model.losses(batch, 0.5)]
    Finetuning(model, FinetuneConfig(batch_size=8, epochs=20, lr=3e-3), 0).fit(rows, None)
    task_loss, lm_loss = (loss.item() for loss in model.losses(batch, 0.5))
    assert task_loss < 0.5 * before[0]
    assert lm_loss < 0.9 * before[1]


def test_a_loss_that_is_no_number_stops_with_update_and_examples(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=8)
    model.linear.bias.data[0] = math.nan
    with pytest.raises(TrainingError, match=r"the loss is nan at update 1 of \d+ \(examples"):
        Finetuning(model, FinetuneConfig(batch_size=4), 0).fit(rows, None)


def test_a_gradient_that_is_no_number_leaves_the_weights_and_names_the_last_state(
    tiny: Loaded, tmp_path: Path
) -> None:
    model, rows = prepared(tiny, count=8)
    training = Finetuning(
        model, FinetuneConfig(batch_size=4), 0, saving=Saving(tmp_path / "state", 0.0)
    )
    training.fit(rows, None)
    before = model.linear.weight.detach().clone()
    model.linear.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(TrainingError, match=r"norm of the gradient is .* saved in .*state"):
        training.update(rows[:4], 7, 7)
    assert torch.equal(model.linear.weight, before)


def test_a_loss_far_above_the_last_ones_stops_before_the_step(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=8)
    training = Finetuning(model, FinetuneConfig(batch_size=4), 0)
    training.done.recent = [0.5] * RECENT
    model.linear.bias.data[0] = 60.0
    before = model.linear.weight.detach().clone()
    with pytest.raises(TrainingError, match=r"leapt to \d+\.\d+ from a mean of 0\.500 at update 7"):
        training.update(rows[:4], 7, 9)
    assert torch.equal(model.linear.weight, before)


def test_figures_read_late_change_no_weight(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=8)
    twins = [deepcopy(model), deepcopy(model)]
    done = []
    for late, twin in enumerate(twins):
        training = Finetuning(twin, FinetuneConfig(batch_size=4), 7)
        training._late = late  # as on a GPU
        done.append(training.fit(rows, lambda: 0.5))
    assert done[0].recent == done[1].recent
    assert done[0].history == done[1].history
    pairs = zip(twins[0].parameters(), twins[1].parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_wrong_update_that_is_read_late_is_not_made(tiny: Loaded) -> None:
    model, rows = prepared(tiny, count=8)
    training = Finetuning(model, FinetuneConfig(batch_size=4), 0)
    training._late = 1
    training.update(rows[4:], 1, 9)
    before = model.linear.weight.detach().clone()
    hook = model.linear.weight.register_hook(lambda gradient: gradient * math.inf)
    training.update(rows[:4], 2, 9)
    assert torch.equal(model.linear.weight, before)
    hook.remove()
    with pytest.raises(TrainingError, match=r"norm of the gradient is .* at update 2 of 9"):
        training.update(rows[4:], 3, 9)


def test_unlabelled_rows_alone_can_not_be_trained_on(tiny: Loaded) -> None:
    model, _ = prepared(tiny)
    unlabelled = [Example("1", (("the sea",),), None)]
    rows = encode_examples(unlabelled, toy("classify"), tiny.tokenizer, model.specials, 64)
    with pytest.raises(TrainingError, match="nothing to train on"):
        Finetuning(model, FinetuneConfig(), 0).fit(rows, None)


def test_classifier_dropout_is_shared_by_an_examples_answers(tiny: Loaded) -> None:
    model, _ = prepared(tiny, "choose")
    model.dropout = 0.5
    same = [Example("1", (("the sea", "a boy"), ("the sea", "a boy")), 0)]
    rows = encode_examples(same, toy("choose"), tiny.tokenizer, model.specials, 64)
    logits = model.train()(pack(rows, 1))
    assert logits[0, 0] == logits[0, 1]
