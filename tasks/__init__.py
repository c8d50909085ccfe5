"""The built-in tasks: one file each, registered through the same hook as a stranger's."""

from __future__ import annotations

from collections.abc import Iterable

from gpteval import Task, hookimpl


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
