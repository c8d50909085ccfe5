"""The trap of reading the first token, and that it can't happen here.

A causal model's first state has read one token. A classifier that takes it, as encoders' do, learns
nothing from the rest of a text: babylm/evaluation-pipeline-2025, issue 38, has 57.7 % for every
GPT-2 that way. Here an added extract token is read, behind the text whatever the padding.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

import gpteval

FILLER = [f"word{n}" for n in range(30)]
SIGNAL = {"kind": ["warm", "gentle"], "unkind": ["harsh", "cruel"]}
VOCABULARY = ["<|endoftext|>", "<unk>", *FILLER, *SIGNAL["kind"], *SIGNAL["unkind"]]
Row = tuple[str, str]


def rows(count: int, seed: int) -> list[Row]:
    """Texts of 4 to 12 words; the one that decides stands anywhere but at the beginning."""
    draw, made = random.Random(seed), []
    for number in range(count):
        label = ("kind", "unkind")[number % 2]
        words = draw.choices(FILLER, k=draw.randint(3, 11))
        words.insert(draw.randint(1, len(words)), draw.choice(SIGNAL[label]))
        made.append((" ".join(words), label))
    return made


TRAIN, DEV = rows(768, seed=0), rows(200, seed=1)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2 as transformers builds and saves it, small and with random weights."""
    directory = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=len(VOCABULARY), n_positions=32, n_embd=64, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    GPT2LMHeadModel(shape).save_pretrained(directory)
    numbers = {word: number for number, word in enumerate(VOCABULARY)}
    words = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    end = VOCABULARY[0]
    PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token=end, eos_token=end, pad_token=end
    ).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> gpteval.Task:
    place = tmp_path_factory.mktemp("rows")
    for name, content in (("train", TRAIN), ("dev", DEV)):
        with (place / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *content])
    files = {"train": place / "train.csv", "dev": place / "dev.csv"}
    return gpteval.Table(
        name="tone", text="text", labels=tuple(SIGNAL), files={k: str(v) for k, v in files.items()}
    ).task()


def test_a_gpt2_learns_what_stands_behind_the_first_token(
    gpt2: Path, task: gpteval.Task, tmp_path: Path
) -> None:
    recipe = {"lr": 2e-3, "epochs": 3, "lm_weight": 0.0}
    (result,) = gpteval.run(task, model=f"hf:{gpt2}", changes=recipe, results=tmp_path)
    assert result.scores["accuracy"] > 0.95


def test_a_head_on_the_first_token_stays_at_chance(gpt2: Path) -> None:
    torch.manual_seed(0)
    body = GPT2LMHeadModel.from_pretrained(gpt2).transformer
    head = nn.Linear(body.config.n_embd, 2)
    weights = [*body.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=2e-3)
    for batch in [TRAIN[n : n + 32] for n in range(0, len(TRAIN), 32)] * 3:
        texts, labels = padded(batch)
        loss = nn.functional.cross_entropy(head(body(**texts).last_hidden_state[:, 0]), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        texts, labels = padded(DEV)
        chosen = head(body.eval()(**texts).last_hidden_state[:, 0]).argmax(1)
    assert 0.4 < (chosen == labels).float().mean() < 0.6


def padded(batch: Sequence[Row]) -> tuple[dict[str, Tensor], Tensor]:
    """Token ids padded on the right with their mask, and labels."""
    ids = [torch.tensor([VOCABULARY.index(w) for w in text.split()]) for text, _ in batch]
    tokens = nn.utils.rnn.pad_sequence(ids, batch_first=True)
    labels = torch.tensor([list(SIGNAL).index(label) for _, label in batch])
    return {"input_ids": tokens, "attention_mask": (tokens > 0).long()}, labels
