"""Whole pre-training updates side by side with two ways one would write them.

Ours is `Pretraining.step`: windows read from a token file, forward, backward, clipping, AdamW. Same
weights to begin with, same shape (GPT-1's: norms after the sums, learned positions, one matrix for
reading and predicting), same precision, dropout 0.1 and windows of 512 tokens on all sides; the
objectives are compared with dropout off before anything is timed.

`nanogpt` is a plain eager loop as nanoGPT's: random windows from a memory map, one matrix for
queries, keys and values, torch's attention, `nn.Dropout`, logits at all positions,
`F.cross_entropy`, fused AdamW, `clip_grad_norm_`. nanoGPT itself has its norms before the sums and
the exact GELU. It compiles its model by default, but advises `--compile=False` on a CPU.
`trainer` is `transformers.Trainer` on its `OpenAIGPTLMHeadModel` (eager attention, it has no other)
with fused AdamW and clipping; an update counts from `on_train_begin` to `on_step_end`, with its
data loader but without what `train()` sets up.

What is not the same: [1] as OpenAI's code, ours drops out the embedding matrix itself, theirs the
embedded tokens. [2] The Trainer's windows are as long as ours, of which it predicts one token
less. [3] Each side runs with the memory allocator it has by itself (allocator.py); `--allocator
keep` gives theirs ours. `--alone` takes each side in a process of its own and measures the peak
memory. [4] On a CPU that is no faster in bfloat16, theirs in bf16 is what autocast makes of it,
ours the same products by fp32 arithmetic: stderr says which CPU this is.

Utilisation is useful FLOPs (`gpteval.compute.cost`) over those of a square matrix product at the
precision or in fp32, whichever is faster.

Run: `python benchmarks/pretrain.py`; options below. Exit 1 if the objectives differ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from allocator import CHOICES, settle, settled
from decoder import Decoder
from rounds import Timed, by_itself, interleaved, introduce, paired, seconds, tell
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import (
    OpenAIGPTConfig,
    OpenAIGPTLMHeadModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from gpteval import Compute, PretrainConfig, load_weights
from gpteval.compute.cost import forward_flops, matmul_ceiling
from gpteval.compute.device import Machine, resolve
from gpteval.corpus.tokens import RECORD, Documents, TokenFile
from gpteval.pretrain.bits_per_byte import Objective, negative_log_likelihood
from gpteval.pretrain.pretraining import Pretraining
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.openai import translate

RATE = 0.1
SHAPES = {
    "gpt1": GPTConfig(vocab_size=40_478, dropout=RATE),
    "mini": GPTConfig(vocab_size=8_478, width=160, layers=4, heads=5, dropout=RATE),
    "small": GPTConfig(vocab_size=500, context=32, width=32, layers=2, heads=2, dropout=RATE),
}
TOKENS = 1 << 20
"""Of the corpus, drawn at random: what they are changes no time."""
LR = 1e-6
"""So small that all updates are alike."""
WARM = 1
"""Rounds before the first that counts."""
SAME = 1e-4
"""Largest relative difference of two objectives."""


@dataclass(frozen=True)
class Case:
    """What is compared: shape, windows of an update, precision."""

    shape: str
    batch: int
    precision: str
    allocator: str
    device: str

    @property
    def name(self) -> str:
        return f"{self.shape} x {self.batch} {self.precision}"

    @property
    def config(self) -> GPTConfig:
        return SHAPES[self.shape]

    @property
    def flops(self) -> int:
        """Useful ones of an update."""
        length = self.config.context
        with torch.device("meta"):
            model = GPT(self.config)
        return 3 * self.batch * forward_flops(model, length, length * (length + 1) // 2, length)


def corpus(directory: Path, vocabulary: int) -> TokenFile:
    """One document of random tokens, read through a memory map."""
    path, table = directory / "tokens", directory / "documents"
    np.random.default_rng(0).integers(vocabulary, size=TOKENS, dtype=np.uint16).tofile(path)
    np.array([(0, 0, 0, TOKENS)], RECORD).tofile(table)
    documents = Documents(np.memmap(table, RECORD, "r"), ("random",), TOKENS)
    return TokenFile(np.memmap(path, np.uint16, "r"), documents, "random")


def plain_loop(model: Decoder, data: TokenFile, case: Case, machine: Machine) -> Timed:
    """One update as nanoGPT's loop makes it."""
    every, length = list(model.parameters()), case.config.context
    groups = [
        {"params": [p for p in every if p.ndim >= 2], "weight_decay": 0.01},
        {"params": [p for p in every if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=LR, fused=True)

    def windows() -> tuple[Tensor, Tensor]:
        tokens = np.memmap(data.tokens.filename, np.uint16, "r")
        starts = torch.randint(len(tokens) - length, (case.batch,)).tolist()
        runs = [torch.from_numpy(tokens[i : i + length + 1].astype(np.int64)) for i in starts]
        pair = torch.stack([r[:-1] for r in runs]), torch.stack([r[1:] for r in runs])
        return pair[0].to(machine.device), pair[1].to(machine.device)

    def update() -> None:
        halved = machine.precision == "bf16"
        with torch.autocast(machine.device.type, torch.bfloat16, enabled=halved):
            loss = model(*windows())
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        loss.item()

    model.train()
    return partial(seconds, update)


class Stopwatch(TrainerCallback):
    """From the first batch that is asked for to the end of the update."""

    def __init__(self) -> None:
        self.taken = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.taken = -time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.taken += time.perf_counter()


class Runs(Dataset[dict[str, Tensor]]):
    """Windows side by side, as transformers' models want them."""

    def __init__(self, data: TokenFile, length: int) -> None:
        self.tokens, self.length = data.tokens, length

    def __len__(self) -> int:
        return len(self.tokens) // self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        run = self.tokens[index * self.length : (index + 1) * self.length].astype(np.int64)
        return {"input_ids": torch.from_numpy(run), "labels": torch.from_numpy(run)}


def trainer(model: OpenAIGPTLMHeadModel, data: TokenFile, case: Case, machine: Machine) -> Timed:
    """One update of a Trainer."""
    settings = TrainingArguments(
        output_dir=str(Path(data.tokens.filename).parent / "trainer"),
        per_device_train_batch_size=case.batch,
        max_steps=1,
        learning_rate=LR,
        weight_decay=0.01,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        bf16=machine.precision == "bf16",
        use_cpu=machine.device.type == "cpu",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    watch = Stopwatch()
    runs = Runs(data, case.config.context)
    loop = Trainer(model, settings, train_dataset=runs, callbacks=[watch])
    loop.remove_callback(PrinterCallback)

    def update() -> float:
        loop.train()
        return watch.taken

    return update


def pretraining(model: GPT, data: TokenFile, case: Case, machine: Machine) -> Timed:
    """One update of `gpteval pretrain`."""
    config = PretrainConfig(
        context=case.config.context, batch_size=case.batch, lr=LR, warmup=1, dropout=RATE
    )
    return partial(seconds, Pretraining(Objective(model), data, None, config, machine).step)


def model(case: Case, name: str) -> Any:
    """A side's model with fresh weights."""
    shape = case.config
    torch.manual_seed(0)
    if name != "trainer":
        return GPT(shape) if name == "ours" else Decoder(shape, RATE)
    sizes = {"vocab_size": shape.vocab_size, "n_positions": shape.context}
    sizes |= {"n_embd": shape.width, "n_layer": shape.layers, "n_head": shape.heads}
    rates = {"embd_pdrop": RATE, "attn_pdrop": RATE, "resid_pdrop": RATE}
    config = OpenAIGPTConfig(**sizes, **rates)
    return OpenAIGPTLMHeadModel(config)


def models(case: Case) -> dict[str, Any]:
    """A model of each side, all with the same weights.

    Raises:
        SystemExit: With dropout off, their losses of the same window differ.
    """
    shape = case.config
    ours, plain, theirs = (model(case, name).eval() for name in UPDATES)
    load_weights(ours, translate(theirs.transformer.state_dict()), "transformers")
    weights = ours.state_dict()
    plain.load_state_dict({n if "." in n else f"{n}.weight": w for n, w in weights.items()})
    window = torch.randint(shape.vocab_size, (1, shape.context))
    before, after = window[:, :-1], window[:, 1:]
    with torch.no_grad():
        expected = theirs(window, labels=window).loss
        found = [negative_log_likelihood(ours, list(window)) / after.numel(), plain(before, after)]
    if not torch.allclose(torch.stack(found), expected, rtol=SAME, atol=0):
        sys.exit(f"{case.name}: the objectives differ: {found}, {expected}")
    return {"ours": ours, "nanogpt": plain, "trainer": theirs}


UPDATES = {"ours": pretraining, "nanogpt": plain_loop, "trainer": trainer}


def compare(case: Case, rounds: int) -> None:
    """Print medians of interleaved rounds of one update each."""
    machine, chosen = resolve(Compute(case.device, case.precision)), models(case)
    chosen = {name: made.to(machine.device) for name, made in chosen.items()}
    with tempfile.TemporaryDirectory() as directory:
        data = corpus(Path(directory), case.config.vocab_size)
        sides = {
            name: settled(
                case.allocator,
                waited(update(chosen[name], data, case, machine), machine),
                ours=name == "ours",
            )
            for name, update in UPDATES.items()
        }
        interleaved(sides, WARM)
        times = interleaved(sides, rounds)
    print(case.name)
    tokens, ceiling = case.batch * case.config.context, fastest(machine)
    for name, taken in times.items():
        middle = median(taken)
        used = f"{case.flops / middle / ceiling:.0%} of the machine"
        against = "" if name == "ours" else f", {paired(times['ours'], taken)}"
        print(f"  {name:8} {middle:7.3f} s, {tokens / middle:6,.0f} tokens/s, {used}{against}")


def waited(update: Timed, machine: Machine) -> Timed:
    """An update with what a GPU has still to do of it."""
    if machine.device.type != "cuda":
        return update

    def whole() -> float:
        taken = update()
        return taken + seconds(torch.cuda.synchronize)

    return whole


def fastest(machine: Machine) -> float:
    """FLOP/s of a matrix product at the precision, or in fp32 where that is faster."""
    return max(matmul_ceiling(machine.device, p) for p in {machine.precision, "fp32"})


def alone(case: Case, rounds: int) -> None:
    """Print each side's time and peak memory in a process of its own."""
    found = {}
    for name in UPDATES:
        options = ["--side", name, "--rounds", str(rounds), "--allocator", case.allocator]
        options += ["--shape", case.shape, "--batch", str(case.batch), "--device", case.device]
        options += ["--precision", case.precision, "--threads", str(torch.get_num_threads())]
        found[name] = by_itself(__file__, *options)
    print(f"{case.name}, each alone")
    for name, each in found.items():
        faster = each["seconds"] / found["ours"]["seconds"]
        memory = found["ours"]["memory"] / each["memory"]
        against = "" if name == "ours" else f": {faster:.2f}x in {memory:.2f} of the memory"
        print(f"  {name:8} {each['seconds']:7.3f} s, {each['memory'] / 1e9:.2f} GB{against}")


def one_side(case: Case, name: str, rounds: int) -> None:
    """Tell the median seconds of an update and the peak memory of this process."""
    machine = resolve(Compute(case.device, case.precision))
    settle(case.allocator, ours=name == "ours")
    with tempfile.TemporaryDirectory() as directory:
        data = corpus(Path(directory), case.config.vocab_size)
        update = UPDATES[name](model(case, name).to(machine.device), data, case, machine)
        tell([update() for _ in range(WARM + rounds)][WARM:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shape", choices=list(SHAPES), nargs="+", default=["gpt1", "mini"])
    parser.add_argument("--batch", type=int, default=4, help="windows of an update; default: 4")
    parser.add_argument(
        "--precision", choices=["fp32", "bf16"], nargs="+", default=["fp32", "bf16"]
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--allocator", choices=CHOICES, default="own")
    parser.add_argument("--alone", action="store_true", help="each side in a process of its own")
    parser.add_argument("--side", choices=list(UPDATES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.side:
        introduce()
    for shape, precision in product(options.shape, options.precision):
        case = Case(shape, options.batch, precision, options.allocator, options.device)
        if options.side:
            one_side(case, options.side, options.rounds)
        elif options.alone:
            alone(case, options.rounds)
        else:
            compare(case, options.rounds)


if __name__ == "__main__":
    main()
