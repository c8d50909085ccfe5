"""The loss of predicting tokens, forward and backward: ours, torch's chunked one, the plain one.

D 768, V 40,478 as in GPT-1. Ours takes a weight for every token (fine-tuning's auxiliary loss);
torch's `F.linear_cross_entropy` chunks only sums and means of unweighted tokens, so the sides are
compared without weights, and ours with weights stands beside. Peak memory is of the logits' stage
alone, each side in a process of its own (`--alone`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from rounds import by_itself, interleaved, introduce, paired, seconds, tell
from torch import Tensor, nn

from gpteval.train.token_loss import token_loss

WIDTH, VOCABULARY = 768, 40_478


class Output(nn.Module):
    """An output layer alone."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(VOCABULARY, WIDTH) * 0.02)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.matrix)


def native(model: Output, hidden: Tensor, targets: Tensor) -> Tensor:
    options = torch.nn.LinearCrossEntropyOptions()
    return F.linear_cross_entropy(hidden, model.matrix, targets, reduction="sum", options=options)


def plain(model: Output, hidden: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(model.logits(hidden), targets, reduction="sum")


def weighted(model: Output, hidden: Tensor, targets: Tensor) -> Tensor:
    return token_loss(model, hidden, targets, torch.ones(len(targets)))  # type: ignore[arg-type]


SIDES: dict[str, Callable[..., Tensor]] = {
    "ours": token_loss, "ours, weights": weighted, "torch, chunked": native, "plain": plain,
}  # fmt: skip


def step(side: str, model: Output, hidden: Tensor, targets: Tensor) -> Tensor:
    model.zero_grad()
    hidden.grad = None
    loss = SIDES[side](model, hidden, targets)
    loss.backward()
    return loss.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="Peak memory, side by side.")
    parser.add_argument("--side", choices=SIDES)
    options = parser.parse_args()
    torch.manual_seed(0)
    if options.alone:
        for side in SIDES:
            found = by_itself(__file__, "--side", side, "--tokens", str(options.tokens))
            print(f"{side:15} {found['seconds']:.3f} s, {found['memory'] / 2**20:,.0f} MiB")
        return
    model = Output()
    hidden = torch.randn(options.tokens, WIDTH, requires_grad=True)
    targets = torch.randint(VOCABULARY, (options.tokens,))
    work = {side: partial(step, side, model, hidden, targets) for side in SIDES}
    if options.side:
        tell([seconds(work[options.side]) for _ in range(3)])
        return
    introduce()
    losses = {side: float(made()) for side, made in work.items()}
    apart = max(losses.values()) - min(losses.values())
    if apart > 1e-4 * losses["plain"]:
        sys.exit(f"the losses differ: {losses}")
    times = interleaved({s: partial(seconds, made) for s, made in work.items()}, options.pairs)
    for side in list(SIDES)[1:]:
        print(f"{options.tokens} tokens, ours to {side}: {paired(times['ours'], times[side])}")


if __name__ == "__main__":
    main()
