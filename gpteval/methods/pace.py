"""How fast this machine fine-tunes and predicts: some of a unit's own updates and rows, timed.

What is timed is what a run does: its model, its batches, its splits. It is kept beside the token
ids in the cache, so that the next plan of the same begins with it; a day later it is timed again.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval.compute.cost import Work
from gpteval.encode.batching import SCORING_TOKENS, epoch_order
from gpteval.encode.cache import cache_directory
from gpteval.errors import ConfigError
from gpteval.files import digest, read_sealed, write_sealed
from gpteval.progress import Progress
from gpteval.train.gradients import TRAINING_TOKENS
from gpteval.train.predict import probabilities

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.encode.batch import Encoded
    from gpteval.methods.finetune import Finetune
    from gpteval.train.course import Course
    from gpteval.train.finetune import Finetuning

WARM = {"cpu": 1, "mps": 1, "cuda": 3}
"""Updates before the first that counts: a GPU's kernels are compiled in them."""

UPDATING, PREDICTING = 1.0, 0.2
"""Seconds for which updates of one kind, and predictions of one split, are repeated."""

BATCHES = 32
"""Most different batches that are timed."""

KEPT = 24 * 3600
"""Seconds for which a pace counts: a machine's neighbours change."""

FILE = "paces.json"


@dataclass(frozen=True, slots=True)
class Pace:
    """What a unit's work takes on one machine.

    Attributes:
        updates: Stage of the training → seconds of an update whatever it reads, and per FLOP of
            its forward pass.
        splits: "task/split" → seconds per FLOP of its predictions.
        measured: When, in seconds since 1970.
    """

    updates: dict[str, tuple[float, float]]
    splits: dict[str, float]
    measured: float

    def training(self, stage: int, updates: int, flops: float) -> float:
        """Seconds of so many updates of a stage, with so many FLOPs of forward passes in all."""
        fixed, each = self.updates[str(stage)]
        return updates * fixed + flops * each

    def predicting(self, split: str, flops: float) -> float:
        """Seconds of predictions of "task/split" with so many FLOPs."""
        return self.splits[split] * flops


def pace(unit: Finetune, progress: Progress) -> Pace:
    """The pace of units like this one, whatever their seed: measured now, or less than a day ago.

    Args:
        unit: One of seed 0.
        progress: Told where something is measured.
    """
    name = digest([unit.key(unit.job.task), _identity(unit.machine)])
    known = _known(path := _file())
    if name in known:
        return known[name]
    progress.begin(f"{unit.job.task.name} · timing", 1)
    known[name] = _measured(unit)
    progress.advance(1)
    progress.end()
    if path:
        with suppress(OSError):  # it is measured again
            write_sealed(path, {key: asdict(own) for key, own in known.items()})
    return known[name]


def _file() -> Path | None:
    """Where paces are kept; None where there is no such place."""
    with suppress(ConfigError):
        return cache_directory() / FILE
    return None


def _known(path: Path | None) -> dict[str, Pace]:
    """Those in a file that still count."""
    from msgspec import ValidationError, convert

    found = dict[str, Pace]()
    with suppress(ValidationError):
        found = convert(read_sealed(path) if path else {}, dict[str, Pace])
    now = time.time()
    return {name: own for name, own in found.items() if 0 <= now - own.measured < KEPT}


def _identity(machine: Machine) -> list[Any]:
    """What makes a machine as fast as it is."""
    import torch

    gpu = torch.cuda.get_device_name(machine.device) if machine.device.type == "cuda" else ""
    threads = [torch.get_num_threads(), torch.__version__]
    name = [platform.node(), platform.machine(), platform.processor()]
    return [*name, gpu, *threads, machine.forgets]


def _measured(unit: Finetune) -> Pace:
    """Time a few updates of every stage, and predictions of every split."""
    model, course = unit.task_model(), unit.course()
    finetuning = unit.finetuning(model)
    finetuning.lr = 0.0  # weights stay: nothing is learnt here
    stages = course.stages().items()
    updates = {str(stage): _line(finetuning, course, own) for stage, own in stages}
    splits = {}
    for task, split in unit.passes(course):
        sample = _sample(unit.encoded[task, split])
        work = Work()
        work.add(sample)

        def read(sample: Sequence[Encoded] = sample) -> None:
            probabilities(model, sample, autocast=unit.machine.autocast)

        seconds, times = _repeated(read)
        splits[f"{task}/{split}"] = seconds / times / work.flops(model.model)
    return Pace(updates, splits, time.time())


def _repeated(act: Callable[[], object]) -> tuple[float, int]:
    """Seconds of some repetitions after a first one, and how many there were."""
    act()
    began, times = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < PREDICTING or not times:
        act()
        times += 1
    return spent, times


def _line(finetuning: Finetuning, course: Course, stage: range) -> tuple[float, float]:
    """Seconds of an update of a stage whatever it reads, and per FLOP.

    A batch that takes long is timed in part, at two sizes, and what is beyond lies on their line.

    Args:
        finetuning: To make updates with.
        course: What they read.
        stage: Its updates, from 1.
    """
    most = TRAINING_TOKENS[finetuning.device.type] // 2
    whole = list(islice(course.batches(stage.start - 1), min(BATCHES, len(stage))))
    parts = [_fitting(batch, most) for batch in whole]
    flops, seconds = _timed(finetuning, parts, stage[-1], course.total)
    if parts == whole:
        return 0.0, seconds / flops
    halves = [part[: (len(part) + 1) // 2] for part in parts]
    less, sooner = _timed(finetuning, halves, stage[-1], course.total)
    each = (seconds - sooner) / (flops - less) if flops > less else 0.0
    if not 0 < each < seconds / flops:
        return 0.0, seconds / flops
    return seconds - flops * each, each


def _timed(
    finetuning: Finetuning, batches: Iterable[list[Encoded]], update: int, total: int
) -> tuple[float, float]:
    """FLOPs of an update's forward pass and seconds of all of it, means over some of them."""
    source, done = cycle(batches), finetuning.done
    for _ in range(WARM[finetuning.device.type]):
        finetuning.update(next(source), update, total)
    begun = done.updates, done.seconds, done.flops(finetuning.model.model)
    began = time.perf_counter()
    while time.perf_counter() - began < UPDATING or done.updates == begun[0]:
        finetuning.update(next(source), update, total)
    updates, seconds = done.updates - begun[0], done.seconds - begun[1]
    flops = done.flops(finetuning.model.model) - begun[2]
    return flops / updates, seconds / updates


def _sample(split: Sequence[Encoded]) -> list[Encoded]:
    """Rows from all over a split that a model reads at once; all of them where they are few."""
    return _fitting([split[place] for place in epoch_order(len(split), 0, 0)], SCORING_TOKENS)


def _fitting(examples: Sequence[Encoded], most: int) -> list[Encoded]:
    """The first of some examples, of at most so many tokens; at least one."""
    kept, tokens = list(examples[:1]), len(examples[0].tree.tokens)
    for example in examples[1:]:
        tokens += len(example.tree.tokens)
        if tokens > most:
            break
        kept.append(example)
    return kept
