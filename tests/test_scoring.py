"""Likelihoods on token trees against a plain computation, one sequence at a time."""

from __future__ import annotations

from pathlib import Path as Directory

import pytest
import torch
from test_huggingface import gpt2, llama, write
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

from gpteval import Loaded, Model, load_model
from gpteval.encode.batch import Encoded
from gpteval.encode.prompts import EncodedPrompt, Path
from gpteval.score.likelihood import fold_prompts, likelihoods, score_prompts
from gpteval_models.gpt import GPT, GPTConfig


def path(generator: torch.Generator, given: list[int], scored: int) -> Path:
    tokens = torch.randint(10, (scored,), generator=generator).tolist()
    return Path((*given, *tokens), max(len(given), 1), 3 * scored)


def prompts() -> list[EncodedPrompt]:
    """Questions on one passage and single ones, of different lengths."""
    generator = torch.Generator().manual_seed(3)
    found = []
    for number, (length, passage) in enumerate(((12, "p"), (12, "p"), (3, ""), (9, ""), (1, ""))):
        seed = torch.Generator().manual_seed(length)
        given = torch.randint(10, (length,), generator=seed).tolist()
        question = torch.randint(10, (number,), generator=generator).tolist()
        paths = tuple(path(generator, given + question, scored) for scored in (1, 4, 9))
        neutral = tuple(path(generator, [0], 2) for _ in range(3))
        found.append(EncodedPrompt(str(number), paths, neutral, passage))
    return found


@torch.no_grad()
def by_hand(lm: torch.nn.Module, scored: Path) -> float:
    """Sum of log-probabilities from the logits of transformers' own model."""
    logits = lm(torch.tensor([scored.tokens])).logits[0].double().log_softmax(-1)
    places = range(scored.begin, len(scored.tokens))
    return sum(float(logits[place - 1, scored.tokens[place]]) for place in places)


def openai_pair() -> tuple[Model, torch.nn.Module]:
    lm = OpenAIGPTLMHeadModel(
        OpenAIGPTConfig(vocab_size=10, n_positions=64, n_embd=32, n_layer=2, n_head=2)
    ).eval()
    model = GPT(GPTConfig(10, context=64, width=32, layers=2, heads=2))
    weights = lm.transformer.state_dict()
    ours = {
        "tokens": weights["tokens_embed.weight"],
        "positions": weights["positions_embed.weight"],
    }
    names = {"attention.qkv": "attn.c_attn", "attention.out": "attn.c_proj", "norm1": "ln_1",
             "up": "mlp.c_fc", "down": "mlp.c_proj", "norm2": "ln_2"}  # fmt: skip
    for layer in range(2):
        for own, theirs in names.items():
            weight = weights[f"h.{layer}.{theirs}.weight"]
            ours[f"blocks.{layer}.{own}.weight"] = weight if "norm" in own else weight.T
            ours[f"blocks.{layer}.{own}.bias"] = weights[f"h.{layer}.{theirs}.bias"]
    model.load_state_dict(ours)
    return model, lm


def test_gpt_has_the_log_probabilities_of_transformers() -> None:
    model, lm = openai_pair()
    for prompt, found in zip(prompts(), score_prompts(model, fold_prompts(prompts())), strict=True):
        for scored, likelihood in zip(prompt.paths, found.candidates, strict=True):
            assert likelihood.total == pytest.approx(by_hand(lm, scored), abs=1e-4)
            assert (likelihood.tokens, likelihood.size) == (scored.size // 3, scored.size)


@pytest.mark.parametrize("make", [gpt2, llama])
def test_models_of_transformers_have_their_own_log_probabilities(
    tmp_path: Directory, make: object
) -> None:
    torch.manual_seed(0)
    model = load_model(f"hf:{write(tmp_path / 'model', make())}").model
    for prompt, found in zip(prompts(), score_prompts(model, fold_prompts(prompts())), strict=True):
        expected = [by_hand(model.lm, scored) for scored in (*prompt.paths, *prompt.neutral)]
        totals = [likelihood.total for likelihood in (*found.candidates, *found.neutral)]
        assert totals == pytest.approx(expected, abs=1e-4)


def test_a_tree_has_the_likelihoods_of_its_paths(tiny: Loaded) -> None:
    trees = fold_prompts(prompts())
    together = [pair for _, found in likelihoods(tiny.model, trees) for pair in found.items()]
    assert len(together) == sum(map(len, trees.paths))
    for scored, found in together:
        alone = fold_prompts([EncodedPrompt("", (scored,), (), "")])
        ((_, apart),) = likelihoods(tiny.model, alone)
        assert apart[scored].total == pytest.approx(found.total, abs=1e-5)


@pytest.mark.parametrize("most_tokens", [1, 30, 64])
def test_the_batch_size_changes_no_likelihood(tiny: Loaded, most_tokens: int) -> None:
    whole = score_prompts(tiny.model, fold_prompts(prompts()))
    parts = score_prompts(tiny.model, fold_prompts(prompts()), most_tokens=most_tokens)
    for one, other in zip(whole, parts, strict=True):
        assert [c.total for c in one.candidates] == pytest.approx(
            [c.total for c in other.candidates], abs=1e-4
        )


def test_few_logits_at_once_change_nothing(tiny: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score_prompts(tiny.model, fold_prompts(prompts()))
    monkeypatch.setattr("gpteval.score.likelihood.MOST_LOGITS", {"cpu": 1})
    for one, other in zip(score_prompts(tiny.model, fold_prompts(prompts())), whole, strict=True):
        assert [c.total for c in one.candidates] == pytest.approx(
            [c.total for c in other.candidates], abs=1e-5
        )


def test_questions_on_one_passage_share_a_tree_and_a_path_is_scored_once() -> None:
    scored = prompts()
    paths = fold_prompts(scored).paths
    assert [len(tree) for tree in paths][:4] == [6, 3, 3, 3]
    assert len(paths) == 4 + len({p for s in scored for p in s.neutral})


def test_every_tree_is_reported_done(tiny: Loaded) -> None:
    done: list[Encoded] = []
    score_prompts(tiny.model, fold_prompts(prompts()), done=done.extend, most_tokens=30)
    assert sorted(tree.index for tree in done) == list(range(len(fold_prompts(prompts()).folded)))
