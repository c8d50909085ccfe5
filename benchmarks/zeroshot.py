"""Scoring continuations side by side with lm-evaluation-harness's `HFLM`, on the CPU.

Same random weights of GPT-1's size, same texts, same tokenizer (that of `mini`, here without a
start token, as GPT-1's has none). Theirs is `HFLM.loglikelihood` on a transformers model handed to
it, at several batch sizes, its cache for continuations of one token on; at bf16 the model's weights
are bf16. Ours is what `gpteval zeroshot` does: encode, then `score_prompts`; at bf16 the rounded
weights are kept from call to call, as theirs are. Both begin with text and end with
log-probabilities. Ours leaves out the unconditional likelihoods here, which theirs has no
counterpart of. By default each side runs with the memory allocator it has by itself (allocator.py);
`--allocator keep` gives theirs ours, which speeds it up.

The texts are the first of the real test sets where `GPTEVAL_DATA` names them: an article of RACE
with four questions, the first question on each of two articles (with four answers each they fill
theirs at batch size 8), 16 stories, 48 items of COPA. Elsewhere they are random words, as many as
those have; which, is printed.

Run: `python benchmarks/zeroshot.py`; options below. Exit 1 if in fp32 a log-probability differs by
more than 1e-4, or an answer.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, product
from operator import ne, truediv
from statistics import median

import torch
from allocator import CHOICES, settled
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from rounds import interleaved, paired, seconds
from transformers import OpenAIGPTLMHeadModel, PreTrainedTokenizerFast
from weights import WORDS, made

from gpteval import BpeTokenizer, Compute, Prompt
from gpteval.compute.device import resolve
from gpteval.data.rows import DATA_VARIABLE, load_split, origin
from gpteval.encode.pieces import join
from gpteval.encode.prompts import encode_prompts
from gpteval.plugins import registry
from gpteval.score.likelihood import fold_prompts, score_prompts
from gpteval_models.gpt import GPT, GPTConfig

SHAPES = {
    "gpt1": GPTConfig(vocab_size=40_478),
    "small": GPTConfig(vocab_size=9000, width=32, layers=2, heads=2),
}
BATCH_SIZES = [8, 1, 32]
LIMIT = 1e-4
"""Largest difference of a log-probability (of a whole continuation, in nats) in fp32."""

Scores = list[list[float]]
"""Log-probability of every prompt's continuations."""
Side = Callable[[], Scores]


@dataclass(frozen=True)
class Sides:
    """The tokenizer of both, our model, and theirs by precision."""

    words: BpeTokenizer
    ours: GPT
    theirs: dict[str, OpenAIGPTLMHeadModel]


@dataclass(frozen=True)
class Case:
    """What is scored: a task's prompts, and the lengths in words of what stands in for them.

    Attributes:
        passage, context, continuation: Fewest and most words of a random text.
        passages: Among how many passages the prompts are shared out.
    """

    task: str
    prompts: int
    continuations: int
    passage: tuple[int, int]
    context: tuple[int, int]
    continuation: tuple[int, int]
    passages: int = 1


ARTICLE = (330, 400)
CASES = {
    "race-article": Case("race", 4, 4, ARTICLE, (7, 21), (2, 16)),
    "race-question": Case("race", 2, 4, ARTICLE, (7, 21), (2, 16), passages=2),
    "story-cloze": Case("rocstories", 16, 2, (0, 0), (33, 62), (5, 16)),
    "copa": Case("copa", 48, 2, (0, 0), (5, 13), (4, 11)),
}


def prompts_of(case: Case, words: BpeTokenizer) -> list[Prompt]:
    """Real prompts where the data is there, random ones of their lengths elsewhere."""
    if not os.environ.get(DATA_VARIABLE):
        return random_prompts(case, words)
    task = registry().tasks()[case.task]
    assert task.prompt is not None
    prompts = [task.prompt(row) for row in load_split(task, "test", origin()).rows]
    if case.task != "race":
        return prompts[: case.prompts]
    articles: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        articles.setdefault(prompt.passage, []).append(prompt)
    sizes = zip(articles.values(), words.encode(list(articles)), strict=True)
    fitting = [asked for asked, ids in sizes if ARTICLE[0] <= len(ids) <= ARTICLE[1]]
    each = case.prompts // case.passages
    chosen = [asked for asked in fitting if len(asked) == 4][: case.passages]
    return [prompt for asked in chosen for prompt in asked[:each]]


def random_prompts(case: Case, words: BpeTokenizer) -> list[Prompt]:
    """Prompts of random words, each of which is one token."""
    draw = random.Random(0)
    texts = [words.decode([token]) for token in range(words.vocab_size)]
    whole = [
        text
        for text, ids in zip(texts, words.encode(texts), strict=True)
        if text.isalpha() and len(text) > 2 and len(ids) == 1
    ]

    def text(lengths: tuple[int, int]) -> str:
        return " ".join(draw.choice(whole) for _ in range(draw.randint(*lengths)))

    passages = [text(case.passage) for _ in range(case.passages)]
    return [
        Prompt.choice(
            {"id": str(number), "label": 0},
            text(case.context),
            tuple(text(case.continuation) for _ in range(case.continuations)),
            passage=passages[number % case.passages],
        )
        for number in range(case.prompts)
    ]


def our_side(model: GPT, words: BpeTokenizer, prompts: Sequence[Prompt], precision: str) -> Side:
    """What `gpteval zeroshot` does, less the unconditional likelihoods."""
    scoring = resolve(Compute("cpu", precision)).scoring()

    def score() -> Scores:
        encoded = encode_prompts(prompts, words, model.context)
        asked = [replace(each, neutral=()) for each in encoded]
        found = score_prompts(model, fold_prompts(asked), autocast=scoring)
        return [[c.total for c in each.candidates] for each in found]

    return score


def their_side(model: OpenAIGPTLMHeadModel, prompts: Sequence[Prompt], batch_size: int) -> Side:
    """`HFLM.loglikelihood` on the same texts."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(WORDS / "tokenizer.json"), unk_token="<unk>", eos_token="<eot>"
    )
    scorer = HFLM(model, tokenizer=tokenizer, batch_size=batch_size)
    requests = [
        Instance("loglikelihood", {}, pair(prompt, number), number)
        for prompt in prompts
        for number in range(len(prompt.candidates))
    ]

    def score() -> Scores:
        totals = iter(total for total, _ in scorer.loglikelihood(requests, disable_tqdm=True))
        return [[next(totals) for _ in prompt.candidates] for prompt in prompts]

    return score


def pair(prompt: Prompt, number: int) -> tuple[str, str]:
    """Context and continuation as lm-evaluation-harness wants them: together, the whole text."""
    candidate = prompt.candidates[number]
    context = join(prompt.passage.strip(), candidate.context.strip())
    return context, join(context, candidate.continuation.strip())[len(context) :]


def shown(times: dict[str, list[float]]) -> str:
    """Ours against theirs at every batch size, as medians of interleaved rounds."""
    ours, *theirs = times
    against = [f"{n} {median(times[n]):.3f} s: {paired(times[ours], times[n])}" for n in theirs]
    return "; ".join([f"ours {median(times[ours]):.3f} s", *against])


def agreement(found: Scores, reference: Scores, lengths: Scores) -> tuple[float, int]:
    """Largest difference of a log-probability, and how many answers differ.

    An answer is the continuation with the highest mean token log-probability.
    """
    pairs = zip(chain(*found), chain(*reference), strict=True)
    mine, theirs = answers(found, lengths), answers(reference, lengths)
    return max(abs(a - b) for a, b in pairs), sum(map(ne, mine, theirs))


def answers(totals: Scores, lengths: Scores) -> list[int]:
    """Per prompt the continuation with the highest mean token log-probability."""
    means = [list(map(truediv, *each)) for each in zip(totals, lengths, strict=True)]
    return [each.index(max(each)) for each in means]


def compare(name: str, precision: str, options: argparse.Namespace, models: Sides) -> bool:
    """Print one case at one precision; whether fp32 holds what it must.

    Log-probabilities are compared with theirs in fp32 at the first batch size.
    """
    prompts = prompts_of(CASES[name], models.words)
    encoded = encode_prompts(prompts, models.words, models.ours.context)
    lengths = [[float(len(p.tokens) - p.begin) for p in each.paths] for each in encoded]
    reference = their_side(models.theirs["fp32"], prompts, options.batch_size[0])()
    every = {"ours": our_side(models.ours, models.words, prompts, precision)}
    for size in options.batch_size:
        every[f"at {size}"] = their_side(models.theirs[precision], prompts, size)
    found = {side: agreement(score(), reference, lengths) for side, score in every.items()}
    # What was just scored has also warmed every side up.
    sides = {
        side: settled(options.allocator, partial(seconds, score), ours=side == "ours")
        for side, score in every.items()
    }
    print(f"{name:13} {precision} {shown(interleaved(sides, options.pairs))}", flush=True)
    for side, (largest, differ) in list(found.items())[: 1 if precision == "fp32" else 2]:
        print(
            f"  {side}: largest difference {largest:.1e}, {differ} of {len(prompts)} answers differ"
        )
    largest, differ = found["ours"]
    return precision != "fp32" or (largest <= LIMIT and not differ)


def main() -> int:
    options = arguments()
    torch.set_num_threads(options.threads)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    ours, theirs = made(SHAPES[options.shape])
    words = BpeTokenizer.load(WORDS)
    words.start = None
    both = Sides(words, ours, {"fp32": theirs, "bf16": deepcopy(theirs).bfloat16()})
    kind = "real texts" if os.environ.get(DATA_VARIABLE) else "random words"
    print(f"{kind}, {options.threads} threads, torch {torch.__version__}")
    held = [compare(*each, options, both) for each in product(options.case, options.precision)]
    return int(not all(held))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--case", choices=list(CASES), nargs="+", default=list(CASES))
    parser.add_argument(
        "--precision", choices=["fp32", "bf16"], nargs="+", default=["fp32", "bf16"]
    )
    parser.add_argument("--shape", choices=list(SHAPES), default="gpt1")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--allocator", choices=CHOICES, default="own")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--batch-size", type=int, nargs="+", default=BATCH_SIZES, help="theirs; default: 8 1 32"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
