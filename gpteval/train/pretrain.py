"""Pre-training (paper §3.1, §4.1): corpus → tokenizer → token file → model → checkpoint and curve.

The output directory holds `model/` (a checkpoint, which is named by its path wherever a model is
asked for), `curve.jsonl` (a line per point) and `tokens/` (the encoded corpus, reused next time).

Shape letters: S sequences of L tokens.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gpteval.checkpoint import save_checkpoint
from gpteval.config import Compute, PretrainConfig
from gpteval.encode.batching import MOST_LOGITS
from gpteval.encode.tokenizer import BpeTokenizer
from gpteval.errors import TrainingError, UnknownNameError
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent
from gpteval.provenance import commit, versions
from gpteval.train.corpus import (
    TokenFile,
    encode_documents,
    find_documents,
    hold_out,
    read_document,
)
from gpteval.train.device import Machine, resolve
from gpteval.train.likelihood import bits_per_byte, negative_log_likelihood
from gpteval.train.optimiser import adamw, clip_gradients, set_rate, warmup_cosine

if TYPE_CHECKING:
    from gpteval.model import Model

POINTS = 200
"""Points of the training curve, spread evenly over the updates."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What a pre-training left.

    Attributes:
        model: Directory of the checkpoint.
        loss: Mean training loss since the last but one point of the curve, in nats per token.
        bits_per_byte: Of the held-out documents; None where none was held out.
        tokens: Tokens trained on, repeated ones counted each time.
        seconds: Time of training, held-out measurements included.
    """

    model: Path
    loss: float
    bits_per_byte: float | None
    tokens: int
    seconds: float


def pretrain(
    corpus: Sequence[Path],
    output: Path,
    config: PretrainConfig,
    *,
    tokenizer: Path | None = None,
    compute: Compute | None = None,
    progress: Progress | None = None,
) -> Pretrained:
    """Train a model on text files and write it, with its tokenizer, as a checkpoint.

    Args:
        corpus: Text files (plain or .gz) and directories of them; a file is a document.
        output: Directory for the checkpoint, the curve and the token files.
        config: The recipe.
        tokenizer: Checkpoint whose tokenizer to use; None trains one on the corpus.
        compute: Device and precision.
        progress: Told where the run stands.

    Raises:
        GptevalError: Anything the user can mend, before training begins where possible.
    """
    progress, machine = progress or Silent(), resolve(compute or Compute())
    family, build, shape = _preset(config.preset)
    train, kept = hold_out(find_documents(corpus), config.held_out, config.seed)
    progress.say(f"{len(train)} documents to train on, {len(kept)} held out")
    words = _tokenizer(train, tokenizer, config)
    tokens = output / "tokens"
    tokens.mkdir(parents=True, exist_ok=True)
    data = encode_documents(train, words, tokens / "train.tokens")
    held_out = encode_documents(kept, words, tokens / "held-out.tokens") if kept else None
    progress.say(f"{len(data.tokens):,} tokens of {words.vocab_size:,} kinds")
    torch.manual_seed(config.seed)
    sizes = {"vocab_size": words.vocab_size, "context": config.context, "dropout": config.dropout}
    model = build(shape | sizes).to(machine.device)
    training = Pretraining(model, data, held_out, config, machine)
    training.fit(output / "curve.jsonl", progress)
    dtype = torch.bfloat16 if config.weights == "bf16" else torch.float32
    details = {"pretraining": training.record()}
    save_checkpoint(output / "model", family, model, words, details, dtype=dtype)
    last = training.curve[-1]
    return Pretrained(
        model=output / "model",
        loss=last["loss"],
        bits_per_byte=last.get("bits_per_byte"),
        tokens=int(last["tokens"]),
        seconds=last["seconds"],
    )


class Pretraining:
    """One model in training. All that changes lives in its attributes.

    Attributes:
        model, optimiser, order: The state: weights, Adam's moments, the windows still to be drawn.
        update: Updates made.
        curve: Points of the training curve: update, loss (nats per token, mean since the last
            point), lr, grad_norm (before clipping), tokens, seconds, and bits_per_byte of the
            held-out documents where it was measured.
    """

    def __init__(
        self,
        model: Model,
        data: TokenFile,
        held_out: TokenFile | None,
        config: PretrainConfig,
        machine: Machine,
    ) -> None:
        """The model is trained in place, on the machine's device.

        Raises:
            TrainingError: The corpus is shorter than one sequence.
        """
        if len(data.tokens) <= config.context:
            raise TrainingError(
                f"the corpus has {len(data.tokens)} tokens, fewer than a sequence of "
                f"{config.context} and the token after it: add text, or lower --context"
            )
        self.model, self.data, self.held_out = model, data, held_out
        self.config, self.machine = config, machine
        self.commit = commit()  # of the code that trains: the checkout may move on meanwhile
        self.optimiser = adamw(model, config.lr, config.weight_decay)
        self.order = np.random.default_rng(config.seed)
        self.update = 0
        self.curve: list[dict[str, float]] = []

    def fit(self, curve: Path, progress: Progress) -> None:
        """Make all updates, writing the curve to a file as it grows.

        Raises:
            TrainingError: A loss that is not a number.
        """
        config, began, losses = self.config, time.monotonic(), list[float]()
        every = max(1, config.updates // POINTS)
        progress.begin("pretrain", config.updates)
        with curve.open("w", encoding="utf-8") as file:
            while self.update < config.updates:
                lr, loss, norm = self.step()
                losses.append(loss)
                tokens = self.update * config.batch_size * config.context
                seconds = time.monotonic() - began
                progress.advance(1, f"loss {loss:.3f}, {tokens / seconds:,.0f} tokens/s")
                measured = self._measure()
                if self.update % every == 0 or measured or self.update == config.updates:
                    point = {"update": self.update, "loss": sum(losses) / len(losses), "lr": lr}
                    point |= {"grad_norm": norm, "tokens": tokens}
                    point |= {"seconds": round(time.monotonic() - began, 2), **measured}
                    self.curve.append(point)
                    file.write(json.dumps(point) + "\n")
                    file.flush()
                    losses.clear()
        progress.end()

    def step(self) -> tuple[float, float, float]:
        """Make one update; returns its learning rate, loss and gradient norm."""
        config, self.update = self.config, self.update + 1
        lr = config.lr * warmup_cosine(self.update, config.updates, config.warmup)
        set_rate(self.optimiser, lr)
        self.model.train()
        windows = self._windows()
        parts = math.ceil(
            windows.numel() * self.model.vocab_size / MOST_LOGITS[self.machine.device.type]
        )
        targets = config.batch_size * config.context
        loss = sum(self._backward(part, targets) for part in windows.chunk(parts))
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at update {self.update} of {config.updates}: lower --lr, "
                "raise --warmup, or use --precision fp32"
            )
        norm = clip_gradients(self.model, config.clip).item()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return lr, loss, norm

    def record(self) -> Mapping[str, Any]:
        """What the checkpoint says of its making; JSON values."""
        held_out = self.held_out.documents if self.held_out else ()
        return {
            "config": asdict(self.config),
            "documents": len(self.data.documents),
            "corpus_tokens": len(self.data.tokens),
            "corpus_bytes": sum(d.size for d in self.data.documents),
            "corpus_digest": self.data.digest,
            "held_out": [d.name for d in held_out],
            **self.curve[-1],
            "device": str(self.machine.device),
            "precision": self.machine.precision,
            "commit": self.commit,
            "versions": dict(versions()),
        }

    def _windows(self) -> Tensor:
        """Random runs of the corpus, (batch_size, context + 1)."""
        length = self.config.context + 1
        starts = self.order.integers(
            len(self.data.tokens) - length + 1, size=self.config.batch_size
        )
        return torch.from_numpy(
            self.data.tokens[starts[:, None] + np.arange(length)].astype("int64")
        )

    def _backward(self, windows: Tensor, targets: int) -> float:
        """Add the gradient of windows (S, L + 1) that are part of a batch of `targets` tokens."""
        with self.machine.autocast():
            total = negative_log_likelihood(self.model, list(windows.to(self.machine.device)))
        loss = total / targets
        torch.autograd.backward(loss)
        return loss.item()

    def _measure(self) -> dict[str, float]:
        """Held-out bits per byte, if it is time for it."""
        every = self.config.evaluate
        due = self.update == self.config.updates or (every and self.update % every == 0)
        if not due or self.held_out is None:
            return {}
        return {"bits_per_byte": bits_per_byte(self.model, self.held_out, self.config.context)}


def _preset(name: str) -> tuple[str, Callable[..., Model], dict[str, Any]]:
    """The model family that has a preset of that name, what builds it, and its shape.

    Raises:
        UnknownNameError: No family has it.
    """
    known: dict[str, tuple[str, Callable[..., Model], dict[str, Any]]] = {}
    for family in registry().models().values():
        if family.build:
            known |= {k: (family.name, family.build, dict(v)) for k, v in family.presets.items()}
    if name not in known:
        raise UnknownNameError("preset", name, known, f"(one of {', '.join(known)})")
    return known[name]


def _tokenizer(
    documents: Sequence[Path], given: Path | None, config: PretrainConfig
) -> BpeTokenizer:
    """The tokenizer of a checkpoint, or one trained on the documents."""
    if given is not None:
        return BpeTokenizer.load(given)
    return BpeTokenizer.train((read_document(path) for path in documents), config.merges)
