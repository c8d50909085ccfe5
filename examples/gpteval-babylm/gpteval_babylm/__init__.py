"""The text tasks of the BabyLM challenge: BLiMP by likelihood, seven tasks by fine-tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpteval import FinetuneConfig, Part, Suite, Task, hookimpl

if TYPE_CHECKING:
    import click

GPTEVAL_API = 1

ROWS = 10_000
"""Rows of MNLI and QQP that the challenge trains on; here the first ones."""

SUITE = {
    "boolq": ("accuracy",),
    "multirc": ("accuracy",),
    "wsc": ("accuracy",),
    "rte": ("accuracy",),
    "mrpc": ("f1",),
    "mnli_10k": ("accuracy",),
    "qqp_10k": ("f1",),
}
"""Task → the metric by which the challenge counts it."""

RECIPE = FinetuneConfig(lr=3e-5, batch_size=32, epochs=10, warmup=0.06, lm_weight=0.0, clip=1e9)
"""The challenge's settings, as far as a recipe has them; README says where it differs."""


def cut(task: Task) -> Task:
    """A task of GLUE with the first rows of its training split alone."""
    train = replace(task.source.splits["train"], rows=ROWS, part=Part(0, ROWS))
    source = replace(task.source, splits={**task.source.splits, "train": train}, sample="")
    return replace(task, name=f"{task.name}_10k", source=source, groups=("babylm",), paper=())


@hookimpl
def gpteval_register_tasks() -> list[Task]:
    """BLiMP, three of SuperGLUE, and two of GLUE cut short."""
    from gpteval_babylm.blimp import BLIMP
    from gpteval_babylm.superglue import BOOLQ, MULTIRC, WSC
    from gpteval_tasks.mnli import MNLI
    from gpteval_tasks.qqp import QQP

    return [BLIMP, BOOLQ, MULTIRC, WSC, cut(MNLI), cut(QQP)]


@hookimpl
def gpteval_register_suites() -> list[Suite]:
    """The mean of what is fine-tuned."""
    return [Suite("babylm", SUITE, title="BabyLM")]


@hookimpl
def gpteval_register_recipes() -> dict[str, FinetuneConfig]:
    """The challenge's."""
    return {"babylm": RECIPE}


@hookimpl
def gpteval_register_commands(cli: click.Group) -> None:
    """`gpteval babylm` scores a submission, `gpteval blimp` shows what BLiMP is made of."""
    from gpteval_babylm.command import babylm, blimp

    cli.add_command(babylm)
    cli.add_command(blimp)
