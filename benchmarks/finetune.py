"""Whole fine-tuning steps side by side with transformers' OpenAIGPT in a plain loop, on the CPU.

Same random weights, same batches, same precision, same objective (task loss + λ · language-model
loss, checked with dropout off), same dropout rates, fused AdamW and clipping on both sides. Theirs
is what one would write with transformers: eager attention (it has no other), each batch padded to
its longest sequence, logits at every position; for RACE the double-heads model. Ours is the step
that `gpteval run` takes.

What is not the same, and where it counts: [1] as OpenAI's code, ours drops out the embedding matrix
itself, theirs the embedded tokens: 31 million entries more a step for ours. [2] The answers of one
question share the dropout masks of the article they share. [3] Each side runs with the memory
allocator it has by itself (allocator.py); `--allocator keep` gives theirs ours, which speeds it up.
`--alone` takes each side in a process of its own and measures the peak memory of each. [4] On a CPU
that is no faster in bfloat16, theirs in bf16 is what autocast makes of it, ours the same products
by fp32 arithmetic: stderr says which CPU this is.

Run: `python benchmarks/finetune.py`; options below. Exit 1 if the objectives differ.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import median

import torch
import torch.nn.functional as F
from allocator import CHOICES, settle, settled
from rounds import by_itself, introduce, paired, seconds, tell
from torch import Tensor, nn
from transformers import OpenAIGPTConfig, OpenAIGPTDoubleHeadsModel, OpenAIGPTLMHeadModel

from gpteval import Compute, FinetuneConfig, Source, Task, load_weights
from gpteval.encode.batch import Encoded, pack
from gpteval.encode.tree import fold
from gpteval.score.head import TaskModel
from gpteval.train.device import Machine, resolve
from gpteval.train.finetune import Finetuning
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.openai import translate

SHAPES = {
    "gpt1": GPTConfig(vocab_size=40_478),
    "small": GPTConfig(vocab_size=500, width=32, layers=2, heads=2),
}
SPECIALS = 3
CLASSES = 3
RATE = 0.1
CONFIG = FinetuneConfig()
UPDATES = 1000
"""Of the training that the steps are the beginning of; only the learning rate depends on it."""
WARM = 1
"""Steps of each side before the first that counts."""
SAME = 1e-4
"""Largest relative difference of the two objectives."""

Step = Callable[[Sequence[Encoded]], object]


@dataclass(frozen=True)
class Case:
    """What is compared: lengths, examples of a batch, precision, shape."""

    data: str
    batch: int
    precision: str
    shape: str
    allocator: str

    @property
    def name(self) -> str:
        return f"{self.data} x {self.batch} {self.precision}"


def batches(case: Case, count: int) -> list[list[Encoded]]:
    """Random tokens: MNLI's lengths (lognormal, median 32, mean 36, 6 to 128), or four answers of
    3 to 16 tokens to a question on an article, 360 to 400 tokens together."""
    draw = random.Random(0)

    def text(length: int) -> list[int]:
        return [draw.randrange(SHAPES[case.shape].vocab_size) for _ in range(length)]

    def example(number: int) -> Encoded:
        if case.data == "race":
            shared = text(draw.randint(360, 400))
            tree = fold([shared + text(draw.randint(3, 16)) for _ in range(4)])
            return Encoded(str(number), tree, one_hot(draw.randrange(4), 4), number)
        sigma = math.sqrt(2 * math.log(36 / 32))
        length = min(128, max(6, round(draw.lognormvariate(math.log(32), sigma))))
        return Encoded(
            str(number), fold([text(length)]), one_hot(draw.randrange(CLASSES), CLASSES), number
        )

    return [[example(i) for i in range(case.batch)] for _ in range(count)]


def one_hot(place: int, size: int) -> tuple[float, ...]:
    return tuple(float(i == place) for i in range(size))


class Theirs(nn.Module):
    """transformers' model, with a classifier where it has none, and the recipe's losses."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        shape = SHAPES[case.shape]
        config = OpenAIGPTConfig(
            vocab_size=shape.vocab_size + SPECIALS,
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            embd_pdrop=RATE,
            attn_pdrop=RATE,
            resid_pdrop=RATE,
            summary_first_dropout=RATE,
        )
        self.choose = case.data == "race"
        if self.choose:
            self.lm = OpenAIGPTDoubleHeadsModel(config)
            self.head = self.lm.multiple_choice_head.summary
        else:
            self.lm = OpenAIGPTLMHeadModel(config)
            self.head = nn.Linear(shape.width, CLASSES)

    def losses(self, examples: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
        """Task loss and language-model loss of one batch, padded to its longest sequence."""
        paths = [
            [e.tree.tokens[i] for i in e.tree.path(end)] for e in examples for end in e.tree.ends
        ]
        tokens = nn.utils.rnn.pad_sequence([torch.tensor(p) for p in paths], batch_first=True)
        lengths = torch.tensor([len(path) for path in paths])
        targets = torch.tensor([e.target.index(1.0) for e in examples])
        if self.choose:
            groups = (len(examples), -1)
            output = self.lm(
                tokens.view(*groups, tokens.shape[1]), mc_token_ids=(lengths - 1).view(groups)
            )
            logits, scores = output.logits.flatten(0, 1), output.mc_logits
        else:
            hidden = self.lm.transformer(tokens)[0]
            logits = self.lm.lm_head(hidden)
            last = hidden[torch.arange(len(paths)), lengths - 1]
            scores = self.head(F.dropout(last, RATE, self.training))
        losses = F.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none"
        ).view(len(paths), -1)
        real = torch.arange(1, tokens.shape[1]) < lengths[:, None]
        lm_loss = ((losses * real).sum(1) / (lengths - 1)).mean()
        return F.cross_entropy(scores.float(), targets), lm_loss


def their_step(model: Theirs, machine: Machine) -> Step:
    """Forward, backward, clipping and fused AdamW, as one would write them."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.01, fused=True)

    def step(examples: Sequence[Encoded]) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=machine.precision == "bf16"):
            task_loss, lm_loss = model.losses(examples)
        loss = task_loss + CONFIG.lm_weight * lm_loss
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), CONFIG.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        loss.item()

    model.train()
    return step


def our_model(case: Case) -> TaskModel:
    kind = "choose" if case.data == "race" else "classify"
    labels = () if kind == "choose" else tuple("abc")
    source = Source(hub="", columns=(), splits={})
    task = Task("benchmark", 1, kind, source, lambda row: row, ("accuracy",), labels)
    model = TaskModel(GPT(SHAPES[case.shape]), task, RATE)
    model.model.dropout = RATE
    return model


def our_step(model: TaskModel, machine: Machine) -> Step:
    """The step that `gpteval run` takes."""
    training = Finetuning(model, CONFIG, seed=0, autocast=machine.autocast)
    return lambda examples: training.update(examples, 1, UPDATES)


def side(case: Case, name: str, machine: Machine) -> Step:
    torch.manual_seed(0)
    if name == "ours":
        return our_step(our_model(case), machine)
    return their_step(Theirs(case), machine)


def both(case: Case, machine: Machine) -> dict[str, Step]:
    """Both sides with the same weights, once their objectives have been found to agree.

    Raises:
        SystemExit: They differ.
    """
    torch.manual_seed(0)
    theirs, ours = Theirs(case), our_model(case)
    weights = theirs.lm.transformer.state_dict()
    load_weights(ours.model, translate(weights), "transformers")
    ours.linear.load_state_dict(theirs.head.state_dict())
    (examples,) = batches(case, 1)
    with torch.no_grad():
        expected = torch.stack(theirs.eval().losses(examples))
        found = torch.stack(ours.eval().losses(pack(examples, ours.linear.out_features), 0.5))
    if not torch.allclose(found, expected, rtol=SAME, atol=0):
        sys.exit(f"{case.name}: the objectives differ: {found.tolist()}, {expected.tolist()}")
    return {"ours": our_step(ours, machine), "theirs": their_step(theirs, machine)}


def compare(case: Case, pairs: int) -> None:
    """Print the median of interleaved pairs, each of one batch, the first side in turn."""
    machine = resolve(Compute("cpu", case.precision))
    steps = both(case, machine)
    every = batches(case, WARM + pairs)
    measured = every[WARM:]
    for step, examples in product(steps.values(), every[:WARM]):
        step(examples)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number, examples in enumerate(measured):
        for name in sorted(steps, reverse=bool(number % 2)):
            step = partial(seconds, partial(steps[name], examples))
            times[name].append(settled(case.allocator, step, ours=name == "ours")())
    tokens = sum(e.tree.tokens_read for examples in measured for e in examples)
    rate = tokens / sum(times["ours"])
    print(
        f"{case.name:14} ours {median(times['ours']):7.3f} s, theirs {median(times['theirs']):7.3f}"
        f" s: {paired(times['ours'], times['theirs'])}, {rate:,.0f} tokens/s"
    )


def alone(case: Case, pairs: int) -> None:
    """Print each side's time and peak memory in a process of its own."""
    found = {}
    for name in ("ours", "theirs"):
        options = ["--side", name, "--pairs", str(pairs), "--threads", str(torch.get_num_threads())]
        for option in ("data", "batch", "precision", "shape", "allocator"):
            options += [f"--{option}", str(getattr(case, option))]
        found[name] = by_itself(__file__, *options)
    shown = [f"{n} {f['seconds']:.3f} s, {f['memory'] / 1e9:.2f} GB" for n, f in found.items()]
    faster = found["theirs"]["seconds"] / found["ours"]["seconds"]
    memory = found["ours"]["memory"] / found["theirs"]["memory"]
    print(f"{case.name:14} alone: {'; '.join(shown)}: {faster:.2f}x in {memory:.2f} of the memory")


def one_side(case: Case, name: str, pairs: int) -> None:
    """Say the median seconds of a step and the peak memory of this process, for `alone`."""
    machine = resolve(Compute("cpu", case.precision))
    settle(case.allocator, ours=name == "ours")
    step = side(case, name, machine)
    tell([seconds(partial(step, examples)) for examples in batches(case, WARM + pairs)][WARM:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", choices=["mnli", "race"], nargs="+", default=["mnli", "race"])
    parser.add_argument("--batch", type=int, nargs="+", help="default: 8 and 32; race: 1 and 4")
    parser.add_argument(
        "--precision", choices=["fp32", "bf16"], nargs="+", default=["fp32", "bf16"]
    )
    parser.add_argument("--shape", choices=list(SHAPES), default="gpt1")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--allocator", choices=CHOICES, default="own")
    parser.add_argument("--alone", action="store_true", help="each side in a process of its own")
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.side:
        introduce()
    for data in options.data:
        for batch in options.batch or ([1, 4] if data == "race" else [8, 32]):
            for precision in options.precision:
                case = Case(data, batch, precision, options.shape, options.allocator)
                if options.side:
                    one_side(case, options.side, options.pairs)
                elif options.alone:
                    alone(case, options.pairs)
                else:
                    compare(case, options.pairs)


if __name__ == "__main__":
    main()
