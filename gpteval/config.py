"""Every setting of a run, as frozen values whose fields become command-line options.

What is measured on what (`RunConfig` and the like) stands with the methods: `methods/settings.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gpteval.errors import ConfigError

NOTHING, ALL = "none", "all"
"""How much of the pre-trained model to begin with, beside numbers of layers."""

MODEL, SAMPLE_MODEL = "openai-gpt", "mini"
"""The models of a command that names none: on data, and on the bundled samples."""

RECIPE, SAMPLE_RECIPE = "paper", "sample"
"""The recipes likewise."""

RESULTS, SAMPLE_RESULTS = "results", "runs"
"""The results directories likewise."""


def option(default: Any, text: str) -> Any:
    """A field with the help text its command-line option shows."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class FinetuneConfig:
    """The fine-tuning recipe; the defaults are the paper's, for every task alike."""

    lr: float = option(6.25e-5, "Peak learning rate.")
    batch_size: int = option(32, "Examples per update, drawn at random.")
    epochs: int = option(3, "Passes over the training split.")
    warmup: float = option(0.002, "Fraction of all updates with a rising learning rate.")
    lm_weight: float = option(0.5, "λ: weight of the auxiliary language-model loss.")
    weight_decay: float = option(0.01, "Decoupled decay, on matrices only.")
    clip: float = option(1.0, "Largest global gradient norm.")
    classifier_dropout: float = option(0.1, "Dropout on the state the classifier reads.")
    dropout: float = option(0.1, "Embedding, attention and residual dropout.")
    branches: str = option(
        "shared",
        "Answers on one text: computed on it once, with one dropout mask for all (shared), or each "
        "with masks of its own (apart), as OpenAI's code does.",
    )

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        if self.branches not in ("shared", "apart"):
            raise ConfigError(f"branches is shared or apart, not {self.branches!r}")
        if self.batch_size < 1 or self.epochs < 1:
            raise ConfigError("batch size and epochs must be at least 1")
        if not 0 <= self.warmup <= 1:
            raise ConfigError(
                f"warmup is a fraction of all updates, from 0 to 1, not {self.warmup}"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting, for keys and records; the way of branches only where it is not ours."""
        return {n: v for n, v in asdict(self).items() if (n, v) != ("branches", "shared")}

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that differ from the paper's."""
        base = asdict(FinetuneConfig())
        return {name: value for name, value in asdict(self).items() if value != base[name]}


MONITORED_ROWS = 500
"""Most rows of a split that a model in pre-training is asked: the first ones."""


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """The pre-training recipe; the defaults are the paper's §4.1 but for the length of training."""

    preset: str = option(SAMPLE_MODEL, "Named model shape (see `gpteval models`).")
    merges: int = option(8000, "BPE merges of a tokenizer trained here; the paper has 40,000.")
    context: int = option(512, "Tokens of a sequence.")
    batch_size: int = option(64, "Sequences per update.")
    updates: int = option(20_000, "Number of updates.")
    epochs: float = option(0.0, "Passes over the corpus, in place of --updates; the paper has 100.")
    lr: float = option(2.5e-4, "Peak learning rate.")
    warmup: int = option(2000, "Updates with a rising learning rate; then cosine to 0.")
    weight_decay: float = option(0.01, "Decoupled decay, on matrices only.")
    clip: float = option(1.0, "Largest global gradient norm.")
    dropout: float = option(0.1, "Embedding, attention and residual dropout.")
    held_out: int = option(5, "Documents kept apart to measure bits per byte.")
    evaluate: int = option(0, "Updates between held-out measurements; 0 for one, at the end.")
    weights: str = option("fp32", "Weights on disk: fp32, or bf16 at half the size.")
    seed: int = option(0, "Seed of weights, order, dropout and the documents held out.")

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        for name in ("merges", "context", "batch_size", "updates"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"--{name.replace('_', '-')} is at least 1, not {getattr(self, name)}"
                )
        if self.epochs < 0:
            raise ConfigError(f"--epochs is 0 or more, not {self.epochs}")
        if not self.epochs and not 0 <= self.warmup < self.updates:
            raise ConfigError(
                f"--warmup {self.warmup} doesn't fit into --updates {self.updates}: "
                f"try --warmup {self.updates // 10}"
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"--dropout is a share from 0 to below 1, not {self.dropout}")
        if self.weights not in ("fp32", "bf16"):
            raise ConfigError(f"--weights is fp32 or bf16, not {self.weights!r}")

    def lasting(self, windows: int) -> PretrainConfig:
        """The same with its epochs, if any, told in updates.

        Args:
            windows: Sequences in one pass over the corpus.
        """
        if not self.epochs:
            return self
        updates = max(1, round(self.epochs * windows / self.batch_size))
        return replace(self, epochs=0.0, updates=updates)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is kept of a pre-training under way, and when it stops: no weight depends on it."""

    save_seconds: float = option(60.0, "Time between two saves of the unfinished training.")
    save_updates: int = option(0, "Updates between two saves, in place of --save-seconds.")
    keep: int = option(2, "How many saves are kept.")
    snapshots: int = option(0, "Models to keep along the way, beside the untrained one.")
    spike: float = option(
        3.0, "Stop at a loss so far above the mean of the last 100 updates, in nats; 0: never."
    )

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        for name, least in (("save_updates", 0), ("keep", 1), ("snapshots", 0), ("spike", 0)):
            if getattr(self, name) < least:
                shown = name.replace("_", "-")
                raise ConfigError(f"--{shown} is at least {least}, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a corpus is read, and which tests are looked up in it before training."""

    text_field: str = option("text", "Field of a JSONL line, or column of a row, with the text.")
    tokenizer: str = option(
        "", "Checkpoint whose tokenizer to use; default: one is trained on the corpus."
    )
    overlap: str = option(
        "",
        "Tasks whose scored splits are looked up in the corpus, names and groups by commas; "
        "default: none, or with --data-dir all that are there.",
    )
    data_dir: str = option(
        "", "Directory of official files, of --watch too; default: $GPTEVAL_DATA, or hub."
    )


@dataclass(frozen=True, slots=True)
class Compute:
    """Where and how precisely to compute."""

    device: str = option("auto", "cuda, mps, cpu, or auto: the first that is there.")
    precision: str = option("auto", "fp32, bf16 (autocast), or auto: bf16 on cuda, else fp32.")

    def __post_init__(self) -> None:
        """Refuse a precision that does not exist; the device is checked when torch is there."""
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ConfigError(f"precision is auto, fp32 or bf16, not {self.precision!r}")


@dataclass(frozen=True, slots=True)
class Sharing(Compute):
    """Where to compute, and what processes started by torchrun share beside the batches."""

    shard: bool = option(False, "Under torchrun: split the weights among the processes too.")


def task_names(tasks: str | Iterable[str]) -> tuple[str, ...]:
    """Names and groups as given: a list, or one text joined by commas."""
    names = tasks.split(",") if isinstance(tasks, str) else tasks
    return tuple(name.strip() for name in names if name.strip())
