"""The same random weights as a model of ours and as one of transformers."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

import gpteval_models
from gpteval import load_weights
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.openai import translate

WORDS = Path(gpteval_models.__file__).parent / "mini"
"""Where the tokenizer is that both read with."""


def made(shape: GPTConfig) -> tuple[GPT, OpenAIGPTLMHeadModel]:
    """Both models with the same weights, none of them at its initial value."""
    torch.manual_seed(0)
    config = OpenAIGPTConfig(
        vocab_size=shape.vocab_size,
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        n_positions=shape.context,
    )
    theirs = OpenAIGPTLMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    ours = GPT(shape)
    load_weights(ours, translate(theirs.state_dict()), "transformers")
    return ours, theirs
