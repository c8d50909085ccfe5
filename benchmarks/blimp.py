"""Minimal pairs per second side by side with lm-evaluation-harness's BLiMP task, on the CPU.

The same pairs of `GPTEVAL_DATA`'s blimp/, the first of each paradigm; the same random weights of
GPT-1's size; the same tokenizer, that of `mini`, whose first token stands before a sentence on both
sides. Theirs is the task of its own YAML template on those rows, its requests and
`HFLM.loglikelihood`, at several batch sizes. Ours is what `gpteval zeroshot` does. Both begin with
text and end with log-probabilities; fp32.

Sharing a pair's beginning and dropping padding save a part of the work. How many FLOPs each side
computes is counted: theirs by the shapes its model is called with, ours by the trees. The time that
is saved is held against the FLOPs that are saved.

(A sentence begins with a blank in their task. To this tokenizer it is nothing; byte-level ones, as
GPT-2's, give its first word another token for it.)

Run: `GPTEVAL_DATA=DATA python benchmarks/blimp.py`. Exit 1 if a log-probability differs by more
than 1e-4, or an answer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import lm_eval.tasks
import torch
import yaml
from allocator import CHOICES, settled
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from rounds import interleaved, paired, seconds
from transformers import OpenAIGPTLMHeadModel, PreTrainedTokenizerFast
from zeroshot import LIMIT, SHAPES, WORDS, Scores, made, our_side

from gpteval import BpeTokenizer, Columns, Question
from gpteval.compute.cost import Work, forward_flops
from gpteval.data.rows import DATA_VARIABLE
from gpteval.encode.prompts import encode_prompts
from gpteval.score.likelihood import fold_prompts
from gpteval_models.gpt import GPT

ASK = Question(Columns("pairs", ("sentence_good", "sentence_bad")))
TEMPLATE = Path(lm_eval.tasks.__file__).parent / "blimp" / "_template_yaml"


class Pairs:
    """The pairs, as each side has them."""

    def __init__(self, data: Path, rows: int, words: BpeTokenizer) -> None:
        """The first `rows` pairs of every file of blimp/."""
        files = sorted((data / "blimp").glob("*.jsonl"))
        lines = [line for file in files for line in file.read_text("utf-8").splitlines()[:rows]]
        self.rows: list[dict[str, Any]] = [
            {"id": str(number)} | json.loads(line) for number, line in enumerate(lines)
        ]
        self.prompts, self.words = [ASK(row) for row in self.rows], words

    def good_first(self, found: Scores) -> Scores:
        """Log-probabilities of (good, bad): ours have the good one in varying places."""
        return [
            scores[::-1] if prompt.label else scores
            for prompt, scores in zip(self.prompts, found, strict=True)
        ]

    def our_flops(self, model: GPT) -> int:
        """Of every token of the trees once; each predicts another."""
        work = Work()
        work.add(fold_prompts(encode_prompts(self.prompts, self.words, model.context)).folded)
        return forward_flops(model, work.tokens, work.keys, work.tokens)


class Theirs:
    """Their task on those rows, at one batch size."""

    def __init__(self, pairs: Pairs, model: OpenAIGPTLMHeadModel, batch_size: int) -> None:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(WORDS / "tokenizer.json"), unk_token="<unk>", eos_token="<eot>"
        )
        self.model, self.scorer = model, HFLM(model, tokenizer=tokenizer, batch_size=batch_size)
        with TemporaryDirectory() as place:
            file = Path(place) / "pairs.jsonl"
            kept = [{k: r[k] for k in ("sentence_good", "sentence_bad")} for r in pairs.rows]
            file.write_text("".join(json.dumps(row) + "\n" for row in kept))
            source = {
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": {"train": str(file)}},
            }
            config = yaml.safe_load(TEMPLATE.read_text()) | {"task": "blimp"} | source
            task = ConfigurableTask(config=config)
            task.build_all_requests()
        self.requests = task.instances

    def score(self) -> Scores:
        """Log-probabilities of (good, bad)."""
        found = self.scorer.loglikelihood(self.requests, disable_tqdm=True)
        totals = [total for total, _ in found]
        return [list(pair) for pair in zip(totals[::2], totals[1::2], strict=True)]

    def flops(self, ours: GPT) -> tuple[int, Scores]:
        """Of all it computes, padding too, by the formula of ours; and its scores."""
        shapes: list[torch.Size] = []

        def note(module: object, args: Sequence[Any], named: dict[str, Any]) -> None:
            shapes.append((args[0] if args else named["input_ids"]).shape)

        hook = self.model.register_forward_pre_hook(note, with_kwargs=True)
        scores = self.score()
        hook.remove()
        tokens = sum(rows * length for rows, length in shapes)
        keys = sum(rows * length * (length + 1) // 2 for rows, length in shapes)
        return forward_flops(ours, tokens, keys, tokens), scores


def main() -> int:
    options = arguments()
    if DATA_VARIABLE not in os.environ:
        raise SystemExit(f"{DATA_VARIABLE} names no directory with blimp/")
    torch.set_num_threads(options.threads)
    ours, model = made(SHAPES[options.shape])
    words = BpeTokenizer.load(WORDS)
    pairs = Pairs(Path(os.environ[DATA_VARIABLE].split(os.pathsep)[0]), options.rows, words)
    print(f"{len(pairs.rows)} pairs, {options.threads} threads, torch {torch.__version__}")
    mine = our_side(ours, words, pairs.prompts, "fp32")
    sides = {f"at {size}": Theirs(pairs, model, size) for size in options.batch_size}
    found, counted = pairs.good_first(mine()), pairs.our_flops(ours)
    held, ratios = True, {}
    for name, side in sides.items():
        flops, reference = side.flops(ours)
        ratios[name] = flops / counted
        held &= agree(name, found, reference)
    works = {"ours": mine} | {name: side.score for name, side in sides.items()}
    timed = {
        name: settled(options.allocator, partial(seconds, work), ours=name == "ours")
        for name, work in works.items()
    }
    tell(interleaved(timed, options.pairs), ratios, len(pairs.rows))
    return int(not held)


def agree(name: str, found: Scores, reference: Scores) -> bool:
    """Print how far a side's log-probabilities lie from ours; whether they are the same."""
    both = list(zip(found, reference, strict=True))
    apart = max(abs(a - b) for x, y in both for a, b in zip(x, y, strict=True))
    differ = sum((a > b) != (c > d) for (a, b), (c, d) in both)
    print(f"{name}: largest difference {apart:.1e}, {differ} answers differ")
    return apart <= LIMIT and not differ


def tell(times: dict[str, list[float]], ratios: dict[str, float], pairs: int) -> None:
    """Pairs per second of every side, and the time saved against the FLOPs saved."""
    print(f"ours: {pairs / median(times['ours']):.1f} pairs/s")
    for name, ratio in ratios.items():
        saved = median(b / a for a, b in zip(times["ours"], times[name], strict=True))
        print(
            f"{name}: {pairs / median(times[name]):.1f} pairs/s; time "
            f"{paired(times['ours'], times[name])} of ours, FLOPs {ratio:.2f}x: "
            f"{saved / ratio:.2f} of what the work allows"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10, help="of each paradigm; default: 10")
    parser.add_argument("--shape", choices=list(SHAPES), default="gpt1")
    parser.add_argument("--pairs", type=int, default=5, help="timed rounds; default: 5")
    parser.add_argument("--allocator", choices=CHOICES, default="own")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch-size", type=int, nargs="+", default=[8, 32], help="theirs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
