"""What the units of a run share: the machine, the loaded model, rows read once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gpteval.config import splits
from gpteval.errors import ConfigError
from gpteval.methods.settings import Subject
from gpteval.plugins import registry
from gpteval.progress import Progress, Silent

if TYPE_CHECKING:
    from gpteval.compute.device import Machine
    from gpteval.compute.distributed import World
    from gpteval.data.rows import Origin, SplitRows
    from gpteval.model import Loaded, Model
    from gpteval.task import Task


class Session:
    """One model at a time and rows of any number of tasks, each loaded or read once.

    A study gives one session to all its variants, so that they share both.

    Attributes:
        machine: Where to compute, and how precisely.
        world: The processes that share the work of a unit.
        origin: Where rows come from.
        limit: Most rows of a split; None for all.
    """

    def __init__(self, config: Subject, *, together: bool = False) -> None:
        """Nothing is loaded or read before it is asked for; torch is imported here.

        Args:
            config: Says where to compute and where rows come from.
            together: Whether the processes that torchrun started share the work of each unit.

        Raises:
            ConfigError: There is no such device; or the model is to be split among processes, and
                there are none that share a unit.
        """
        from gpteval.compute.device import resolve
        from gpteval.compute.distributed import World, join
        from gpteval.data.rows import origin

        shard = splits(config.compute)
        if shard and not together:
            raise ConfigError(
                "--shard splits a model among processes that torchrun starts, and here each unit "
                "has a process of its own: leave it out"
            )
        resolved = resolve(config.compute)
        self.world: World = World()
        self.machine: Machine = resolved
        if together:
            self.world, self.machine = join(resolved, shard=shard)
        self.origin: Origin = origin(config.data_dir, config.sample)
        self.limit = config.limit
        self._models: dict[str, tuple[Loaded, float]] = {}
        self._rows: dict[tuple[str, str], SplitRows] = {}
        self._untrained: dict[str, Model | None] = {}
        self._peak, self._beside, self._held = 0, 0, -1

    def told(self, progress: Progress) -> Progress:
        """The listener of the first process; the others say nothing."""
        return progress if self.world.first else Silent()

    def model(self, reference: str, *, frozen: bool = False) -> Loaded:
        """The model of a reference.

        Args:
            reference: As `--model` names it.
            frozen: Only its states are read: it need not be a language model.

        Raises:
            ConfigError: It is no language model.
            UnknownNameError: No family answers, and there is no such directory.
            CheckpointError: What was found can't be used.
        """
        from gpteval.weights.load import load_model, refuse_sentence_model

        if reference not in self._models:
            self._models.clear()  # one at a time: memory is for training
            self._untrained.clear()
            began = time.perf_counter()
            loaded = load_model(reference)
            if not frozen:
                refuse_sentence_model(loaded)
            self._models[reference] = loaded, time.perf_counter() - began
        return self._models[reference][0]

    def rows(self, task: Task, split: str) -> SplitRows:
        """The rows of a split.

        Raises:
            AbsentError: The split is not there.
            DataError: A row that can't be read, with file:line.
        """
        from gpteval.data.rows import load_split

        if (task.name, split) not in self._rows:
            self._rows[task.name, split] = load_split(task, split, self.origin, self.limit)
        return self._rows[task.name, split]

    def loading(self, splits: Iterable[SplitRows]) -> float:
        """Seconds it took to load the model and to read these splits."""
        model = sum(spent for _, spent in self._models.values())
        return model + sum(rows.seconds for rows in splits)

    def forget(self, splits: Iterable[tuple[str, str]]) -> None:
        """Let go of rows that nobody will ask for again."""
        for name in splits:
            self._rows.pop(name, None)

    @property
    def peak_memory(self) -> int:
        """Most bytes held so far, as if there had been no untrained model."""
        from gpteval.compute.cost import peak_memory

        return max(self._peak, peak_memory(self.machine.device) - self._beside)

    def held(self, weights: int) -> int:
        """Bytes that were held before the first training, when that is ready to begin.

        Args:
            weights: Of the model that it trains, which count not.
        """
        from gpteval.compute.cost import peak_memory

        if self._held < 0:
            self._held = max(0, peak_memory(self.machine.device) - weights)
        return self._held

    def untrained(self, loaded: Loaded) -> Model | None:
        """As the function of that name, made once."""
        if loaded.digest not in self._untrained:
            self._peak = self.peak_memory
            made = self._untrained[loaded.digest] = untrained(loaded)
            size = sum(p.nbytes for p in made.parameters()) if made else 0
            self._beside = max(self._beside, size)
        return self._untrained[loaded.digest]


def untrained(loaded: Loaded) -> Model | None:
    """A model of the same shape with random weights; None where its family can't build one."""
    import torch

    family = registry().models().get(loaded.family)
    if family is None or family.build is None:
        return None
    torch.manual_seed(0)
    return family.build(loaded.model.config())
