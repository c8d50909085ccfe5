"""Token trees as the rows that models of transformers read.

A model that takes our mask and positions reads whole trees, side by side in one row without
padding. Any other reads one right-padded row per leaf: a causal model needs no more, since no real
token ever sees the padding.

Shape letters: T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gpteval import Span
from gpteval_models import attention
from gpteval_models.windows import narrowed, reaches_back, window

if TYPE_CHECKING:
    from gpteval_models.huggingface import HuggingFaceModel

ROW_TOKENS = 8192
"""Tokens, padding included, that are computed in one call of padded rows."""
TREE_TOKENS = {"cpu": 512, "mps": 2048, "cuda": 2048}
"""Tokens of trees side by side: more of them share a call, and attention is T x T. Measured on a
CPU only, where 256 and 512 are alike and 2048 a quarter to a half slower."""
READINGS = ("spans", "masked", "unfolded")
"""Ways to read trees, fastest first: by our attention, by the model's under a mask, as rows."""


def reading(model: HuggingFaceModel, tolerance: float) -> str:
    """The fastest way in which a model has the hidden states of trees' paths read one by one.

    To be read whole it needs attention as ours, or under any mask, and positions by their number:
    not so where positions are distances between places in the row (ALiBi), where they are turned by
    the length of what is read (longrope), or layers hand a state from place to place.

    Args:
        model: In evaluation mode; its attention and its `limit` are left as the way found needs.
        tolerance: How far apart they may be, as a part of the largest.
    """
    shape = model.lm.config.get_text_config()
    if not reaches_back(shape) or switching_length(shape):
        return "unfolded"
    if attention.install(model.lm):
        if _reads(model, model.spans, tolerance):
            return "spans"
        attention.remove(model.lm)
    return "masked" if _reads(model, model.masked, tolerance) else "unfolded"


@torch.no_grad()
def _reads(
    model: HuggingFaceModel,
    read: Callable[[Tensor, Tensor, Sequence[Span]], Tensor],
    tolerance: float,
) -> bool:
    """Whether a way to read trees whole gives the same hidden states as their paths do.

    Windows are tried while they are narrow: a tree that fills real ones would take long to read.
    Where they are not kept, or can't be narrowed, trees of up to `limit` tokens are tried.
    """
    above, branch = (0, 8), (8, 16)
    spans = [
        Span(*above),
        Span(*branch, (above,)),
        Span(16, 22, (above, branch)),
        Span(22, 30, (above, branch)),
        Span(30, 37, (above,)),
        Span(37, 50),
    ]
    tokens = torch.linspace(0, model.vocab_size - 1, 50).long()
    positions = torch.cat([_positions(span) for span in spans])
    width = window(model.lm.config.get_text_config())
    for model.limit in sorted({0, width}):
        narrow = model.limit < width
        try:
            with narrowed(model.lm) if narrow else nullcontext():
                whole, expected = read(tokens, positions, spans), model.unfolded(tokens, spans)
            told = not narrow or _apart(expected, model.unfolded(tokens, spans)) > tolerance
        except Exception:  # whatever a model raises that knows no such mask or arguments
            continue
        if told and _apart(whole, expected) <= tolerance:
            return True
    return False


def _apart(states: Tensor, expected: Tensor) -> float:
    """The largest difference, as a part of the largest number."""
    return float((states - expected).abs().max() / expected.abs().max())


def _positions(span: Span) -> Tensor:
    depth = sum(stop - start for start, stop in span.ancestors)
    return torch.arange(depth, depth + span.stop - span.start)


def beyond(spans: Sequence[Span], limit: int) -> bool:
    """Whether a tree has more tokens than may be read whole; 0: any number may be."""
    trees = whole_trees(spans, 1) if limit else ()
    return any(tree[-1].stop - tree[0].start > limit for tree in trees)


def whole_trees(spans: Sequence[Span], most: int) -> Iterator[list[Span]]:
    """Spans of neighbouring trees, of at most `most` tokens together; a longer tree stands alone.

    Args:
        spans: Of a batch; they lie one after another, each tree from its root on.
        most: Tokens.
    """
    roots = [place for place, span in enumerate(spans) if not span.ancestors]
    begin = 0
    for root, following in zip(roots, [*roots[1:], len(spans)], strict=True):
        if root > begin and spans[following - 1].stop - spans[begin].start > most:
            yield list(spans[begin:root])
            begin = root
    yield list(spans[begin:])


def tree_mask(spans: Sequence[Span]) -> Tensor:
    """(T, T), to be added to the scores of attention: 0 where a token sees another, else -inf."""
    first, size = spans[0].start, spans[-1].stop - spans[0].start
    mask = torch.full((size, size), -torch.inf)
    for span in spans:
        rows = mask[span.start - first : span.stop - first]
        for start, stop in span.ancestors:
            rows[:, start - first : stop - first] = 0
        own = rows[:, span.start - first : span.stop - first]
        own.copy_(torch.full_like(own, -torch.inf).triu(1))
    return mask


def leaf_paths(spans: Sequence[Span]) -> list[Tensor]:
    """Indices of the tokens from root to leaf, for every span that has no descendant."""
    inner = {ancestor for span in spans for ancestor in span.ancestors}
    return [
        torch.cat([torch.arange(*run) for run in (*span.ancestors, (span.start, span.stop))])
        for span in spans
        if (span.start, span.stop) not in inner
    ]


def switching_length(shape: Any) -> int:
    """Tokens from which on rotary embeddings take other frequencies (longrope); 0: they never do.

    The longest row of a call decides for all of them: rows on both sides are never read together.
    """
    rotary = getattr(shape, "rope_parameters", None) or getattr(shape, "rope_scaling", None) or {}
    settings = [rotary, *(own for own in rotary.values() if isinstance(own, dict))]
    known = getattr(shape, "original_max_position_embeddings", 0)
    lengths = [
        own.get("original_max_position_embeddings") or known
        for own in settings
        if "longrope" in (own.get("rope_type"), own.get("type"))
    ]
    return int(min(filter(None, lengths), default=0))


def groups(rows: Sequence[Tensor], apart: int = 0) -> Iterator[list[Tensor]]:
    """Rows sorted by length, cut so that a padded group has at most `ROW_TOKENS` tokens.

    Args:
        rows: The shortest first.
        apart: Rows of up to so many tokens share no group with longer ones.
    """
    group: list[Tensor] = []
    for row in rows:
        crosses = group and len(group[-1]) <= apart < len(row)
        if group and (crosses or (len(group) + 1) * len(row) > ROW_TOKENS):
            yield group
            group = []
        group.append(row)
    yield group
