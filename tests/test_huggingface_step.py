"""What a fine-tuning step learns from: losses and gradients as transformers' classes have them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from fabricated import task as fabricated_task
from test_huggingface import SIZES, llama, write
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

from gpteval import load_model
from gpteval.encode.batch import Encoded, pack
from gpteval.encode.examples import Specials
from gpteval.train.head import TaskModel
from gpteval.tree import fold

WEIGHT = 0.5
"""λ of the language-model loss, the paper's."""


def examples(kind: str, vocabulary: int) -> list[Encoded]:
    """Texts of unlike lengths; of a choice three answers behind one text."""
    draw = random.Random(0)

    def text(length: int) -> list[int]:
        return [draw.randrange(vocabulary) for _ in range(length)]

    made = []
    for number in range(5):
        shared = text(draw.randint(2, 20))
        answers = [shared + text(draw.randint(1, 6)) for _ in range(3 if kind == "choose" else 1)]
        target = tuple(float(place == number % 3) for place in range(3))
        made.append(Encoded(str(number), fold(answers), target, number))
    return made


def their_losses(model: LlamaForSequenceClassification, made: list[Encoded]) -> Tensor:
    """One sequence after another, without padding: transformers' own losses, or its scores."""
    words = LlamaForCausalLM(model.config)
    words.model, words.lm_head.weight = model.model, model.model.embed_tokens.weight
    loss = torch.zeros(())
    for example in made:
        tree, target = example.tree, example.target.index(1.0)
        rows = [torch.tensor([[tree.tokens[i] for i in tree.path(end)]]) for end in tree.ends]
        scores = torch.cat([model(row).logits for row in rows])  # (answers, 3)
        if len(rows) == 1:
            loss = loss + model(rows[0], labels=torch.tensor([target])).loss
        else:
            loss = loss + cross_entropy(scores[:, :1].T, torch.tensor([target]))
        own = [words(row, labels=row).loss for row in rows]
        loss = loss + WEIGHT * torch.stack(own).mean()
    return loss / len(made)


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_losses_and_gradients_are_those_of_transformers_own_classes(
    kind: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    lm = llama()
    lm.config.tie_word_embeddings = True
    lm.tie_weights()
    own = load_model(f"hf:{write(tmp_path / 'model', lm)}").model
    labels = () if kind == "choose" else ("a", "b", "c")
    ours = TaskModel(own, fabricated_task(kind=kind, labels=labels), 0.0).eval()
    sizes = {**SIZES, "vocab_size": SIZES["vocab_size"] + Specials.COUNT}
    config = LlamaConfig(**sizes, tie_word_embeddings=True, num_labels=3, pad_token_id=None)
    theirs = LlamaForSequenceClassification(config).eval()
    theirs.model.load_state_dict(own.lm.model.state_dict())
    with torch.no_grad():
        ours.linear.bias.zero_()
        theirs.score.weight[: ours.linear.out_features] = ours.linear.weight
    made = examples(kind, sizes["vocab_size"])
    task_loss, lm_loss = ours.losses(pack(made, ours.linear.out_features), WEIGHT)
    loss, expected = task_loss + WEIGHT * lm_loss, their_losses(theirs, made)
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    loss.backward()
    expected.backward()
    known = dict(theirs.model.named_parameters())
    for name, parameter in own.lm.model.named_parameters():
        torch.testing.assert_close(parameter.grad, known[name].grad, atol=1e-5, rtol=1e-5)
    count = ours.linear.out_features
    head = theirs.score.weight.grad[:count]
    torch.testing.assert_close(ours.linear.weight.grad, head, atol=1e-5, rtol=1e-5)
    assert min(float(p.grad.abs().max()) for p in known.values()) > 1e-4
