"""Log-probabilities of continuations, on token trees.

Paths that share a beginning are read once: the candidates of an example, and the questions on one
article. A path's last token is scored and never read; logits are computed only where a scored token
is predicted, and once where several paths predict from the same place.

Shape letters: N tokens read, S scored tokens, U distinct places they are predicted from,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpteval.compute.memory import in_parts
from gpteval.encode.batch import Encoded, pack_trees
from gpteval.encode.batching import MOST_LOGITS, SCORING_TOKENS, by_length
from gpteval.encode.prompts import EncodedPrompt, Path
from gpteval.model import hidden_at
from gpteval.tree import Tree, Trees, fold

if TYPE_CHECKING:
    from gpteval.model import Model


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a continuation is.

    Attributes:
        total: Sum of its tokens' log-probabilities, in nats.
        tokens: How many there are.
        size: UTF-8 bytes of its text.
    """

    total: float
    tokens: int
    size: int


@dataclass(frozen=True, slots=True)
class PromptLikelihoods:
    """A prompt's candidates, and their continuations after the neutral text (() where unasked)."""

    candidates: tuple[Likelihood, ...]
    neutral: tuple[Likelihood, ...]


@dataclass(frozen=True, slots=True)
class PromptTrees:
    """The prompts of a split as the trees they are computed in, for any number of models.

    Attributes:
        prompts: In file order.
        paths: Of every tree.
        folded: The trees; each one's `index` is its place in `paths`.
    """

    prompts: tuple[EncodedPrompt, ...]
    paths: tuple[tuple[Path, ...], ...]
    folded: tuple[Encoded, ...]


def fold_prompts(prompts: Sequence[EncodedPrompt]) -> PromptTrees:
    """Prompts by the tree they are computed in: per passage, per prompt, neutral paths alone.

    A path stands once in its tree, and its last token is not in it: it is scored and never read.
    """
    trees: dict[str | int, dict[Path, None]] = {}
    names: dict[str | int, str] = {}
    for number, prompt in enumerate(prompts):
        names.setdefault(prompt.passage or number, prompt.id)
        trees.setdefault(prompt.passage or number, {}).update(dict.fromkeys(prompt.paths))
    neutral = {path: prompt.id for prompt in prompts for path in prompt.neutral}
    paths = [tuple(tree) for tree in trees.values()] + [(path,) for path in neutral]
    folded = [
        Encoded(name, fold([path.tokens[:-1] for path in tree]), (), number)
        for number, (name, tree) in enumerate(
            zip([*names.values(), *neutral.values()], paths, strict=True)
        )
    ]
    return PromptTrees(tuple(prompts), tuple(paths), tuple(folded))


def score_prompts(
    model: Model,
    trees: PromptTrees,
    *,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    most_tokens: int = SCORING_TOKENS,
    done: Callable[[Sequence[Encoded]], None] = lambda trees: None,
) -> list[PromptLikelihoods]:
    """Likelihoods of every prompt's candidates, in the prompts' order.

    Args:
        model: On the device to compute on; left in evaluation mode.
        trees: Of one split.
        autocast: Context to compute in; probabilities are fp32 in any case.
        most_tokens: Tokens of one forward pass; changes nothing but rounding.
        done: Called with the trees just scored; there are `len(trees.folded)` in all.

    Raises:
        TrainingError: One tree alone does not fit in memory.
    """
    by_path: dict[Path, Likelihood] = {}
    for group, scored in likelihoods(model, trees, autocast, most_tokens):
        by_path.update(scored)
        done(group)
    return [
        PromptLikelihoods(
            tuple(by_path[path] for path in prompt.paths),
            tuple(by_path[path] for path in prompt.neutral),
        )
        for prompt in trees.prompts
    ]


@torch.inference_mode()
def likelihoods(
    model: Model,
    trees: PromptTrees,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    most_tokens: int = SCORING_TOKENS,
) -> Iterator[tuple[list[Encoded], dict[Path, Likelihood]]]:
    """The trees of one batch after another, longest first, and their paths' likelihoods."""
    model.eval()
    device = next(model.parameters()).device

    def scored(group: list[Encoded]) -> dict[Path, Likelihood]:
        packed = pack_trees([encoded.tree for encoded in group]).to(device)
        places, tokens = _scored(group, trees.paths)
        with autocast():
            logs = _log_probabilities(model, packed, places.to(device), tokens.to(device))
        paths = [path for encoded in group for path in trees.paths[encoded.index]]
        values = torch.split(logs.double().cpu(), [len(p.tokens) - p.begin for p in paths])
        return {
            path: Likelihood(float(value.sum()), len(value), path.size)
            for path, value in zip(paths, values, strict=True)
        }

    yield from in_parts(by_length(trees.folded, most_tokens), scored, Encoded.told)


def _scored(group: Sequence[Encoded], trees: Sequence[Sequence[Path]]) -> tuple[Tensor, Tensor]:
    """Where each scored token is predicted from, (S,), and which token it is, (S,)."""
    places: list[int] = []
    tokens: list[int] = []
    offset = 0
    for encoded in group:
        for path, end in zip(trees[encoded.index], encoded.tree.ends, strict=True):
            scored = path.tokens[path.begin :]
            places += [place + offset for place in _last(encoded.tree, end, len(scored))]
            tokens += scored
        offset += len(encoded.tree.tokens)
    return torch.tensor(places), torch.tensor(tokens)


def _last(tree: Tree, end: int, count: int) -> list[int]:
    """Indices of the last `count` tokens of a path, in reading order."""
    indices = []
    for _ in range(count):
        indices.append(end)
        end = tree.parents[end]
    return indices[::-1]


def _log_probabilities(model: Model, trees: Trees, places: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of each token predicted from its place: (S,), (S,) → (S,), fp32."""
    distinct, row = torch.unique(places, return_inverse=True)  # (U,), (S,)
    hidden = hidden_at(model, trees, distinct)  # (U, D)
    logs = torch.zeros(len(tokens), device=tokens.device)
    at_once = max(1, MOST_LOGITS[hidden.device.type] // model.vocab_size)
    for first in range(0, len(distinct), at_once):
        logits = model.logits(hidden[first : first + at_once]).float()  # (≤ U, V)
        (here,) = torch.where((row >= first) & (row < first + at_once))
        logs[here] = logits.log_softmax(-1)[row[here] - first, tokens[here]]
    return logs
