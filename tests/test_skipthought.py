"""Skip-thought: sentences in windows, states and losses beside plain torch, and what reads it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner

import gpteval
from gpteval import BpeTokenizer, ConfigError
from gpteval.cli.pretrain import command
from gpteval.encode.batch import pack_trees
from gpteval.errors import DataError, TrainingError
from gpteval.files import parse_json
from gpteval.pretrain.neighbours import LONGEST, Neighbours, Sentences
from gpteval.pretrain.pretraining import Pretraining
from gpteval.tree import fold
from gpteval_models import SKIP_THOUGHT_PRESETS
from gpteval_models.skipthought import SkipThought, SkipThoughtConfig, build

WORDS = "the a captain boy ship sea saw sold old and was glad of apples home went".split()


@pytest.fixture(scope="module")
def tokenizer() -> BpeTokenizer:
    marks = """ . ! ? " ' ( ) mr mrs j so am i """
    return BpeTokenizer.train([" ".join(WORDS) + marks + "mr . smith said so "] * 9, merges=200)


@pytest.fixture
def model(tokenizer: BpeTokenizer) -> SkipThought:
    torch.manual_seed(0)
    shape = SkipThoughtConfig(tokenizer.vocab_size, context=64, embedding=6, units=9)
    return SkipThought(shape).eval()


def found(tokenizer: BpeTokenizer, text: str) -> list[list[str]]:
    """The sentences of a text behind the token that begins a document."""
    assert tokenizer.start is not None
    runs = Sentences(tokenizer).runs([tokenizer.start, *tokenizer.encode([text])[0]])
    assert runs[0] == []
    return [[tokenizer.decode(sentence) for sentence in run] for run in runs[1:]]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("the ship . the boy saw ! a sea ? home", ["the ship .", "the boy saw !", "a sea ?"]),
        ("mr . smith went . the boy saw", ["mr . smith went ."]),
        ("j . smith went . so am i . the", ["j . smith went .", "so am i ."]),
        ("the sea . . . was old ! ? the", ["the sea . . .", "was old ! ?"]),
        ('" a sea ! " said he . " home . " a', ['" a sea ! "', "said he .", '" home . "']),
        ("( the boy went . ) a ship", ["( the boy went . )"]),
        (". the", ["."]),
    ],
)  # fmt: skip
def test_sentences_end_where_their_marks_are(
    text: str, sentences: list[str], tokenizer: BpeTokenizer
) -> None:
    assert found(tokenizer, text) == [sentences]


def test_what_a_window_cuts_off_is_no_sentence(tokenizer: BpeTokenizer) -> None:
    ids = tokenizer.encode(["boy went . the ship . a sea . home"])[0]
    (run,) = Sentences(tokenizer).runs(ids)
    assert [tokenizer.decode(sentence) for sentence in run] == ["the ship .", "a sea ."]


def test_neighbours_stand_in_one_document(tokenizer: BpeTokenizer, model: SkipThought) -> None:
    one, two, three = tokenizer.encode(["the boy .", "a ship .", "home"])
    start = tokenizer.start
    assert start is not None
    goal = Neighbours(model, Sentences(tokenizer))
    window = [start, *one, *two, *three, start, *one, *one, start, *two]
    rows = [[start, *row] for row in (one, two, three)]
    assert goal.triples(window) == [(rows[1], rows[0], rows[2])]


def test_a_long_sentence_is_read_to_its_limit(tokenizer: BpeTokenizer, model: SkipThought) -> None:
    ids = tokenizer.encode(["the boy . " + "ship " * 99 + ". home . a"])[0]
    ((own, _, _),) = Neighbours(model, Sentences(tokenizer)).triples([tokenizer.start, *ids])
    assert len(own) == LONGEST + 1


def test_a_state_is_that_of_torchs_gru_on_the_text_alone(model: SkipThought) -> None:
    rows = [[5, 6, 7, 8, 9, 10], [5, 6, 7, 3], [4], list(range(3, 33)), [5, 6, 7, 8, 1, 2]]
    trees = [fold(rows[:3] + rows[4:], 2), fold([rows[3]])]
    states = model.hidden(pack_trees(trees))
    ends = [*trees[0].ends, trees[1].ends[0] + len(trees[0].tokens)]
    for row, end in zip([*rows[:3], *rows[4:], rows[3]], ends, strict=True):
        alone, _ = model.encoder(F.embedding(torch.tensor(row), model.tokens))
        torch.testing.assert_close(states[end], alone[-1])


def gru(network: torch.nn.GRU, read: list[torch.Tensor], state: torch.Tensor) -> list[torch.Tensor]:
    """States after each of some vectors by the formula of torch's documentation."""
    ((into, back), biases) = (network.all_weights[0][:2], network.all_weights[0][2:])
    states = []
    for x in read:
        reset, update, new = (into @ x + biases[0]).chunk(3)
        of_reset, of_update, of_new = (back @ state + biases[1]).chunk(3)
        gate = torch.sigmoid(update + of_update)
        fresh = torch.tanh(new + torch.sigmoid(reset + of_reset) * of_new)
        state = (1 - gate) * fresh + gate * state
        states.append(state)
    return states


def test_the_loss_is_that_of_a_loop_over_sentences_and_tokens(
    tokenizer: BpeTokenizer, model: SkipThought
) -> None:
    texts = ["the boy went . a ship was old . home . the sea saw", "a sea . the boy . a old ship !"]
    windows = [[tokenizer.start, *ids] for ids in tokenizer.encode([t + " the . a" for t in texts])]
    goal, total = Neighbours(model, Sentences(tokenizer)), 0.0
    for window in windows:
        nats, predicted = 0.0, 0
        assert len(goal.triples(window)) == 2
        for own, *neighbours in goal.triples(window):
            thought = gru(model.encoder, list(model.tokens[own]), torch.zeros(9))[-1]
            for decoder, row in zip((model.before, model.after), neighbours, strict=True):
                states = gru(decoder, list(model.tokens[row[:-1]]), thought)
                for state, token in zip(states, row[1:], strict=True):
                    scores = model.tokens @ (model.out.weight @ state + model.out.bias)
                    nats, predicted = nats - scores.log_softmax(0)[token].item(), predicted + 1
        total += nats / predicted * (len(window) - 1)
    loss = goal([torch.tensor(window) for window in windows])
    assert loss.item() == pytest.approx(total, rel=1e-5)


def test_its_gradient_is_that_of_the_padded_sum(
    tokenizer: BpeTokenizer, model: SkipThought
) -> None:
    """Padded rows, masked targets and `F.cross_entropy` in place of packed ones."""
    ids = tokenizer.encode(["the boy went . a ship was old . home . the sea saw ! a"])[0]
    window = torch.tensor([tokenizer.start, *ids])
    goal = Neighbours(model, Sentences(tokenizer))
    goal([window]).backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    columns = list(zip(*goal.triples(window.tolist()), strict=True))
    lengths = [torch.tensor([len(row) for row in rows]) for rows in columns]
    padded = [
        torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows]) for rows in columns
    ]
    states, _ = model.encoder(F.embedding(padded[0], model.tokens))
    thoughts = states[lengths[0] - 1, torch.arange(len(lengths[0]))][None]
    loss = torch.zeros(())
    for decoder, rows, sizes in zip(
        (model.before, model.after), padded[1:], lengths[1:], strict=True
    ):
        states, _ = decoder(F.embedding(rows[:-1], model.tokens), thoughts)
        scores = model.out(states) @ model.tokens.T
        each = F.cross_entropy(scores.flatten(0, 1), rows[1:].flatten(), reduction="none")
        loss = (
            loss
            + (each.view(rows[1:].shape) * (torch.arange(len(rows) - 1)[:, None] < sizes - 1)).sum()
        )
    predicted = sum(int((sizes - 1).sum()) for sizes in lengths[1:])
    (loss * (len(window) - 1) / predicted).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], msg=name)


def test_a_window_without_neighbours_counts_nothing(
    tokenizer: BpeTokenizer, model: SkipThought
) -> None:
    loss = Neighbours(model, Sentences(tokenizer))([torch.tensor([tokenizer.start, 5, 6, 7])])
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


def test_the_authors_size_is_2400_units_and_mini_is_as_large_as_mini() -> None:
    with torch.device("meta"):
        paper = build({"vocab_size": 20_000, **SKIP_THOUGHT_PRESETS["skipthought"]})
    assert (paper.embedding, paper.width) == (620, 2400)
    small = SkipThoughtConfig(8478, **SKIP_THOUGHT_PRESETS["skipthought-mini"])
    assert small.parameters == sum(p.numel() for p in SkipThought(small).parameters())
    assert 2.4e6 < small.parameters < 2.9e6


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books in which a sentence says what the next one will be about."""
    directory, draw = tmp_path_factory.mktemp("corpus"), random.Random(0)
    for number in range(3):
        pairs = []
        for _ in range(150):
            word = draw.choice(WORDS)
            pairs.append(f"{draw.choice(WORDS)} {word} . the {word} {word} !")
        (directory / f"{number}.txt").write_text(" ".join(pairs))
    return directory


SMALL = ["--preset", "skipthought-mini", "--context", "32", "--merges", "60", "--held-out", "1"]
SMALL += ["--batch-size", "4", "--device", "cpu", "--warmup", "2", "--lr", "3e-3", "--dropout", "0"]
WHOLE = ["--updates", "40", "--snapshots", "1", "--evaluate", "20"]


def pretrain(corpus: Path, output: Path, *more: str) -> None:
    arguments = [str(corpus), "--output", str(output), *SMALL, *more]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained")
    pretrain(corpus, output, *WHOLE)
    return output


def curve(output: Path) -> list[dict[str, float]]:
    return [parse_json(x) for x in (output / "curve.jsonl").read_bytes().splitlines()]


def test_training_makes_the_loss_smaller_on_books_kept_apart(trained: Path) -> None:
    points = [p["held_out_loss"] for p in curve(trained) if "held_out_loss" in p]
    assert len(points) == 2 and points[-1] < points[0] - 0.1
    assert not any("bits_per_byte" in point for point in curve(trained))


def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    corpus: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Pretraining.step

    def stopped(self: Pretraining) -> tuple[float, float, float]:
        if self.update == 25:
            raise TrainingError("stopped")
        return step(self)

    with monkeypatch.context() as patch, pytest.raises(TrainingError, match="stopped"):
        patch.setattr(Pretraining, "step", stopped)
        pretrain(corpus, tmp_path, *WHOLE, "--save-updates", "10")
    pretrain(corpus, tmp_path, *WHOLE)
    weights = "model/model.safetensors"
    assert (tmp_path / weights).read_bytes() == (trained / weights).read_bytes()


def test_a_probe_reads_what_it_learnt(trained: Path, tmp_path: Path) -> None:
    reference = str(trained / "model")
    (result, *_) = gpteval.score_probes(
        "sst2", model=reference, state="last", sample=True, limit=40, results=tmp_path
    )
    assert (result.recipe, result.model) == ("last-last", reference)


REFUSALS = {
    "run": lambda model, place: gpteval.run("sst2", model=model, sample=True, results=place),
    "zeroshot": lambda model, place: gpteval.score_zeroshot(
        "copa", model=model, sample=True, results=place
    ),
    "ablate": lambda model, place: gpteval.ablate("sst2", model=model, sample=True, results=place),
    "doctor": lambda model, place: list(gpteval.doctor("copa", model=model, sample=True)),
}


@pytest.mark.parametrize("way", REFUSALS)
def test_what_asks_a_language_model_refuses_it_in_one_line(
    way: str, trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"is no language model.*`gpteval probe") as caught:
        REFUSALS[way](str(trained / "model"), tmp_path)
    assert "\n" not in str(caught.value)


def test_it_is_not_watched_by_likelihood(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^--watch asks language models, and skipthought is none"
    ):
        pretrain(corpus, tmp_path, "--updates", "9", "--watch", "copa")


def test_text_without_sentences_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the boy went . " + "a ship and a sea , " * 200)
    with pytest.raises(DataError, match=r"^no three sentences in a row"):
        pretrain(tmp_path, tmp_path / "out", "--updates", "9", "--held-out", "0")
