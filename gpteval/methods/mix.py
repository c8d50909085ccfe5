"""ELMo's learned mix of layers: ELMo = γ Σ_j s_j h_j, s = softmax(w) (Peters et al. 2018, eq. 1).

w and γ are trained jointly with the linear head, by L-BFGS on all rows. Every layer's units are
first brought to mean 0 and variance 1 by the texts learnt from: the paper applies layer
normalisation to each where that helps. In a linear head γ and the head's weights V only appear as
their product, and it is the product that the penalty is on: ‖γV‖² / 2C. With all the weight on one
layer this is then the same head as over that layer alone.

Shape letters: L layers, U texts, D width, S rows, n examples, F columns, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gpteval.features.composed import Layout
from gpteval.methods.heads import Path, rows_of, softmax_within
from gpteval.task import Kind, Label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

UPDATES = 200
"""Most L-BFGS iterations of a fit."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Examples as states of every layer.

    Attributes:
        states: (L, U, D) of the split's texts.
        layout: Which texts make an example.
        gold: (n,) labels.
    """

    states: Tensor
    layout: Layout
    gold: Sequence[Label]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(n,) rows of each example."""
        return self.layout.rows

    def take(self, examples: NDArray[np.int64]) -> Layers:
        """Some of the examples, and the texts that they are made of."""
        own = self.layout.texts[rows_of(self.layout.sizes, examples)]
        kept, places = np.unique(own, return_inverse=True)
        layout = replace(
            self.layout, texts=places.reshape(own.shape), sizes=self.layout.sizes[examples]
        )
        gold = [self.gold[place] for place in examples]
        return Layers(self.states[:, torch.from_numpy(kept)], layout, gold)


@dataclass(frozen=True, slots=True)
class Mixed:
    """A fitted mix and head.

    Attributes:
        scale: Mean and deviation of the texts learnt from, (L, 1, D) each.
        parameters: (L,) w, the weights of the layers before the softmax; γ; (F, C) and (C,) of the
            head.
        strength: Inverse strength of the penalty.
        kind: Of the task.
        classes: In the order of the head's outputs.
    """

    scale: tuple[Tensor, Tensor]
    parameters: tuple[Tensor, Tensor, Tensor, Tensor]
    strength: float
    kind: Kind
    classes: Sequence[str]

    def likely(self, rows: Layers) -> Array:
        """As `Fitted` has it."""
        mean, deviation = self.scale
        scaled = (rows.states - mean) / deviation
        scores = outputs(self.parameters, scaled, rows.layout)  # (S, C)
        if self.kind == "classify":
            scores = with_first(scores).softmax(1)
        found: Array = scores.double().numpy()
        if self.kind == "choose":
            return softmax_within(found[:, 0], rows.sizes)
        return found[:, 0] if self.kind == "regress" else found

    @property
    def found(self) -> Mapping[str, Any]:
        """Strength, s of every layer, and γ."""
        mix = [round(share, 4) for share in self.shares]
        return {"strength": self.strength, "mix": mix, "gamma": round(float(self.parameters[1]), 4)}

    @property
    def shares(self) -> list[float]:
        """s, of every layer."""
        return [float(share) for share in self.parameters[0].softmax(0)]


def outputs(parameters: Sequence[Tensor], scaled: Tensor, layout: Layout) -> Tensor:
    """What the head says of the mix, row by row, (S, C)."""
    mix, gamma, weight, bias = parameters
    shares = mix.softmax(0)
    mixed = gamma * torch.einsum("l,lud->ud", shares, scaled)  # (U, D)
    return columns_of(mixed, layout) @ weight + bias


def with_first(scores: Tensor) -> Tensor:
    """Scores of both of two classes, (n, 2), from how far the second is above the first (n, 1)."""
    return torch.cat([torch.zeros_like(scores), scores], 1) if scores.shape[1] == 1 else scores


def columns_of(vectors: Tensor, layout: Layout) -> Tensor:
    """As `gpteval.features.composed.composed`, with gradients."""
    first, *others = (vectors[torch.from_numpy(places)] for places in layout.texts.T)
    columns = first
    for second in others:
        columns = torch.cat([first, second, (first - second).abs(), first * second], 1)
    if layout.apart or len(columns) == len(layout.sizes):
        return columns
    sizes = torch.from_numpy(layout.sizes)
    owners = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    summed = columns.new_zeros(len(sizes), columns.shape[1]).index_add(0, owners, columns)
    return summed / sizes[:, None]


def mix_path(kind: Kind) -> Path:
    """Learns a mix with a head; each strength begins where the last one ended."""

    def path(rows: Layers, strengths: Sequence[float]) -> Iterator[Mixed]:
        mean = rows.states.mean(1, keepdim=True)
        deviation = rows.states.std(1, correction=0, keepdim=True)
        deviation = torch.where(deviation > 0, deviation, 1.0)
        scaled = (rows.states - mean) / deviation
        classes = sorted({str(label) for label in rows.gold}) if kind == "classify" else []
        if len(classes) == 1:
            classes = ["", *classes]  # one that no row has
        blocks = 1 if rows.layout.texts.shape[1] == 1 else 4
        # Of two classes one output, as scikit-learn has it: two would halve the penalty.
        shape = blocks * rows.states.shape[2], len(classes) if len(classes) > 2 else 1
        parameters = _initial(len(rows.states), shape, kind, rows.gold)
        wanted = _wanted(kind, rows, classes)
        for strength in strengths:
            _fit(parameters, scaled, rows, (kind, wanted, strength))
            mix, gamma, *head = (parameter.detach().clone() for parameter in parameters)
            learnt = mix, gamma, head[0], head[1]
            yield Mixed((mean, deviation), learnt, strength, kind, classes)

    return path


def _initial(
    layers: int, shape: tuple[int, int], kind: Kind, gold: Sequence[Label]
) -> list[Tensor]:
    """Equal shares, γ = 1, a head that says nothing; of numbers, their mean."""
    bias = torch.zeros(shape[1])
    if kind == "regress":
        bias += float(np.mean(np.array(gold, np.float64)))
    parameters = [torch.zeros(layers), torch.ones(()), torch.zeros(shape), bias]
    for parameter in parameters[: 3 if kind == "choose" else 4]:
        parameter.requires_grad_()
    return parameters


def _wanted(kind: Kind, rows: Layers, classes: Sequence[str]) -> Tensor:
    """Places of the right classes (n,), numbers (n,), or rows of the right answers (n,)."""
    if kind == "regress":
        return torch.tensor([float(label or 0) for label in rows.gold])
    if kind == "classify":
        return torch.tensor([classes.index(str(label)) for label in rows.gold])
    starts = np.cumsum(rows.sizes) - rows.sizes
    return torch.from_numpy(starts + np.array(rows.gold, np.int64))


def objective(
    parameters: Sequence[Tensor], scaled: Tensor, rows: Layers, asked: tuple[Kind, Tensor, float]
) -> Tensor:
    """Loss over all rows and the penalty, as scikit-learn's heads have them."""
    kind, wanted, strength = asked
    scores = outputs(parameters, scaled, rows.layout)
    if kind == "regress":
        lost = ((scores[:, 0] - wanted) ** 2).sum() / 2
    elif kind == "classify":
        lost = F.cross_entropy(with_first(scores), wanted, reduction="sum")
    else:
        sizes = torch.from_numpy(rows.sizes)
        right = torch.repeat_interleave(scores[wanted, 0], sizes)
        wrong = torch.ones(len(scores), dtype=torch.bool)
        wrong[wanted] = False
        lost = F.softplus(scores[:, 0] - right)[wrong].sum()
    product = parameters[1] * parameters[2]
    return lost + (product**2).sum() / (2 * strength)


def _fit(
    parameters: Sequence[Tensor], scaled: Tensor, rows: Layers, asked: tuple[Kind, Tensor, float]
) -> None:
    """Minimise the objective from where the parameters are."""
    learnt = [parameter for parameter in parameters if parameter.requires_grad]
    optimiser = torch.optim.LBFGS(
        learnt, max_iter=UPDATES, history_size=20, line_search_fn="strong_wolfe"
    )
    size = len(rows.gold)

    def step() -> Any:
        optimiser.zero_grad()
        value = objective(parameters, scaled, rows, asked) / size
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(step)
