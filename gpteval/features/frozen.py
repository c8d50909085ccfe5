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
from gpteval.encode.texts import Read, encode_texts, surfaces, texts_of
from gpteval.features.composed import Layout, side_by_side
from gpteval.features.kept import fitting, in_memory, kept
from gpteval.features.states import VERSION, distinct, layer_count, read_states, token_states
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
        beside: Other vectors of the same texts, (U', W), and of each whose state is beside it,
            (U',); the layout is then of these.
    """

    layout: Layout
    layers: Mapping[int, Array]
    beside: tuple[Array, NDArray[np.int64]] | None = None

    def vectors(self, layer: int) -> Array:
        """The texts' vectors, (U, D), or with those beside, (U', W + D)."""
        if self.beside is None:
            return self.layers[layer]
        others, places = self.beside
        return np.hstack([others, self.layers[layer][places]])

    @property
    def shape(self) -> tuple[int, int]:
        """Texts, and numbers of each."""
        texts, width = next(iter(self.layers.values())).shape
        if self.beside is None:
            return texts, width
        others, places = self.beside
        return len(places), others.shape[1] + width

    def with_others(self, others: Array, layout: Layout) -> Split:
        """With other vectors of the same sequences beside these.

        CoVe (McCann et al. 2017) has the vector of every word beside its state in the same way.

        Args:
            others: (U'', W).
            layout: Which of them make an example.
        """
        states, own, both = side_by_side(self.layout, layout)
        return Split(both, self.layers, (others[own], states))


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

    @property
    def whole(self) -> bool:
        """Whether a state is of a whole sequence, not of one of its texts."""
        return self.state == "extract"

    def split(
        self,
        task: Task,
        examples: Sequence[Example],
        layers: Iterable[int],
        done: Done = lambda count: None,
        *,
        further: Iterable[int] = (),
    ) -> Split:
        """The texts of a split and their vectors after some layers.

        Args:
            task: Says what a row of the columns is.
            examples: In file order.
            layers: Of `self.layers`.
            done: Told how many more examples have been read.
            further: Layers asked for later: read along as far as there is room for them.

        Raises:
            ExampleError: One that can't be encoded.
        """
        began = time.perf_counter()
        reads, layout = self._encoded(task, examples)
        identity = self._identity(reads)
        shape = len(reads), self.loaded.model.width
        chosen = fitting(tuple(layers), further, shape)
        names = {layer: digest([identity, layer]) for layer in chosen}
        told = _Share(len(examples), len(reads), done)
        compute = partial(self._compute, reads, told)
        few = len(reads) < FEWEST
        found = in_memory(names, shape, compute) if few else kept(names, shape, compute)
        told.rest()
        self.seconds += time.perf_counter() - began
        return Split(layout, found)

    def tokens_of(self, text: str, layer: int) -> tuple[list[str], Array]:
        """What the tokens of a text add to it, and their states, (tokens, D).

        Args:
            text: As it stands by itself.
            layer: Of `self.layers`.

        Raises:
            ExampleError: It can't be encoded.
        """
        tokenizer, context = self.loaded.tokenizer, self.loaded.model.context
        ((read,),) = encode_texts([[("", text)]], tokenizer, context)
        states = token_states(self.loaded.model, read, layer, self.machine)
        return surfaces(tokenizer, read.tokens[read.begin :]), states

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


def _grouped(places: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Places one after another as runs of some sizes."""
    runs, start = [], 0
    for size in sizes:
        runs.append(list(places[start : start + size]))
        start += size
    return runs
