"""Reading states of a frozen model, side by side with transformers in a plain padded loop.

Same random weights, same texts, same tokenizer (that of `mini`). Theirs: batches of texts in file
order, padded to the longest, `output_hidden_states=True`, the mean over each text's tokens after
every layer. Ours is what `gpteval probe --layer all` reads: encode, fold into token trees,
`read_states`. Both begin with texts and end with one vector for each text and layer. `sorted`:
theirs with the texts in order of their length, which is the usual remedy for padding.

The texts are the first of the real training splits where `GPTEVAL_DATA` names them, else random
words. For `copa` and `stories` a text is what is given and one answer, as the probe reads a choice.

Run: `python benchmarks/features.py`; options below. Exit 1 if a state differs by more than 1e-4.
`--alone --texts 70000` reads whole splits, and says what that takes.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np
import torch
from rounds import interleaved, paired, seconds
from torch import Tensor
from transformers import OpenAIGPTLMHeadModel, PreTrainedTokenizerFast
from weights import WORDS, made

from gpteval import BpeTokenizer, Compute
from gpteval.compute.device import resolve
from gpteval.data.examples import examples_of
from gpteval.data.rows import DATA_VARIABLE, load_split, origin
from gpteval.encode.pieces import join
from gpteval.encode.texts import Text, encode_texts, texts_of
from gpteval.features.states import read_states
from gpteval.plugins import registry
from gpteval_models.gpt import GPT, GPTConfig

SHAPES = {
    "mini": GPTConfig(vocab_size=8478, width=160, layers=4, heads=5),
    "gpt1": GPTConfig(vocab_size=40_478),
    "small": GPTConfig(vocab_size=9000, width=32, layers=2, heads=2),
}
CASES = {"sst2": "sst2", "mrpc": "mrpc", "copa": "copa", "stories": "rocstories"}
LIMIT = 1e-4
Vectors = np.ndarray
"""(layers, texts, width)."""


def texts(case: str, count: int) -> list[Text]:
    """The first texts of a training split, or random words."""
    if not os.environ.get(DATA_VARIABLE):
        draw = random.Random(0)
        words = ["sea", "ship", "captain", "boy", "wind", "old", "good", "looked", "at", "the"]
        lengths = [draw.randint(1, 40) for _ in range(count)]
        return [("", " ".join(draw.choice(words) for _ in range(n))) for n in lengths]
    task = registry().tasks()[CASES[case]]
    examples = examples_of(task, load_split(task, "train", origin()))
    found = [text for e in examples for own in texts_of(task, e) for text in own]
    return found[:count]


def ours(model: GPT, words: BpeTokenizer, asked: Sequence[Text]) -> Vectors:
    """What `gpteval probe` reads."""
    reads = [read for (read,) in encode_texts([[text] for text in asked], words, model.context)]
    layers = range(model.shape.layers + 1)
    table = np.empty((len(layers), len(reads), model.width), np.float32)
    into = {layer: table[layer] for layer in layers}
    machine = resolve(Compute("cpu", "fp32"))
    read_states(model, reads, into, machine, mean=True)
    return table


@torch.inference_mode()
def theirs(
    model: OpenAIGPTLMHeadModel,
    words: PreTrainedTokenizerFast,
    asked: Sequence[str],
    begins: Sequence[int],
    batch_size: int,
) -> Vectors:
    """A plain padded loop."""
    found = []
    for start in range(0, len(asked), batch_size):
        batch = words(list(asked[start : start + batch_size]), padding=True, return_tensors="pt")
        hidden: tuple[Tensor, ...] = model.transformer(
            input_ids=batch.input_ids, output_hidden_states=True
        ).hidden_states
        places = torch.arange(batch.input_ids.shape[1])
        begin = torch.tensor(begins[start : start + batch_size])[:, None]
        mask = (batch.attention_mask.bool() & (places >= begin)).unsqueeze(-1)  # (B, T, 1)
        means = [(states * mask).sum(1) / mask.sum(1) for states in hidden]
        found.append(torch.stack(means).numpy())
    return np.concatenate(found, axis=1)


def compare(case: str, options: argparse.Namespace) -> bool:
    """Print one case; whether the states agree."""
    mine, reference = made(SHAPES[options.shape])
    words = BpeTokenizer.load(WORDS)
    words.start = None
    fast = PreTrainedTokenizerFast(
        tokenizer_file=str(WORDS / "tokenizer.json"), unk_token="<unk>", pad_token="<eot>"
    )
    asked = texts(case, options.texts)
    whole = [join(given, text) for given, text in asked]
    reads = [read for (read,) in encode_texts([[t] for t in asked], words, mine.context)]
    begins = [read.begin for read in reads]
    order = sorted(range(len(whole)), key=lambda n: len(reads[n].tokens))
    in_order = [whole[n] for n in order], [begins[n] for n in order]
    loop: Callable[..., Vectors] = partial(theirs, reference, fast, batch_size=options.batch_size)
    sides = {
        "ours": partial(ours, mine, words, asked),
        "padded": partial(loop, whole, begins),
        "sorted": partial(loop, *in_order),
    }
    difference = float(np.abs(sides["ours"]() - sides["padded"]()).max())
    times = interleaved({n: partial(seconds, work) for n, work in sides.items()}, options.pairs)
    against = [f"{n} {median(times[n]):.2f} s: {paired(times['ours'], times[n])}"
               for n in ("padded", "sorted")]  # fmt: skip
    print(f"{case:8} ours {median(times['ours']):.2f} s; {'; '.join(against)}; "
          f"largest difference {difference:.1e}", flush=True)  # fmt: skip
    return difference <= LIMIT


def alone(case: str, options: argparse.Namespace) -> bool:
    """Print what ours takes by itself; memory before it begins is that of the loaded libraries."""
    model, _ = made(SHAPES[options.shape])
    words = BpeTokenizer.load(WORDS)
    words.start = None
    asked = texts(case, options.texts)
    before, began, spent = peak(), time.perf_counter(), time.process_time()
    table = ours(model, words, asked)
    wall, cpu = time.perf_counter() - began, time.process_time() - spent
    print(f"{case:8} {len(asked)} texts, {len(table)} states of {model.width} numbers each: "
          f"{wall:.0f} s, {cpu:.0f} CPU s; peak memory {peak() - before:.0f} MiB above "
          f"{before:.0f}, of them {table.nbytes / 2**20:.0f} the states", flush=True)  # fmt: skip
    return bool(np.isfinite(table).all())


def peak() -> float:
    """Most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    options = arguments()
    torch.set_num_threads(options.threads)
    kind = "real texts" if os.environ.get(DATA_VARIABLE) else "random words"
    print(
        f"{options.texts} {kind}, {options.shape}, batches of {options.batch_size}, "
        f"{options.threads} threads, torch {torch.__version__}"
    )
    work = alone if options.alone else compare
    agree = [work(case, options) for case in options.case]
    return int(not all(agree))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--case", choices=list(CASES), nargs="+", default=list(CASES))
    parser.add_argument("--shape", choices=list(SHAPES), default="mini")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=32, help="theirs; default: 32")
    parser.add_argument("--alone", action="store_true", help="ours alone, with its peak memory")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
