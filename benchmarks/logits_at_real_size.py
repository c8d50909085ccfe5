"""Largest difference between our GPT's logits and transformers', at GPT-1's real size.

Random weights, gains and biases included; a plain sequence of 512 tokens and a token tree of four
sequences that share 200. Run: `python benchmarks/logits_at_real_size.py`. Exit 1 above 1e-4.
"""

from __future__ import annotations

import sys

import torch
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

from gpteval import load_weights
from gpteval.encode.batch import Encoded, pack
from gpteval.tree import fold
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.openai import translate

LIMIT = 1e-4


def models() -> tuple[GPT, OpenAIGPTLMHeadModel]:
    """Both models with the same weights, none of them at its initial value."""
    theirs = OpenAIGPTLMHeadModel(OpenAIGPTConfig()).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    ours = GPT(GPTConfig(vocab_size=40_478)).eval()
    load_weights(ours, translate(theirs.state_dict()), "transformers")
    return ours, theirs


@torch.no_grad()
def largest_difference(
    ours: GPT, theirs: OpenAIGPTLMHeadModel, sequences: list[list[int]]
) -> tuple[float, float]:
    """Largest absolute difference of any logit, and the largest logit."""
    tree = fold(sequences)
    hidden = ours.hidden(pack([Encoded("tree", tree, (), 0)], 0).trees)
    apart = size = 0.0
    for sequence, end in zip(sequences, tree.ends, strict=True):
        reference = theirs(torch.tensor([sequence])).logits[0]
        logits = ours.logits(hidden[tree.path(end)])
        apart = max(apart, float((logits - reference).abs().max()))
        size = max(size, float(reference.abs().max()))
    return apart, size


def main() -> int:
    torch.manual_seed(0)
    ours, theirs = models()
    parameters = sum(p.numel() for p in ours.parameters())
    print(f"{parameters:,} parameters, torch {torch.__version__}, fp32 on the CPU")
    shared = torch.randint(40_478, (200,)).tolist()
    cases = {
        "512 tokens": [torch.randint(40_478, (512,)).tolist()],
        "tree 4 x (200 + 20..50)": [
            shared + torch.randint(40_478, (length,)).tolist() for length in (20, 30, 40, 50)
        ],
    }
    worst = 0.0
    for name, sequences in cases.items():
        apart, size = largest_difference(ours, theirs, sequences)
        print(f"{name:24} largest difference {apart:.1e}, largest logit {size:.1f}")
        worst = max(worst, apart)
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
