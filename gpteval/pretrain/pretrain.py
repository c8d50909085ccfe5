"""Pre-training (paper §3.1, §4.1): corpus → tokenizer → token file → model → checkpoint and curve.

The output directory holds `model/` (a checkpoint, which is named by its path wherever a model is
asked for), `curve.jsonl` (a line per point) with its picture, `tokens/` (the tokenizer and the
encoded corpus, reused next time), `checkpoints/` (models kept along the way) and, while the
training is under way, `unfinished/`: the same command resumes there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from filelock import FileLock, Timeout

from gpteval.compute.device import Machine, resolve
from gpteval.compute.distributed import World, join
from gpteval.config import PretrainConfig, Sharing
from gpteval.corpus.documents import LOCK
from gpteval.corpus.prepare import prepare
from gpteval.corpus.windows import Windows
from gpteval.encode.tokenizer import BpeTokenizer
from gpteval.errors import ConfigError, UnknownNameError
from gpteval.files import remove_partial, writing
from gpteval.paths import PathLike, same, user_path
from gpteval.plugins import registry
from gpteval.pretrain.bits_per_byte import Objective
from gpteval.pretrain.log import picture
from gpteval.pretrain.loop import (
    SNAPSHOTS,
    STATES,
    TrainingLoop,
    forget_states,
    refuse_changes,
    settings,
)
from gpteval.pretrain.neighbours import Neighbours, Sentences
from gpteval.pretrain.pretraining import Monitor, Pretraining
from gpteval.progress import Progress, Silent
from gpteval.upkeep import Reading, Upkeep
from gpteval.weights.checkpoint import CONFIG, read_config, save_checkpoint

if TYPE_CHECKING:
    from gpteval.model import ModelFamily, SentenceModel

logger = logging.getLogger(__name__)

ADVICE = (
    "make room, or name another --output; what was saved is there, and the same command resumes"
)


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
    corpus: Sequence[PathLike],
    output: PathLike,
    config: PretrainConfig,
    *,
    reading: Reading | None = None,
    compute: Sharing | None = None,
    upkeep: Upkeep | None = None,
    monitors: Callable[[BpeTokenizer, int, Machine], Monitor] | None = None,
    progress: Progress | None = None,
) -> Pretrained:
    """Train a model on a corpus and write it, with its tokenizer, as a checkpoint.

    Under `torchrun` every process calls this, and the first one writes.

    Args:
        corpus: Files of text, JSONL or parquet, directories of them, hub data sets.
        output: Directory for the checkpoint, the curve and the token files. An unfinished training
            there is resumed; a finished one is not run again.
        config: The recipe.
        reading: How the corpus is read, with which tokenizer, and what is looked up in it.
        compute: Device and precision, and whether processes split the weights.
        upkeep: What is saved along the way.
        monitors: From tokenizer, context and machine to what asks the model on the way; only the
            first process needs it.
        progress: Told where the run stands.

    Raises:
        GptevalError: Anything the user can mend, before training begins where possible.
    """
    compute, output = compute or Sharing(), user_path(output)
    _refuse_within(corpus, output)
    family, shape = _preset(config.preset)
    if monitors:
        _refuse_watching(family, compute)
    world, machine = join(resolve(compute), shard=compute.shard)
    told = progress if progress and world.first else Silent()
    with _alone(output, world):
        with world.in_turn():
            words, data, held_out = prepare(
                corpus, output / "tokens", config, reading or Reading(), told
            )
        config = config.lasting(Windows(data, config).per_epoch)
        objective = _objective(family, shape, config, words)
        objective.refuse(data, config.context)
        objective.to(machine.device)
        training = Pretraining(objective, data, held_out, config, machine, world)
        done = _finished(output, training)
        if done:
            told.say(f"{output}: finished before, not run again")
            _clear_up(output, world)  # a kill may have come just before
            return done
        if monitors:
            training.monitor = monitors(words, config.context, machine)
        keeper = _Keeper(family.name, training, words)
        with writing(output, ADVICE):
            course = TrainingLoop(training, output, upkeep or Upkeep(), keeper, told)
            return _completed(course)


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Writes the model in training as a checkpoint of its family."""

    family: str
    training: Pretraining
    tokenizer: BpeTokenizer

    def __call__(self, directory: Path, point: Mapping[str, Any]) -> None:
        """Every process calls this, the first one writes."""
        training = self.training
        model, halved = training.whole_model(), training.config.weights == "bf16"
        dtype = torch.bfloat16 if halved else torch.float32
        details = {"pretraining": training.record() | dict(point)}
        if training.world.first:
            save_checkpoint(directory, self.family, model, self.tokenizer, details, dtype=dtype)


def _completed(course: TrainingLoop) -> Pretrained:
    """Train to the end, write the model, and clear up."""
    course.run()
    world, last = course.training.world, course.curve.points[-1]
    facts = {"curve": course.curve.checksum} if world.first else {}
    course.keep_model(course.output / "model", last | facts)
    _clear_up(course.output, world)
    return _pretrained(course.output, last)


def _refuse_within(corpus: Sequence[PathLike], output: Path) -> None:
    """Refuse to write among the documents; an output below them is passed over in reading."""
    if any(same(user_path(path), output) for path in corpus):
        raise ConfigError(
            f"--output {output} is the corpus: what is written there would be read as its "
            "documents; name another directory"
        )


def _clear_up(output: Path, world: World) -> None:
    """Draw the curve and let go of the states, now that the model is safe."""
    if world.first:
        made = read_config(output / "model")["pretraining"]
        with writing(output, ADVICE):
            whole = picture(output, made.get("curve", ""))
        if not whole:
            logger.warning(
                "%s/curve.jsonl is not as it was when the training ended; the model is whole",
                output,
            )
    forget_states(output, world)


@contextmanager
def _alone(output: Path, world: World) -> Iterator[None]:
    """Keep a second command out of the output directory.

    Raises:
        ConfigError: Another one is at work there.
        ResultError: It can't be written.
    """
    if not world.first:
        yield
        return
    with writing(output, ADVICE):
        output.mkdir(parents=True, exist_ok=True)
        try:
            lock = FileLock(output / LOCK).acquire(timeout=0)
        except Timeout:
            busy = f"another gpteval pretrain is at work in {output}: wait for it"
            raise ConfigError(busy) from None
        for directory in (output, *(output / name for name in ("tokens", SNAPSHOTS, STATES))):
            remove_partial(directory)
    with lock:
        yield


def _finished(output: Path, training: Pretraining) -> Pretrained | None:
    """What an earlier, finished training with the same settings left.

    Raises:
        ConfigError: Its settings were others, or something else is there.
    """
    if not (output / "model").exists():
        return None
    checkpoint = (output / "model" / CONFIG).is_file()
    record = read_config(output / "model").get("pretraining") if checkpoint else None
    if not isinstance(record, dict) or "update" not in record:
        raise ConfigError(f"{output}/model was not trained here: choose another --output")
    refuse_changes(settings(record), settings(training.record()), output)
    return _pretrained(output, record)


def _pretrained(output: Path, point: Mapping[str, Any]) -> Pretrained:
    return Pretrained(
        model=output / "model",
        loss=point["loss"],
        bits_per_byte=point.get("bits_per_byte"),
        tokens=int(point["tokens"]),
        seconds=point["seconds"],
    )


def _objective(
    family: ModelFamily, shape: Mapping[str, Any], config: PretrainConfig, tokenizer: BpeTokenizer
) -> Objective:
    """A fresh model of a family and shape, and what it learns.

    Raises:
        ConfigError: The tokenizer shows no sentences, and it learns from these.
    """
    torch.manual_seed(config.seed)
    sizes = {"vocab_size": tokenizer.vocab_size, "context": config.context}
    assert family.build is not None
    model = family.build({**shape, **sizes, "dropout": config.dropout})
    if family.objective == "sentences":
        return Neighbours(cast("SentenceModel", model), Sentences(tokenizer))
    return Objective(model)


def _refuse_watching(family: ModelFamily, compute: Sharing) -> None:
    """Refuse to ask a model on the way that can't be asked.

    Raises:
        ConfigError: It is split, or no language model.
    """
    if compute.shard:
        raise ConfigError("--watch asks a whole model and --shard splits it: leave out one of them")
    if family.objective != "tokens":
        raise ConfigError(f"--watch asks language models, and {family.name} is none: leave it out")


def _preset(name: str) -> tuple[ModelFamily, dict[str, Any]]:
    """The model family that has a preset of that name and builds models, and the shape.

    Raises:
        UnknownNameError: No family has it.
    """
    known: dict[str, tuple[ModelFamily, dict[str, Any]]] = {}
    for family in registry().models().values():
        if family.build:
            known |= {k: (family, dict(v)) for k, v in family.presets.items()}
    if name not in known:
        raise UnknownNameError("preset", name, known, f"(one of {', '.join(known)})")
    return known[name]
