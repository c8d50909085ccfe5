"""Whole fine-tuning steps side by side with a model of transformers in a plain loop.

`--model gpt1` compares with transformers' OpenAIGPT, `--model hf` with its Llama in SmolLM2-135M's
shape, which ours reads through its adapter: the model is the same object's copy on both sides.
Same random weights, same batches, same precision, same objective (task loss + λ · language-model
loss, checked with dropout off), same dropout rates, fused AdamW and clipping on both sides. Theirs
is what one would write with transformers: its default attention (OpenAIGPT has eager alone), each
batch padded to its longest sequence, logits at every position; for RACE one row per answer. Ours
is the step that `gpteval run` takes.

What is not the same, and where it counts: [1] as OpenAI's code, ours drops out the embedding matrix
itself, theirs the embedded tokens: 31 million entries more a step for ours. [2] The answers of one
question share the dropout masks of the article they share. [3] Each side runs with the memory
allocator it has by itself (allocator.py); `--allocator keep` gives theirs ours, which speeds it up.
`--alone` takes each side in a process of its own and measures the peak memory of each. [4] On a CPU
that is no faster in bfloat16, theirs in bf16 is what autocast makes of it, ours the same products
by fp32 arithmetic: stderr says which CPU this is. [5] On a GPU a time is that of `--steps` steps
after one another, 10 by default, and ours is compiled where `gpteval run` compiles it; `--eager`
leaves that out.

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
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    OpenAIGPTConfig,
    OpenAIGPTDoubleHeadsModel,
    OpenAIGPTLMHeadModel,
)

from gpteval import Compute, FinetuneConfig, Source, Task, load_weights
from gpteval.compute.device import Machine, compile_layers, resolve
from gpteval.encode.batch import Encoded, pack
from gpteval.train.finetune import Finetuning
from gpteval.train.head import TaskModel
from gpteval.tree import fold
from gpteval_models.gpt import GPT, GPTConfig
from gpteval_models.huggingface import TOLERANCE, HuggingFaceModel
from gpteval_models.openai import translate
from gpteval_models.rows import reading

SHAPES = {
    "gpt1": GPTConfig(vocab_size=40_478),
    "small": GPTConfig(vocab_size=500, width=32, layers=2, heads=2),
}
LLAMAS = {
    "gpt1": {
        "vocab_size": 49_152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 2048,
    },
    "small": {
        "vocab_size": 500,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
    },
}
"""Shapes of `--model hf`: SmolLM2-135M's, of GPT-1's size, and a small one."""
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
    """What is compared: lengths, examples of a batch, precision, model and shape, where."""

    data: str
    batch: int
    precision: str
    model: str
    shape: str
    allocator: str
    device: str
    steps: int
    eager: bool

    @property
    def name(self) -> str:
        model = "" if self.model == "gpt1" else f"{self.model} "
        return f"{model}{self.data} x {self.batch} {self.precision}"

    @property
    def vocabulary(self) -> int:
        if self.model == "hf":
            return int(LLAMAS[self.shape]["vocab_size"])
        return SHAPES[self.shape].vocab_size

    def llama(self) -> LlamaForCausalLM:
        return LlamaForCausalLM(
            LlamaConfig(**LLAMAS[self.shape], attention_dropout=RATE, tie_word_embeddings=True)
        )


def batches(case: Case, count: int) -> list[list[Encoded]]:
    """Random tokens: MNLI's lengths (lognormal, median 32, mean 36, 6 to 128), or four answers of
    3 to 16 tokens to a question on an article, 360 to 400 tokens together."""
    draw = random.Random(0)

    def text(length: int) -> list[int]:
        return [draw.randrange(case.vocabulary) for _ in range(length)]

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
        self.choose, outputs = case.data == "race", 1 if case.data == "race" else CLASSES
        self.double = self.choose and case.model == "gpt1"  # it brings a head of its own
        if case.model == "hf":
            self.lm = case.llama()
            self.lm.resize_token_embeddings(case.vocabulary + SPECIALS, mean_resizing=False)
            self.head = nn.Linear(self.lm.config.hidden_size, outputs)
            return
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
        if self.choose:
            self.lm = OpenAIGPTDoubleHeadsModel(config)
            self.head = self.lm.multiple_choice_head.summary
        else:
            self.lm = OpenAIGPTLMHeadModel(config)
            self.head = nn.Linear(shape.width, CLASSES)

    def losses(self, examples: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
        """Task loss and language-model loss of one batch, padded to its longest sequence."""
        device = self.head.weight.device
        paths = [
            [e.tree.tokens[i] for i in e.tree.path(end)] for e in examples for end in e.tree.ends
        ]
        rows = [torch.tensor(path) for path in paths]
        tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)  # (R, T)
        lengths = torch.tensor([len(path) for path in paths], device=device)
        targets = torch.tensor([e.target.index(1.0) for e in examples], device=device)
        if self.double:
            groups = (len(examples), -1)
            output = self.lm(
                tokens.view(*groups, tokens.shape[1]), mc_token_ids=(lengths - 1).view(groups)
            )
            logits, scores = output.logits.flatten(0, 1), output.mc_logits
        else:
            hidden = self.lm.base_model(tokens)[0]  # (R, T, D)
            logits = self.lm.lm_head(hidden)
            last = hidden[torch.arange(len(paths), device=device), lengths - 1]
            scores = self.head(F.dropout(last, RATE, self.training)).view(len(examples), -1)
        losses = F.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none"
        ).view(len(paths), -1)
        real = torch.arange(1, tokens.shape[1], device=device) < lengths[:, None]
        lm_loss = ((losses * real).sum(1) / (lengths - 1)).mean()
        return F.cross_entropy(scores.float(), targets), lm_loss


def their_step(model: Theirs, machine: Machine) -> Step:
    """Forward, backward, clipping and fused AdamW, as one would write them."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.01, fused=True)
    halved = machine.precision == "bf16"

    def step(examples: Sequence[Encoded]) -> None:
        with torch.autocast(machine.device.type, torch.bfloat16, enabled=halved):
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
    if case.model == "hf":
        lm = HuggingFaceModel(case.llama().eval(), "a benchmark")
        lm.reading = reading(lm, TOLERANCE)
    else:
        lm = GPT(SHAPES[case.shape])
    model = TaskModel(lm, task, RATE)
    model.model.dropout = RATE
    return model


def our_step(case: Case, model: TaskModel, machine: Machine) -> Step:
    """The step that `gpteval run` takes."""
    if machine.device.type == "cuda" and not case.eager:
        compile_layers(model, machine.precision)
    training = Finetuning(model, CONFIG, seed=0, autocast=machine.autocast)
    return lambda examples: training.update(examples, 1, UPDATES)


def side(case: Case, name: str, machine: Machine) -> Step:
    torch.manual_seed(0)
    if name == "ours":
        return our_step(case, our_model(case).to(machine.device), machine)
    return their_step(Theirs(case).to(machine.device), machine)


def both(case: Case, machine: Machine) -> dict[str, Step]:
    """Both sides with the same weights, once their objectives have been found to agree.

    Raises:
        SystemExit: They differ.
    """
    torch.manual_seed(0)
    theirs, ours = Theirs(case), our_model(case)
    if case.model == "hf":
        ours.model.lm.load_state_dict(theirs.lm.state_dict())
    else:
        load_weights(ours.model, translate(theirs.lm.transformer.state_dict()), "transformers")
    ours.linear.load_state_dict(theirs.head.state_dict())
    theirs, ours = (model.to(machine.device) for model in (theirs, ours))
    (examples,) = batches(case, 1)
    batch = pack(examples, ours.linear.out_features).to(machine.device)
    with torch.no_grad():
        expected = torch.stack(theirs.eval().losses(examples))
        losses = torch.stack(ours.eval().losses(batch, 0.5))
    if not torch.allclose(losses, expected, rtol=SAME, atol=0):
        sys.exit(f"{case.name}: the objectives differ: {losses.tolist()}, {expected.tolist()}")
    return {"ours": our_step(case, ours, machine), "theirs": their_step(theirs, machine)}


def work(step: Step, groups: Sequence[Sequence[Encoded]], machine: Machine) -> None:
    """Steps after one another, and what a GPU has still to do of them."""
    for examples in groups:
        step(examples)
    if machine.device.type == "cuda":
        torch.cuda.synchronize()


def grouped(case: Case, count: int) -> list[list[list[Encoded]]]:
    """The batches of `count` times."""
    every = batches(case, count * case.steps)
    return [every[i : i + case.steps] for i in range(0, len(every), case.steps)]


def compare(case: Case, pairs: int) -> None:
    """Print the median of interleaved pairs, each of the same batches, the first side in turn."""
    machine = resolve(Compute(case.device, case.precision))
    steps = both(case, machine)
    every = grouped(case, WARM + pairs)
    measured = every[WARM:]
    for step, groups in product(steps.values(), every[:WARM]):
        work(step, groups, machine)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number, groups in enumerate(measured):
        for name in sorted(steps, reverse=bool(number % 2)):
            timed = partial(seconds, partial(work, steps[name], groups, machine))
            times[name].append(settled(case.allocator, timed, ours=name == "ours")())
    tokens = sum(e.tree.tokens_read for groups in measured for examples in groups for e in examples)
    rate = tokens / sum(times["ours"])
    middle = {name: median(all_times) / case.steps for name, all_times in times.items()}
    print(
        f"{case.name:14} ours {middle['ours']:7.4f} s, theirs {middle['theirs']:7.4f}"
        f" s: {paired(times['ours'], times['theirs'])}, {rate:,.0f} tokens/s",
        flush=True,
    )


def alone(case: Case, pairs: int) -> None:
    """Print each side's time and peak memory in a process of its own."""
    measured = {}
    for name in ("ours", "theirs"):
        options = ["--side", name, "--pairs", str(pairs), "--threads", str(torch.get_num_threads())]
        for option in ("data", "batch", "precision", "model", "shape", "allocator"):
            options += [f"--{option}", str(getattr(case, option))]
        measured[name] = by_itself(__file__, *options)
    shown = [f"{n} {f['seconds']:.3f} s, {f['memory'] / 1e9:.2f} GB" for n, f in measured.items()]
    faster = measured["theirs"]["seconds"] / measured["ours"]["seconds"]
    memory = measured["ours"]["memory"] / measured["theirs"]["memory"]
    print(f"{case.name:14} alone: {'; '.join(shown)}: {faster:.2f}x in {memory:.2f} of the memory")


def one_side(case: Case, name: str, pairs: int) -> None:
    """Say the median seconds of a step and the peak memory of this process, for `alone`."""
    machine = resolve(Compute(case.device, case.precision))
    settle(case.allocator, ours=name == "ours")
    step = side(case, name, machine)
    every = grouped(case, WARM + pairs)
    tell([seconds(partial(work, step, groups, machine)) for groups in every][WARM:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", choices=["mnli", "race"], nargs="+", default=["mnli", "race"])
    parser.add_argument("--batch", type=int, nargs="+", help="default: 8 and 32; race: 1 and 4")
    parser.add_argument(
        "--precision", choices=["fp32", "bf16"], nargs="+", default=["fp32", "bf16"]
    )
    parser.add_argument("--model", choices=["gpt1", "hf"], nargs="+", default=["gpt1"])
    parser.add_argument("--shape", choices=list(SHAPES), default="gpt1", help="gpt1: of its size")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, help="of a time; default: 1, on a GPU 10")
    parser.add_argument("--eager", action="store_true", help="on a GPU: nothing compiled")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--allocator", choices=CHOICES, default="own")
    parser.add_argument("--alone", action="store_true", help="each side in a process of its own")
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.side:
        introduce()
    steps = options.steps or (10 if options.device.startswith("cuda") else 1)
    where = options.shape, options.allocator, options.device, steps, options.eager
    for model, data in product(options.model, options.data):
        for batch in options.batch or ([1, 4] if data == "race" else [8, 32]):
            for precision in options.precision:
                case = Case(data, batch, precision, model, *where)
                if options.side:
                    one_side(case, options.side, options.pairs)
                elif options.alone:
                    alone(case, options.pairs)
                else:
                    compare(case, options.pairs)


if __name__ == "__main__":
    main()
