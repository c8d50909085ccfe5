"""The training loop of a pre-training, from wherever it stands to its end, without losing work.

`unfinished/` holds the last states, each with the curve so far, `checkpoints/` the models kept
along the way, `curve.jsonl` the points. A run that was killed resumes from its latest state: what
came after it is made again, bit for bit on a CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gpteval.compute.distributed import World
from gpteval.errors import ConfigError, TrainingError
from gpteval.files import remove
from gpteval.pretrain.log import Curve
from gpteval.pretrain.pretraining import Pretraining
from gpteval.progress import Progress
from gpteval.train.state import Cadence, load_state, read_facts, save_state
from gpteval.upkeep import Upkeep

STATES = "unfinished"
SNAPSHOTS = "checkpoints"


class TrainingLoop:
    """One training under way, and its output directory.

    Attributes:
        curve: The points so far.
    """

    def __init__(
        self,
        training: Pretraining,
        output: Path,
        upkeep: Upkeep,
        keep_model: Callable[[Path, Mapping[str, Any]], None],
        progress: Progress,
    ) -> None:
        """Resume from the latest state in `output`, if there is one.

        Args:
            training: A fresh one.
            output: Its directory.
            upkeep: What to save, and how often.
            keep_model: Writes the model as it stands as a checkpoint, with its point of the curve;
                every process calls it.
            progress: Told where the run stands.

        Raises:
            ConfigError: The training there has other settings.
        """
        self.training, self.output, self.upkeep = training, output, upkeep
        self.keep_model, self.progress = keep_model, progress
        self.curve = Curve(output)
        updates, count = training.config.updates, upkeep.snapshots
        self.snapshots = {round(i * updates / count) for i in range(count + 1)} if count else set()
        training.marks |= self.snapshots - {0}
        self._began = time.monotonic()
        self._cadence = Cadence(upkeep.save_seconds)
        self._resume()

    def run(self) -> None:
        """Make all updates that are left.

        Raises:
            TrainingError: A loss that is NaN or a spike; it names the windows read and
                the last state saved.
        """
        training, updates = self.training, self.training.config.updates
        first = training.update
        if not first:
            self._snapshot()
        self.progress.begin("pretrain", updates, first)
        while training.update < updates:
            try:
                lr, loss, norm = training.step()
                training.spike(self.upkeep.spike)
            except TrainingError as error:
                raise TrainingError(f"{error}; {self._last_good()}") from None
            if training.due():
                point = training.point(lr, norm) | {"seconds": round(self._clock(), 2)}
                self.curve.add(point, write=training.world.first)
            self._snapshot()
            self._save_when_due()
            self.progress.advance(1, f"loss {loss:.3f}, {self._rate(first):,.0f} tokens/s")
        self.progress.end()

    def _states(self) -> list[Path]:
        """Saved states, oldest first."""
        return sorted((self.output / STATES).glob("update-*.safetensors"))

    def _resume(self) -> None:
        training = self.training
        states = self._states()
        training.world.wait()  # so that all see the same ones
        points: list[dict[str, Any]] = []
        if states:
            facts = read_facts(states[-1], "settings", "training", "curve")
            refuse_changes(facts["settings"], settings(training.record()), self.output)
            load_state(states[-1], training.model, training.optimiser)
            training.go_on(facts["training"])
            points = facts["curve"]
            self.progress.say(f"resumes after update {training.update}")
        self.curve.restore(points, write=training.world.first)

    def _rate(self, first: int) -> float:
        """Tokens per second since this start, which began with `first` updates made."""
        config = self.training.config
        tokens = (self.training.update - first) * config.batch_size * config.context
        return tokens / (time.monotonic() - self._began)

    def _clock(self) -> float:
        """Seconds of training, those of earlier starts included."""
        return float(self.training.seconds["clock"]) + time.monotonic() - self._began

    def _save_when_due(self) -> None:
        training, every = self.training, self.upkeep.save_updates
        late = 0.0 if every else float(training.world.first and self._cadence.due)
        due = training.update % every == 0 if every else training.world.sums(late)[0] > 0
        if not due or training.update == training.config.updates:
            return
        with self._cadence.saving():
            self._save()

    def _save(self) -> None:
        training = self.training
        facts = training.facts()
        facts["seconds"] = facts["seconds"] | {"clock": self._clock()}
        path = self.output / STATES / f"update-{training.update:08}.safetensors"
        content: dict[str, Any] = {"settings": settings(training.record()), "training": facts}
        content |= {"curve": self.curve.points}
        first = training.world.first
        if first or training.world.shard:
            save_state(path, training.model, training.optimiser, {}, content, write=first)
        if first:
            for old in self._states()[: -self.upkeep.keep]:
                old.unlink()

    def _snapshot(self) -> None:
        if self.training.update in self.snapshots:
            directory = self.output / SNAPSHOTS / f"update-{self.training.update:08}"
            self.keep_model(directory, self.curve.points[-1] if self.training.update else {})

    def _last_good(self) -> str:
        states = self._states()
        return f"the state before is saved in {states[-1]}" if states else "no state was saved yet"


def forget_states(output: Path, world: World) -> None:
    """Let go of the states, when the model is safe."""
    if world.first:
        remove(output / STATES)
    world.wait()


def settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a training can't change under way, from what its record says."""
    return {
        **record["config"],
        "corpus": record["corpus_digest"],
        "precision": record["precision"],
    }


def refuse_changes(earlier: Mapping[str, Any], now: Mapping[str, Any], output: Path) -> None:
    """Stop where a training would resume with other settings.

    Raises:
        ConfigError: Names the first one that differs.
    """
    changed = [name for name in now if name in earlier and earlier[name] != now[name]]
    if not changed:
        return
    name = changed[0]
    what = f"--{name.replace('_', '-')} {earlier[name]}, not {now[name]}"
    if name == "corpus":
        what = "another corpus or tokenizer"
    raise ConfigError(
        f"{output} holds a training with {what}: give what it was started with, or choose "
        "another --output"
    )
