"""How fast this device multiplies, scores and trains, and where the time of a step goes.

Stages: `ceiling`, products of large matrices and a copy; `scoring`, log-probabilities of answers on
articles (RACE's lengths) and of short continuations (COPA's) beside transformers' own model in
rows padded to the longest of a batch; `profile`, the kernels of a fine-tuning step and how much of
it the device waits. The model has SmolLM2-135M's shape and random weights.

Run: `python benchmarks/gpu/rates.py --stage scoring`; `--small` takes a small shape. Exit 1 if a
log-probability in fp32 is further from transformers' than `APART`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import finetune
import torch
from rounds import interleaved, paired, seconds
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from gpteval import Compute
from gpteval.compute.device import Machine, resolve
from gpteval.encode.prompts import EncodedPrompt, Path
from gpteval.score.likelihood import fold_prompts, score_prompts
from gpteval_models.huggingface import TOLERANCE, HuggingFaceModel
from gpteval_models.rows import reading

APART = 5e-3
"""Largest difference in fp32 of a continuation's log-probability, in nats."""
ROWS = 64
"""Continuations that transformers' side reads at once."""
Totals = list[float]


def wait(machine: Machine) -> None:
    """For all that the device was asked to do."""
    if machine.device.type == "cuda":
        torch.cuda.synchronize()


def timed(work: Callable[[], object], machine: Machine, times: int = 10) -> float:
    """Median seconds of some calls after one that warms up."""

    def whole() -> None:
        work()
        wait(machine)

    whole()
    return median(seconds(whole) for _ in range(times))


def ceiling(machine: Machine, small: bool) -> int:
    """Print the rates of matrix products, on random numbers, and of a copy."""
    size = 512 if small else 8192
    left, right = (torch.randn(size, size, device=machine.device) for _ in range(2))
    for name, kind, inside in (
        ("bf16", torch.bfloat16, False),
        ("tf32", torch.float32, True),
        ("fp32", torch.float32, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = inside
        product = partial(torch.matmul, left.to(kind), right.to(kind))
        print(f"{name} product {2 * size**3 / timed(product, machine) / 1e12:.1f} TFLOP/s")
    torch.backends.cuda.matmul.allow_tf32 = False
    block = torch.randn(size * size * 4, device=machine.device)
    copy = partial(torch.empty_like(block).copy_, block)
    print(f"copy {2 * block.nbytes / timed(copy, machine) / 1e12:.2f} TB/s, read and written")
    return 0


def prompts(kind: str, count: int, vocabulary: int) -> list[EncodedPrompt]:
    """Random tokens: four questions with four answers on each article, or two short endings."""
    draw = random.Random(0)

    def text(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw.randrange(vocabulary) for _ in range(draw.randint(least, most)))

    made = []
    for number in range(count):
        if kind == "race" and number % 4 == 0:
            article = text(330, 400)
        context = article + text(7, 21) if kind == "race" else text(5, 13)
        endings = [text(2, 16) for _ in range(4 if kind == "race" else 2)]
        paths = tuple(Path(context + ending, len(context), len(ending)) for ending in endings)
        passage = f"article {number // 4}" if kind == "race" else ""
        made.append(EncodedPrompt(str(number), paths, (), passage))
    return made


@torch.inference_mode()
def theirs(model: LlamaForCausalLM, asked: list[EncodedPrompt], machine: Machine) -> Totals:
    """As one writes it with transformers: longest rows first, padded, logits where scored."""
    paths = [path for prompt in asked for path in prompt.paths]
    order = sorted(range(len(paths)), key=lambda i: -len(paths[i].tokens))
    totals = [0.0] * len(paths)
    for begin in range(0, len(order), ROWS):
        places = order[begin : begin + ROWS]
        rows = [torch.tensor(paths[i].tokens) for i in places]
        tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(machine.device)  # (R, T)
        with torch.autocast(machine.device.type, torch.bfloat16, machine.precision == "bf16"):
            hidden = model.base_model(tokens).last_hidden_state  # (R, T, D)
            spans = [range(paths[i].begin - 1, len(paths[i].tokens) - 1) for i in places]
            row = torch.tensor([r for r, span in enumerate(spans) for _ in span])
            column = torch.tensor([c for span in spans for c in span])
            row, column = row.to(machine.device), column.to(machine.device)
            logits = model.lm_head(hidden[row, column]).float()  # (S, V)
        found = -nn.functional.cross_entropy(logits, tokens[row, column + 1], reduction="none")
        sums = torch.zeros(len(places), device=machine.device).index_add(0, row, found)
        for place, total in zip(places, sums.tolist(), strict=True):
            totals[place] = total
    return totals


def ours(model: HuggingFaceModel, asked: list[EncodedPrompt], machine: Machine) -> Totals:
    """What `gpteval zeroshot` does."""
    scored = score_prompts(model, fold_prompts(asked), autocast=machine.scoring())
    return [c.total for each in scored for c in each.candidates]


def scoring(machine: Machine, small: bool) -> int:
    """Print times of both sides for both kinds of text; 1 where fp32 differs."""
    shape = finetune.LLAMAS["small" if small else "gpt1"]
    torch.manual_seed(0)
    lm = LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=True)).eval()
    model = HuggingFaceModel(lm, "a benchmark")
    model.reading = reading(model, TOLERANCE)
    model.to(machine.device)
    wrong = 0
    for kind, count in (("race", 16 if small else 256), ("copa", 32 if small else 1024)):
        asked = prompts(kind, count, int(shape["vocab_size"]))
        for precision in ("fp32", "bf16"):
            there = Machine(machine.device, precision)
            sides = {"ours": partial(ours, model, asked, there)}
            sides["theirs"] = partial(theirs, lm, asked, there)
            answers = {name: torch.tensor(side()) for name, side in sides.items()}
            apart = float((answers["ours"] - answers["theirs"]).abs().max())
            wrong += precision == "fp32" and apart > APART
            times = interleaved({n: partial(seconds, side) for n, side in sides.items()}, 5)
            middle = {name: median(taken) for name, taken in times.items()}
            print(
                f"{kind} {precision}: {count / middle['ours']:,.0f} prompts/s, theirs "
                f"{count / middle['theirs']:,.0f}: {paired(times['ours'], times['theirs'])}; "
                f"largest difference {apart:.1e}",
                flush=True,
            )
    return int(wrong > 0)


def profile(machine: Machine, small: bool) -> int:
    """Print the kernels of fine-tuning steps, longest first, and the share of time they fill."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as recorded

    shape = "small" if small else "gpt1"
    kinds = [ProfilerActivity.CPU]
    kinds += [ProfilerActivity.CUDA] if machine.device.type == "cuda" else []
    for data, batch in (("mnli", 32), ("race", 4)):
        case = finetune.Case(
            data,
            batch,
            machine.precision,
            "hf",
            shape,
            "own",
            str(machine.device),
            5,
            machine.device.type != "cuda",
        )
        step = finetune.side(case, "ours", machine)
        warm, measured = finetune.grouped(case, 2)
        finetune.work(step, warm, machine)
        began = time.perf_counter()
        finetune.work(step, measured, machine)
        spent = (time.perf_counter() - began) / len(measured)
        with recorded(activities=kinds) as trace:
            finetune.work(step, measured, machine)
        events = trace.key_averages()
        kernels = [e for e in events if e.device_type != DeviceType.CPU]
        busy = sum(e.self_device_time_total for e in kernels) / 1e6 / len(measured)
        print(f"{case.name}: {1000 * spent:.1f} ms a step, kernels {1000 * busy:.1f} ms")
        key = "self_device_time_total" if len(kinds) > 1 else "self_cpu_time_total"
        print(events.table(sort_by=key, row_limit=14, max_name_column_width=70))
    return 0


STAGES = {"ceiling": ceiling, "scoring": scoring, "profile": profile}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stage", choices=list(STAGES), required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    machine = resolve(Compute(options.device, "bf16" if options.device == "cuda" else "auto"))
    if machine.device.type == "cuda":
        print(torch.cuda.get_device_name(), f"torch {torch.__version__}")
    return STAGES[options.stage](machine, options.small)


if __name__ == "__main__":
    sys.exit(main())
