"""The built-in tasks, metrics, suites and recipes, registered through a stranger's hooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from gpteval import hookimpl

if TYPE_CHECKING:
    from gpteval import FinetuneConfig, Metric, Suite, Task


@hookimpl
def gpteval_register_tasks() -> Iterable[Task]:
    """The tasks of GPT-1's paper and blog post, in their order there."""
    from gpteval_tasks.breaking_nli import BREAKING_NLI
    from gpteval_tasks.cola import COLA
    from gpteval_tasks.copa import COPA
    from gpteval_tasks.mnli import MNLI
    from gpteval_tasks.mrpc import MRPC
    from gpteval_tasks.qnli import QNLI
    from gpteval_tasks.qqp import QQP
    from gpteval_tasks.race import RACE
    from gpteval_tasks.rocstories import ROCSTORIES
    from gpteval_tasks.rte import RTE
    from gpteval_tasks.scitail import SCITAIL
    from gpteval_tasks.snli import SNLI
    from gpteval_tasks.sst2 import SST2
    from gpteval_tasks.stsb import STSB
    from gpteval_tasks.winograd import DPR, WSC273
    from gpteval_tasks.wnli import WNLI

    return [
        *(SNLI, MNLI, QNLI, SCITAIL, RTE, WNLI),
        *(STSB, QQP, MRPC),
        *(COLA, SST2),
        *(RACE, COPA, ROCSTORIES),
        BREAKING_NLI,
        *(DPR, WSC273),
    ]


@hookimpl
def gpteval_register_metrics() -> Iterable[Metric]:
    """Those of GLUE and its kin."""
    from gpteval_tasks.metrics import METRICS

    return METRICS


@hookimpl
def gpteval_register_suites() -> Iterable[Suite]:
    """GLUE's macro mean, and the mean of the paper's ablations."""
    from gpteval_tasks.glue import ABLATIONS, GLUE

    return [GLUE, ABLATIONS]


@hookimpl
def gpteval_register_recipes() -> Mapping[str, FinetuneConfig]:
    """GPT-1's (paper §4.1 and openai/finetune-transformer-lm), two for less than it had, ULMFiT's.

    `small`, for sets of a few hundred or thousand rows and for small models: longer, with a tenth
    of warm-up (Mosbach et al. 2021, arXiv 2006.04884; Zhang et al. 2021, arXiv 2006.05987), at a
    rate by the width. Chosen on RTE's development scores (benchmarks/gpu/README.md).
    `sample`, for the bundled samples: on a few hundred rows the paper's rate teaches nothing.
    `ulmfit`: Howard & Ruder 2018 (arXiv 1801.06146), §3 and §4.1, with AdamW as everywhere here
    (theirs: β = 0.7 / 0.99), one rate for both stages (theirs on the texts: 0.004) and one linear
    layer as the head (theirs: a hidden layer of 50). The number of passes is theirs to choose on
    development scores; 4 and 10 here.
    """
    from gpteval import FinetuneConfig

    small = FinetuneConfig(lr=1.25e-4, lr_width=768, epochs=10, warmup=0.1)
    sample = FinetuneConfig(lr=1e-3, batch_size=8, epochs=5, warmup=0.1, dropout=0.0)
    ulmfit = FinetuneConfig(
        lr=0.01,
        batch_size=64,
        epochs=10,
        warmup=0.1,
        lm_weight=0.0,
        schedule="slanted",
        layer_divisor=2.6,
        unfreeze="gradual",
        pooling="concat",
        lm_epochs=4,
    )
    return {"paper": FinetuneConfig(), "small": small, "sample": sample, "ulmfit": ulmfit}
