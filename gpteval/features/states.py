"""Hidden states of a frozen model: one vector for each text and layer.

The texts are read as token trees: a beginning that several share is computed once, which the
phrases of SST-2 and the answers to one question have. A pass holds a bounded number of bytes.

Shape letters: N tokens of a pass, D width, L layers that are kept, U texts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gpteval.compute.memory import in_parts
from gpteval.encode.batch import pack_trees
from gpteval.encode.batching import SCORING_TOKENS, by_length
from gpteval.model import layer_states
from gpteval.tree import MIN_SHARED, Tree, fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpteval.compute.device import Machine
    from gpteval.encode.texts import Read
    from gpteval.model import Model
    from gpteval.tree import Trees

    Array = NDArray[np.float32]

VERSION = 1
"""Raised whenever the same texts give other numbers."""

PASS_BYTES = 1 << 28
"""What the states of one pass may take, those that a layer makes on the way among them."""
WITHIN = 16
"""Vectors of width D that a layer holds of each token on the way (12 in GPT-1, and its input)."""

Done = Callable[[int], None]
"""Told how many more texts have been read."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A token tree and the texts that it holds, as places in the list of texts."""

    tree: Tree
    texts: tuple[int, ...]


def layer_count(model: Model) -> int:
    """How many states a token has: before the first layer and after each; 1: the final ones."""
    with torch.no_grad():
        device = next(model.parameters()).device
        return len(layer_states(model, pack_trees([fold([[0, 0]])]).to(device)))


def read_states(
    model: Model,
    reads: Sequence[Read],
    into: Mapping[int, Array],
    machine: Machine,
    *,
    mean: bool,
    done: Done = lambda count: None,
    pass_bytes: int = PASS_BYTES,
) -> int:
    """Compute one vector for each text and layer.

    Args:
        model: In evaluation mode and on the machine's device afterwards.
        reads: The texts, U of them.
        into: Layer → (U, D), which is filled: states after that many layers; -1 the final ones.
        machine: Where to compute, and how precisely.
        mean: The mean over the text's tokens; else the state of its last one.
        done: Told how many more texts have been read.
        pass_bytes: What the states of one pass may take.

    Returns:
        How many tokens were computed.

    Raises:
        TrainingError: One tree alone does not fit in memory.
    """
    model.to(machine.device).eval()
    most = pass_tokens(model, layer_count(model), pass_bytes)
    trees = list(folded(reads, most))
    context = machine.scoring()

    @torch.inference_mode()
    def compute(group: list[Folded]) -> list[Tensor]:
        packed = pack_trees([one.tree for one in group]).to(machine.device)
        with context():
            states = _states(model, packed, into)
        places, texts = (x.to(machine.device) for x in _asked(group, reads, mean=mean))
        return [averaged(states[layer], places, texts).float().cpu() for layer in into]

    told = lambda one: f"a tree of {len(one.tree.tokens)} tokens"  # noqa: E731
    for group, found in in_parts(by_length(trees, most), compute, told):
        rows = [text for one in group for text in one.texts]
        for table, vectors in zip(into.values(), found, strict=True):
            table[rows] = vectors.numpy()
        done(len(rows))
    return sum(len(one.tree.tokens) for one in trees)


def token_states(model: Model, read: Read, layer: int, machine: Machine) -> Array:
    """States of the tokens of one text by themselves, (tokens from its first on, D).

    Args:
        model: In evaluation mode and on the machine's device afterwards.
        read: The text.
        layer: States after that many layers; -1 the final ones.
        machine: Where to compute, and how precisely.
    """
    model.to(machine.device).eval()
    packed = pack_trees([fold([read.tokens])]).to(machine.device)
    with torch.inference_mode(), machine.scoring()():
        states: Array = _states(model, packed, [layer])[layer].float().cpu().numpy()
    return states[read.begin :]


def _states(model: Model, packed: Trees, layers: Collection[int]) -> dict[int, Tensor]:
    """States of every token after some layers, (N, D) each; -1 the final ones."""
    if list(layers) == [-1]:
        return {-1: model.hidden(packed)}
    found = layer_states(model, packed)
    return {layer: found[layer] for layer in layers}


def pass_tokens(model: Model, states: int, pass_bytes: int = PASS_BYTES) -> int:
    """How many tokens one pass reads."""
    each = 4 * model.width * (states + WITHIN)
    return max(1, min(SCORING_TOKENS, pass_bytes // each))


def folded(reads: Sequence[Read], most: int) -> Iterator[Folded]:
    """Texts as token trees of about `most` tokens at most; a longer text is a tree by itself.

    In alphabetical order those that share a beginning stand together.
    """
    group: list[int] = []
    size = 0
    for text in sorted(range(len(reads)), key=lambda place: reads[place].tokens):
        tokens = reads[text].tokens
        shared = _shared(reads[group[-1]].tokens, tokens) if group else 0
        new = len(tokens) - shared
        if group and (shared < min(MIN_SHARED, len(tokens)) or size + new > most):
            yield _fold(reads, group)
            group, size, new = [], 0, len(tokens)
        group.append(text)
        size += new
    if group:
        yield _fold(reads, group)


def _fold(reads: Sequence[Read], texts: Sequence[int]) -> Folded:
    return Folded(fold([reads[text].tokens for text in texts]), tuple(texts))


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two paths have in common at their beginning."""
    for place, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return place
    return min(len(first), len(second))


def _asked(group: Sequence[Folded], reads: Sequence[Read], *, mean: bool) -> tuple[Tensor, Tensor]:
    """Places (P,) of the tokens that are read of some trees, and whose text's each is (P,)."""
    places: list[int] = []
    counts: list[int] = []
    offsets = accumulate((len(one.tree.tokens) for one in group), initial=0)
    for one, offset in zip(group, offsets, strict=False):
        for end, text in zip(one.tree.ends, one.texts, strict=True):
            if mean:
                own = one.tree.path(end)[reads[text].begin :]
                places += [place + offset for place in own]
                counts.append(len(own))
            else:
                places.append(end + offset)
                counts.append(1)
    owners = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return torch.tensor(places), owners


def averaged(states: Tensor, places: Tensor, texts: Tensor) -> Tensor:
    """The mean of some tokens' states, text by text: (N, D) → (M, D).

    Args:
        states: Of all tokens.
        places: (P,) those that are read.
        texts: (P,) the text that each belongs to, 0 to M - 1 in order, every one at least once.
    """
    counts = torch.bincount(texts)  # (M,)
    summed = states.new_zeros(len(counts), states.shape[1])
    summed.index_add_(0, texts, states.index_select(0, places))
    return summed / counts[:, None]


def distinct(reads: Sequence[Sequence[Read]]) -> tuple[list[Read], list[list[int]]]:
    """Each text once, and by example where its texts are among them."""
    known = {read: place for place, read in enumerate(dict.fromkeys(chain.from_iterable(reads)))}
    return list(known), [[known[read] for read in own] for own in reads]
