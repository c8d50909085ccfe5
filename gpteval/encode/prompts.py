"""Prompts to token paths: what is read, and from where on it is scored.

A text's ids are those it has where it stands (`gpteval.encode.pieces`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gpteval.encode.pieces import Piece, encode_pieces, last_word
from gpteval.errors import DataError, ExampleError
from gpteval.model import Tokenizer
from gpteval.task import Candidate, Prompt

NEUTRAL = "."
"""Read before an unconditional continuation by models whose documents have no first token."""


@dataclass(frozen=True, slots=True)
class Path:
    """Tokens to read, of which those from `begin` on are scored.

    Attributes:
        tokens: From the document's beginning; the tokenizer's start token where it has one.
        begin: Place of the first scored token; at least 1, because the first token is given.
        size: UTF-8 bytes of the scored text.
    """

    tokens: tuple[int, ...]
    begin: int
    size: int


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """One prompt as token paths.

    Attributes:
        id: The prompt's.
        paths: One per candidate.
        neutral: Every candidate's continuation after the neutral text; () where there is one
            candidate, where they differ in their contexts, or where nothing is given.
        passage: Prompts of one passage, if not "", are computed together.
    """

    id: str
    paths: tuple[Path, ...]
    neutral: tuple[Path, ...]
    passage: str

    @property
    def alike(self) -> bool:
        """Whether two candidates are the same to the model."""
        return len({path.tokens for path in self.paths}) < len(self.paths)


def encode_prompts(
    prompts: Sequence[Prompt], tokenizer: Tokenizer, context: int
) -> list[EncodedPrompt]:
    """Encode a split.

    Args:
        prompts: In file order.
        tokenizer: Of the model.
        context: Most tokens the model reads; a path may have one more, its last is never read.

    Raises:
        ExampleError: A candidate without a token to score, or too long with no passage left to cut,
            or one that the tokenizer can't read.
    """
    first = [] if tokenizer.start is not None else [("", NEUTRAL)]
    ids = encode_pieces(tokenizer, ([*first, *_pieces(prompt)] for prompt in prompts))
    encoder = _Encoder(ids, tokenizer.start, context + 1)
    return [_whole(encoder, place, prompt) for place, prompt in enumerate(prompts)]


def _whole(encoder: _Encoder, place: int, prompt: Prompt) -> EncodedPrompt:
    """The encoded prompt; what is wrong with it is told with its place in the split."""
    try:
        return encoder.encode(prompt)
    except DataError as error:
        raise ExampleError(place, str(error)) from None


class _Encoder:
    """Puts encoded pieces together."""

    def __init__(self, ids: Mapping[Piece, Sequence[int]], start: int | None, longest: int) -> None:
        self.ids, self.longest = ids, longest
        self.start = () if start is None else (start,)

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        pieces = [
            [self.ids[piece] for piece in _of_candidate(prompt, candidate)]
            for candidate in prompt.candidates
        ]
        room = self.longest - len(self.start) - max(sum(map(len, texts)) for texts in pieces)
        if room < 0:
            raise DataError(
                f"example {prompt.id}: a candidate and its question are {-room} tokens longer "
                f"than the {self.longest - 1} that the model reads; take a model that reads more"
            )
        passage = self.ids["", prompt.passage.strip()][:room]
        paths = tuple(
            self._path(prompt, number, [*self.start, *passage, *given], scored)
            for number, (given, scored) in enumerate(pieces)
        )
        return EncodedPrompt(prompt.id, paths, self._neutral(prompt, pieces), prompt.passage)

    def _neutral(
        self, prompt: Prompt, pieces: Sequence[Sequence[Sequence[int]]]
    ) -> tuple[Path, ...]:
        contexts = {candidate.context for candidate in prompt.candidates}
        given_nothing = not prompt.passage and contexts == {""}
        if len(prompt.candidates) == 1 or len(contexts) > 1 or given_nothing:
            return ()
        given = [*self.start, *self.ids["", prompt.neutral.strip()]]
        given = given or [*self.ids["", NEUTRAL]]
        return tuple(
            self._path(prompt, number, given, scored) for number, (_, scored) in enumerate(pieces)
        )

    def _path(
        self, prompt: Prompt, number: int, given: Sequence[int], scored: Sequence[int]
    ) -> Path:
        begin = max(len(given), 1)
        text = prompt.candidates[number].continuation.strip()
        if len(given) + len(scored) <= begin:
            raise DataError(
                f"example {prompt.id}: candidate {number + 1} ({text!r}) has no token to score "
                "after encoding; mend the row or leave it out"
            )
        return Path((*given, *scored), begin, len(text.encode("utf-8", "surrogatepass")))


def _pieces(prompt: Prompt) -> Iterable[Piece]:
    """All texts to encode for a prompt."""
    yield from (("", prompt.passage.strip()), ("", prompt.neutral.strip()))
    for candidate in prompt.candidates:
        yield from _of_candidate(prompt, candidate)


def _of_candidate(prompt: Prompt, candidate: Candidate) -> tuple[Piece, Piece]:
    """The context where it stands after the passage, the continuation after both."""
    passage, context = prompt.passage.strip(), candidate.context.strip()
    last = last_word(passage)
    return (last, context), (last_word(context) or last, candidate.continuation.strip())
