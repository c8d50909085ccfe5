"""Every setting of a run, as frozen values whose fields become command-line options.

What is measured on what (`RunConfig` and the like) stands with the methods: `methods/settings.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.util import find_spec
from math import isfinite
from typing import Any

from gpteval.errors import ConfigError
from gpteval.task import Task
from gpteval.typed import fits, hints

NOTHING, ALL = "none", "all"
"""How much of the pre-trained model to begin with, beside numbers of layers."""

MODEL, SAMPLE_MODEL = "openai-gpt", "mini"
"""The models of a command that names none: on data, and on the bundled samples."""

RECIPE, SAMPLE_RECIPE = "paper", "sample"
"""The recipes likewise."""

FORM_METRICS: Mapping[str, tuple[str, ...]] = {
    "": ("accuracy",),
    "regress": ("pearson", "spearman"),
}
"""The metrics of a task that is told by its columns and names none, by its form."""
RESULTS, SAMPLE_RESULTS, CURVE_RESULTS = "results", "runs", "curve"
"""The results directories likewise, and that of scores along a pre-training."""

EXAMINED_ROWS = 100
"""Most rows of a split that a model is examined with."""

SUBMITTED = "glue"
"""The suite whose server a submission is for."""

SEEDS = 2**32
"""How many seeds there are: NumPy takes those below."""


def option(
    default: Any,
    text: str,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    metavar: str = "",
) -> Any:
    """A field with the help text its command-line option shows, and the values it may have.

    `metavar` shows them where not all can be listed.
    """
    limits = {"least": least, "above": above, "most": most, "below": below}
    known = {name: limit for name, limit in limits.items() if limit is not None}
    shown = {"help": text, "metavar": metavar}
    return field(default=default, metadata={**shown, "limits": known, "choices": choices})


def check(config: Any) -> None:
    """Refuse a configuration with a field that is not of its type, or that no run can use.

    Raises:
        ConfigError: The field is named, with its value and what it may be.
    """
    kinds = hints(config.__class__)
    for entry in fields(config):
        value, kind = getattr(config, entry.name), kinds[entry.name]
        limits, choices = entry.metadata.get("limits", {}), entry.metadata.get("choices", ())
        if not fits(value, kind) or (isinstance(value, float) and not isfinite(value)):
            due = KINDS.get(kind, f"a {getattr(kind, '__name__', kind)}")
        elif choices and value not in choices:
            due = f"{', '.join(choices[:-1])} or {choices[-1]}"
        elif broken := [name for name in limits if not HOLDS[name](value, limits[name])]:
            due = f"{WORDS[broken[0]]} {limits[broken[0]]:g}"
        else:
            continue
        raise ConfigError(f"--{entry.name.replace('_', '-')} is {due}, not {value!r:.80}")


KINDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text",
    tuple[int, ...]: "several whole numbers, as (0, 1)",
}
HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    "least": operator.ge,
    "above": operator.gt,
    "most": operator.le,
    "below": operator.lt,
}
WORDS = {"least": "at least", "above": "above", "most": "at most", "below": "below"}


FIRST = tuple(
    "lr batch_size epochs warmup lm_weight weight_decay clip classifier_dropout dropout".split()
)
"""Settings of the recipe that every key and record has, whatever their values."""
LORA = ("lora_rank", "lora_targets")
"""Those that it has wherever an adapter learns."""


@dataclass(frozen=True, slots=True)
class FinetuneConfig:
    """The fine-tuning recipe; the defaults are the paper's, for every task alike."""

    lr: float = option(6.25e-5, "Peak learning rate.", least=0, most=1000)
    lr_width: int = option(
        0,
        "Width of the model that --lr is meant for: another's rate is lr·width/its own. "
        "0: --lr for any.",
        least=0,
        most=10**6,
    )
    batch_size: int = option(32, "Examples per update, drawn at random.", least=1, most=10**9)
    epochs: int = option(3, "Passes over the training split.", least=1, most=10**6)
    warmup: float = option(
        0.002, "Fraction of all updates with a rising learning rate.", least=0, most=1
    )
    lm_weight: float = option(
        0.5, "λ: weight of the auxiliary language-model loss.", least=0, most=1000
    )
    weight_decay: float = option(0.01, "Decoupled decay, on matrices only.", least=0, most=1000)
    clip: float = option(1.0, "Largest global gradient norm.", above=0, most=10**9)
    classifier_dropout: float = option(
        0.1, "Dropout on the state the classifier reads.", least=0, below=1
    )
    dropout: float = option(0.1, "Embedding, attention and residual dropout.", least=0, below=1)
    schedule: str = option(
        "linear",
        "The rate: up over --warmup and down to 0, or ULMFiT's, from 1/32 of --lr and back to it.",
        choices=("linear", "slanted"),
    )
    layer_divisor: float = option(
        1.0,
        "A layer's rate is that of the one above it divided by this; the head's is --lr.",
        least=1,
        most=1000,
    )
    unfreeze: str = option(
        "at-once",
        "What learns: all from the beginning, or the head in the first epoch and one layer more in "
        "every other, the highest first.",
        choices=("at-once", "gradual"),
    )
    pooling: str = option(
        "extract",
        "What the head reads: the extract token's state, or it, the maximum and mean of them all.",
        choices=("extract", "concat"),
    )
    lm_epochs: int = option(
        0,
        "Passes over the texts of the training split as a language model, before the task.",
        least=0,
        most=10**6,
    )
    branches: str = option(
        "shared",
        "Answers on one text: computed on it once, with one dropout mask for all (shared), or each "
        "with masks of its own (apart), as OpenAI's code does.",
        choices=("shared", "apart"),
    )
    optimizer: str = option(
        "adamw",
        "adamw, or with moments of 8 bits instead of 32 (pip install 'gpteval[8bit]').",
        choices=("adamw", "adamw-8bit"),
    )
    adapter: str = option(
        "none",
        "What learns beside the head: every weight, or LoRA's small matrices beside frozen weights "
        "(pip install 'gpteval[lora]').",
        choices=("none", "lora"),
    )
    lora_rank: int = option(8, "Rank of LoRA's matrices.", least=1, most=10**6)
    lora_targets: str = option(
        "",
        "Linear layers that have them, by the ends of their names, as q_proj,v_proj; default: all.",
    )

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check(self)
        if self.optimizer != "adamw" and find_spec("bitsandbytes") is None:
            raise ConfigError(
                "--optimizer adamw-8bit needs bitsandbytes: pip install 'gpteval[8bit]'"
            )
        if self.adapter == "none":
            if self.lora_rank != 8 or self.lora_targets:
                raise ConfigError("--lora-rank and --lora-targets are for --adapter lora: give it")
        elif self.layer_divisor != 1 or self.unfreeze != "at-once":
            raise ConfigError(
                "--adapter lora freezes all layers, --layer-divisor and --unfreeze treat them "
                "unlike: give one of them"
            )
        elif find_spec("peft") is None:
            raise ConfigError("--adapter lora needs peft: pip install 'gpteval[lora]'")

    def rate(self, width: int) -> float:
        """Peak learning rate of a model of that width, D.

        With `lr_width` it falls as the width grows: what Adam's updates, each entry about as large
        as the rate, add to a matrix product grows with the number of entries that are summed
        (Yang et al. 2021, arXiv 2203.03466, table 3).
        """
        return self.lr * self.lr_width / width if self.lr_width else self.lr

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting, for keys and records; those that came later only where they are used."""
        used = {*FIRST, *self.changed, *(LORA if self.adapter == "lora" else ())}
        return {name: value for name, value in asdict(self).items() if name in used}

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that differ from the paper's."""
        base = asdict(FinetuneConfig())
        return {name: value for name, value in asdict(self).items() if value != base[name]}


MONITORED_ROWS = 500
"""Most rows of a split that a model in pre-training is asked, drawn from all over it."""


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """The pre-training recipe; the defaults are the paper's §4.1 but for the length of training."""

    preset: str = option(SAMPLE_MODEL, "Named model shape (see `gpteval models`).")
    merges: int = option(
        8000, "BPE merges of a tokenizer trained here; the paper has 40,000.", least=1, most=10**7
    )
    context: int = option(512, "Tokens of a sequence.", least=1, most=10**7)
    batch_size: int = option(64, "Sequences per update.", least=1, most=10**9)
    updates: int = option(20_000, "Number of updates.", least=1, most=10**12)
    epochs: float = option(
        0.0,
        "Passes over the corpus, in place of --updates; the paper has 100.",
        least=0,
        most=10**6,
    )
    lr: float = option(2.5e-4, "Peak learning rate.", least=0, most=1000)
    warmup: int = option(
        2000, "Updates with a rising learning rate; then cosine to 0.", least=0, most=10**12
    )
    weight_decay: float = option(0.01, "Decoupled decay, on matrices only.", least=0, most=1000)
    clip: float = option(1.0, "Largest global gradient norm.", above=0, most=10**9)
    dropout: float = option(0.1, "Embedding, attention and residual dropout.", least=0, below=1)
    held_out: int = option(5, "Documents kept apart to measure bits per byte.", least=0, most=10**9)
    evaluate: int = option(
        0, "Updates between held-out measurements; 0 for one, at the end.", least=0, most=10**12
    )
    weights: str = option(
        "fp32", "Weights on disk: fp32, or bf16 at half the size.", choices=("fp32", "bf16")
    )
    seed: int = option(
        0, "Seed of weights, order, dropout and the documents held out.", least=0, below=SEEDS
    )

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check(self)
        if not self.epochs and not 0 <= self.warmup < self.updates:
            raise ConfigError(
                f"--warmup {self.warmup} doesn't fit into --updates {self.updates}: "
                f"try --warmup {self.updates // 10}"
            )

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
class Compute:
    """Where and how precisely to compute."""

    device: str = option(
        "auto",
        "Where to compute; auto: the first of the others that is there; cuda:1: the second GPU.",
        metavar="[auto|cuda|mps|cpu]",
    )
    precision: str = option(
        "auto",
        "fp32, bf16 (autocast), or auto: bf16 on cuda, else fp32.",
        choices=("auto", "fp32", "bf16"),
    )

    def __post_init__(self) -> None:
        """Refuse a precision that does not exist; the device is checked when torch is there."""
        check(self)


@dataclass(frozen=True, slots=True)
class TrainingCompute(Compute):
    """Where and how precisely to train, and how much of it is kept in memory."""

    gradient_checkpointing: bool = option(
        False,
        "Compute each layer again in the backward pass and keep no states of it: less memory, more "
        "time, the same results.",
    )


@dataclass(frozen=True, slots=True)
class Sharing(TrainingCompute):
    """Where to compute, and what processes started by torchrun share beside the batches."""

    shard: bool = option(
        False,
        "Under torchrun: split weights, gradients and moments among the processes too, for a model "
        "that one device can't hold.",
    )


def splits(compute: Compute) -> bool:
    """Whether it asks for weights that are split among processes."""
    return isinstance(compute, Sharing) and compute.shard


def task_names(tasks: str | Task | Iterable[str | Task]) -> tuple[str, ...]:
    """Names and groups as given: a list of names or tasks, or one text joined by commas.

    Raises:
        ConfigError: Something else.
    """
    given = tasks.split(",") if isinstance(tasks, str) else tasks
    given = [given] if isinstance(given, Task) else given
    try:
        names = [task.name if isinstance(task, Task) else task.strip() for task in given]
    except (AttributeError, TypeError):
        raise ConfigError(
            f'tasks are names and groups, as "glue,race" or ["glue", "race"], not {tasks!r:.80}'
        ) from None
    return tuple(filter(None, names))
