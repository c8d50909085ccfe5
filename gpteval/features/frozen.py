"""What a linear head sees of a frozen model: states of its layers, by text, for whole splits.

Shape letters: U texts of a split, D width.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpteval.encode.examples import Specials, encode_examples
from gpteval.encode.texts import Read, encode_texts, texts_of
from gpteval.features.composed import Layout
from gpteval.features.kept import kept
from gpteval.features.states import VERSION, distinct, layer_count, read_states
from gpteval.files import digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpteval.compute.device import Machine
    from gpteval.model import Loaded
    from gpteval.task import Example, Task

    Array = NDArray[np.float32]

STATES = ("mean", "last", "extract")
"""Which state of a text is read: the mean over its tokens; that of its last one; or that of an
added token behind the whole example, as fine-tuning has it, whose embedding nobody has trained."""

FINAL = -1
"""The layer of a model that gives its final states alone."""

FEWEST = 1000
"""Fewer texts are read again each time."""

Done = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Split:
    """The texts of a split and their vectors.

    Attributes:
        layout: Which texts make an example.
        layers: Layer → (U, D).
    """

    layout: Layout
    layers: Mapping[int, Array]


@dataclass
class Frozen:
    """A model that is only read, and how.

    Attributes:
        loaded: The model; for the state `extract` it is given the added tokens.
        machine: Where to compute.
        state: One of `STATES`.
        tokens: Tokens computed so far.
        seconds: Time that reading took so far.
    """

    loaded: Loaded
    machine: Machine
    state: str
    tokens: int = 0
    seconds: float = 0.0
    _specials: Specials | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Add the tokens that a state needs."""
        if self.state == "extract":
            torch.manual_seed(0)
            self._specials = Specials.after(self.loaded.model.add_tokens(Specials.COUNT))
        self.loaded.model.to(self.machine.device).eval()
        count = layer_count(self.loaded.model)
        self.layers: tuple[int, ...] = tuple(range(count)) if count > 1 else (FINAL,)

    def split(
        self,
        task: Task,
        examples: Sequence[Example],
        layers: Iterable[int],
        done: Done = lambda count: None,
    ) -> Split:
        """The texts of a split and their vectors after some layers.

        Args:
            task: Says what a row of the columns is.
            examples: In file order.
            layers: Of `self.layers`.
            done: Told how many more examples have been read.

        Raises:
            ExampleError: One that can't be encoded.
        """
        began = time.perf_counter()
        reads, layout = self._encoded(task, examples)
        identity = self._identity(reads)
        names = {layer: digest([identity, layer]) for layer in layers}
        shape = len(reads), self.loaded.model.width
        told = _Share(len(examples), len(reads), done)
        compute = partial(self._compute, reads, told)
        few = len(reads) < FEWEST
        found = _made(names, shape, compute) if few else kept(names, shape, compute)
        told.rest()
        self.seconds += time.perf_counter() - began
        return Split(layout, found)

    def _compute(self, reads: Sequence[Read], told: _Share, into: Mapping[int, Array]) -> None:
        self.tokens += read_states(
            self.loaded.model,
            reads,
            into,
            self.machine,
            mean=self.state == "mean",
            done=told,
        )

    def _encoded(self, task: Task, examples: Sequence[Example]) -> tuple[list[Read], Layout]:
        """Every distinct text, and which make an example."""
        tokenizer, context = self.loaded.tokenizer, self.loaded.model.context
        if self._specials:
            encoded = encode_examples(examples, None, tokenizer, self._specials, context)
            paths = [[one.tree.path(end) for end in one.tree.ends] for one in encoded]
            own = [
                [Read(tuple(one.tree.tokens[t] for t in path), len(path) - 1) for path in by_end]
                for one, by_end in zip(encoded, paths, strict=True)
            ]
            widths = [[1] * len(each) for each in own]
        else:
            sequences = [texts_of(task, example) for example in examples]
            flat = ([text for texts in each for text in texts] for each in sequences)
            own = encode_texts(flat, tokenizer, context)
            widths = [[len(texts) for texts in each] for each in sequences]
        reads, places = distinct(own)
        grouped = [_grouped(each, sizes) for each, sizes in zip(places, widths, strict=True)]
        return reads, Layout.of(grouped, apart=task.kind == "choose")

    def _identity(self, reads: Sequence[Read]) -> str:
        """Digest of everything that the vectors depend on, but for the layer."""
        texts = hashlib.sha256()
        for read in reads:
            texts.update(np.array([read.begin, *read.tokens, -1], "<i8").tobytes())
        model = [self.loaded.digest, self.state, VERSION]
        machine = [self.machine.device.type, self.machine.precision, torch.__version__]
        return digest([texts.hexdigest(), model, machine])


class _Share:
    """Tells of examples while texts are read."""

    def __init__(self, examples: int, texts: int, done: Done) -> None:
        self.examples, self.texts, self.done = examples, max(1, texts), done
        self.read = self.told = 0

    def __call__(self, texts: int) -> None:
        self.read += texts
        self._tell(self.examples * self.read // self.texts)

    def rest(self) -> None:
        self._tell(self.examples)

    def _tell(self, reached: int) -> None:
        if reached > self.told:
            self.done(reached - self.told)
            self.told = reached


def _made(
    names: Mapping[int, str],
    shape: tuple[int, int],
    compute: Callable[[Mapping[int, Array]], None],
) -> dict[int, Array]:
    arrays = {layer: np.empty(shape, np.float32) for layer in names}
    compute(arrays)
    return arrays


def _grouped(places: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Places one after another as runs of some sizes."""
    runs, start = [], 0
    for size in sizes:
        runs.append(list(places[start : start + size]))
        start += size
    return runs
