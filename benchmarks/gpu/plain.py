"""The same rows by transformers' own sequence classification in a plain loop.

What a sceptic would write to see whether a set is hard for a model or for this harness: the head
that transformers puts on the last token, no token added, no loss of predicting tokens; the paper's
rate, passes, batch and clipping. Pairs are joined by the end-of-text token; of several answers each
is a row with one score.

Run: `python benchmarks/gpu/plain.py --model hf:DIR --data DIR --tasks cola,copa`; a line of JSON
for each task and pass on stdout. `--small` takes 8 rows.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from gpteval import Example, FinetuneConfig, Prediction, Task, list_tasks
from gpteval.data.examples import examples_of
from gpteval.data.rows import load_split, origin
from gpteval.encode.examples import target
from gpteval.score.metrics import score
from gpteval_models.gguf import converted

CONFIG = FinetuneConfig()
MOST = 512
"""Tokens of a row that are read, the last ones."""


class Rows:
    """Examples as rows of token ids, each example's together."""

    def __init__(self, task: Task, examples: Sequence[Example], tokenizer: Any) -> None:
        self.examples = examples
        end = tokenizer.eos_token_id or 0
        self.rows = [
            [
                self._ids(segments, tokenizer, end)[-MOST:]
                for segments in self._sequences(task, each)
            ]
            for each in examples
        ]
        self.targets = [torch.tensor(target(task, each)) for each in examples]

    @staticmethod
    def _sequences(task: Task, example: Example) -> Sequence[Sequence[str]]:
        return example.sequences if task.kind == "choose" else example.sequences[:1]

    @staticmethod
    def _ids(segments: Sequence[str], tokenizer: Any, end: int) -> list[int]:
        return [token for text in segments for token in (*tokenizer(text).input_ids, end)]

    def batches(self, order: Sequence[int], size: int) -> Iterator[list[int]]:
        """Places of the examples of each batch."""
        for begin in range(0, len(order), size):
            yield list(order[begin : begin + size])


class Plain:
    """A model of transformers with its own head, trained on one task."""

    def __init__(self, directory: Path, task: Task, device: str) -> None:
        self.task, self.device = task, torch.device(device)
        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        torch.manual_seed(0)
        lm = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
        config = AutoConfig.from_pretrained(directory, num_labels=max(1, len(task.labels)))
        self.model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        # Not read from the file: one without the embeddings, tied to the output, leaves fresh ones.
        self.model.base_model.load_state_dict(lm.base_model.state_dict())
        self.model.to(self.device)
        self.model.config.pad_token_id = self.tokenizer.eos_token_id or 0
        for module in self.model.modules():
            if isinstance(getattr(module, "attention_dropout", None), float):
                module.attention_dropout = CONFIG.dropout

    def scores(self, rows: Rows, places: Sequence[int]) -> list[Tensor]:
        """Scores of the classes, or of the answers, of some examples."""
        flat = [torch.tensor(row) for place in places for row in rows.rows[place]]
        lengths = torch.tensor([len(row) for row in flat])
        tokens = nn.utils.rnn.pad_sequence(flat, batch_first=True)  # (R, T)
        seen = torch.arange(tokens.shape[1]) < lengths[:, None]
        states = self.model.base_model(
            tokens.to(self.device), attention_mask=seen.long().to(self.device), use_cache=False
        ).last_hidden_state
        last = states[torch.arange(len(flat)), lengths - 1]  # (R, D): what its own head reads
        found = self.model.score(F.dropout(last, CONFIG.classifier_dropout, self.model.training))
        if self.task.kind != "choose":
            return list(found)
        return list(found[:, 0].split([len(rows.rows[place]) for place in places]))

    def loss(self, rows: Rows, places: Sequence[int]) -> Tensor:
        """Mean cross-entropy."""
        found = torch.stack([each.float().log_softmax(-1) for each in self.scores(rows, places)])
        wanted = torch.stack([rows.targets[place] for place in places]).to(self.device)
        return -(found * wanted).sum(-1).mean()

    def train(self, rows: Rows, epochs: int) -> Iterator[int]:
        """Yield after every pass."""
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, CONFIG.lr, weight_decay=CONFIG.weight_decay)
        size = min(CONFIG.batch_size, len(rows.rows))
        total = epochs * (len(rows.rows) // size)
        warm = max(1, round(CONFIG.warmup * total))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / warm, (total - step) / max(1, total - warm))
        )
        draw = random.Random(0)
        for epoch in range(1, epochs + 1):
            order = draw.sample(range(len(rows.rows)), len(rows.rows))
            self.model.train()
            for places in list(rows.batches(order, size))[: total // epochs]:
                with self.autocast():
                    loss = self.loss(rows, places)
                loss.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), CONFIG.clip)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad(set_to_none=True)
            yield epoch

    def autocast(self) -> torch.autocast:
        """bf16 on a GPU."""
        return torch.autocast(self.device.type, torch.bfloat16, self.device.type == "cuda")

    @torch.inference_mode()
    def measure(self, rows: Rows) -> tuple[dict[str, float], float]:
        """Scores of a split, and the share of its commonest answer."""
        self.model.eval()
        predictions = []
        for places in rows.batches(range(len(rows.rows)), 64):
            with self.autocast():
                found = self.scores(rows, places)
            pairs = zip(places, found, strict=True)
            predictions += [self._prediction(rows.examples[p], scores) for p, scores in pairs]
        answers = [p.prediction for p in predictions]
        commonest = max(answers.count(answer) for answer in set(answers))
        return dict(score(self.task, predictions)), commonest / len(answers)

    def _prediction(self, example: Example, scores: Tensor) -> Prediction:
        likely = scores.float().softmax(-1).tolist()
        best = max(range(len(likely)), key=likely.__getitem__)
        answer = best if self.task.kind == "choose" else self.task.labels[best]
        return Prediction(example.id, example.label, answer, tuple(likely))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="hf:DIR, of a GGUF file or safetensors")
    parser.add_argument("--data", default="")
    parser.add_argument("--tasks", default="cola,copa,rte")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--epochs", type=int, default=CONFIG.epochs)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    directory = Path(options.model.removeprefix("hf:"))
    for file in directory.glob("*.gguf"):
        directory = Path(converted(file))
    where = origin(options.data or None, sample=not options.data)
    for task in list_tasks(options.tasks):
        began = time.monotonic()
        plain = Plain(directory, task, options.device)
        limit = 8 if options.small else None
        train, dev = (
            Rows(task, examples_of(task, load_split(task, split, where, limit)), plain.tokenizer)
            for split in ("train", "dev")
        )
        for epoch in plain.train(train, options.epochs):
            scores, commonest = plain.measure(dev)
            facts = {"task": task.name, "epoch": epoch, "dev": scores, "commonest": commonest}
            print(json.dumps(facts | {"seconds": round(time.monotonic() - began, 1)}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
