"""What a model plug-in writes: `Model`, `Tokenizer`, `ModelFamily`, and what loading one gives.

Shape letters: N tokens of all trees, D width, V vocabulary. torch is imported for typing only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gpteval.tree import Trees

    class Model(nn.Module):
        """A causal language model that reads packed token trees (`Trees`).

        How it computes (packs, pads, unfolds trees into rows) is its own affair; the numbers must
        be those of every root-to-leaf path read as a plain sequence.
        """

        width: int
        vocab_size: int
        context: int
        dropout: float
        """Embedding, attention and residual dropout; a recipe sets it."""

        def hidden(self, trees: Trees) -> Tensor:
            """Final hidden states of every token, (N, D)."""

        def logits(self, hidden: Tensor) -> Tensor:
            """Scores of every next token, (..., D) → (..., V), where the caller asks for them."""

        def add_tokens(self, count: int) -> int:
            """Append `count` fresh embeddings, from torch's random state; return the first id."""

        def config(self) -> Mapping[str, Any]:
            """What `ModelFamily.build` needs to make the same shape again; JSON values only."""

    class SentenceModel(Model):
        """A model of the objective "sentences": it tells a sentence's neighbours from its state.

        The state of a text is the one that `hidden` gives of its last token. `logits` takes what
        `decoded` gives.
        """

        embedding: int
        """Width of what `decoded` gives."""

        def decoded(
            self, sentences: Sequence[Tensor], before: Sequence[Tensor], after: Sequence[Tensor]
        ) -> Tensor:
            """States that predict the sentence before and the one after each, for `logits`.

            All are token ids, the token that begins a sentence first. There is a state for each
            token of `before` but the first ones, then for each of `after`.
            """
else:
    Model = SentenceModel = Any


def hidden_at(model: Model, trees: Trees, places: Tensor) -> Tensor:
    """Final hidden states of the tokens at `places` (U,) of some trees, (U, D).

    A model with a method `hidden_at(trees, places)` may leave out what only others need.
    """
    own = getattr(model, "hidden_at", None)
    states: Tensor = own(trees, places) if own else model.hidden(trees).index_select(0, places)
    return states


def layer_states(model: Model, trees: Trees) -> list[Tensor]:
    """Hidden states of every token before the first layer and after each one, (N, D) each.

    As a method `states(trees)` of the model gives them; of a model without one, the final states
    alone.
    """
    own = getattr(model, "states", None)
    return list(own(trees)) if own else [model.hidden(trees)]


@runtime_checkable
class Tokenizer(Protocol):
    """Text to token ids. `start` is the id a document begins with, None where there is none."""

    @property
    def vocab_size(self) -> int:
        """Number of ids."""

    @property
    def start(self) -> int | None:
        """Id that begins a document (GPT-1 has none; SmolLM2 has `<|endoftext|>`)."""

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides the ids, for caches and records."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, in one call, so that it can run in parallel."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a run of ids, for messages and reports."""

    def save(self, directory: Path) -> None:
        """Write what `load` of the family needs to read it back."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to use: fresh in memory, with its tokenizer and its identity.

    Attributes:
        model: The language model, fp32 on CPU.
        tokenizer: Its tokenizer.
        reference: What the user asked for ("mini", "hf:gpt2", a directory).
        digest: SHA-256 of weights and tokenizer; results carry it.
        details: What the model card or config says, for reports (parameters, …).
        family: Name of the family that loaded it; `load_model` fills it in.
    """

    model: Model
    tokenizer: Tokenizer
    reference: str
    digest: str
    details: Mapping[str, Any] = field(default_factory=dict)
    family: str = ""


Goal = Literal["tokens", "sentences"]
"""What a model learnt to tell: each token from those before it, or the sentences around one."""


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """A kind of model and the references it answers.

    Attributes:
        name: Family name, written into checkpoints ("gpt").
        description: One line for `gpteval models`.
        load: Reference, or checkpoint directory as text → loaded model. Imports torch when called.
        references: Names that load something ("mini"), with what they are.
        prefix: References beginning with this belong here ("hf:"); "" for none.
        build: Model configuration and tokenizer size → a model with fresh weights, from torch's
            current random state; None where a family can't be trained from scratch.
        presets: Named shapes for `gpteval pretrain --preset`.
        layer: Name of a weight (as in its `state_dict`) → the layer it belongs to, from 1; 0 for
            embeddings. None where layers can't be transferred one by one.
        recognises: Whether a directory that is no checkpoint of gpteval's is one `load` can read.
        save: Writes a model with its tokenizer as a directory, which is not there yet, that `load`
            reads; None: a checkpoint of gpteval's, where the family has `build`.
        objective: What its models learn to tell: "tokens", the next one, as a language model does,
            or "sentences", the neighbours of one (`SentenceModel`). Those are read by probes alone.
    """

    name: str
    description: str
    load: Callable[[str], Loaded]
    references: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    build: Callable[[Mapping[str, Any]], Model] | None = None
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    layer: Callable[[str], int] | None = None
    recognises: Callable[[Path], bool] | None = None
    save: Callable[[Model, Tokenizer, Path], None] | None = None
    objective: Goal = "tokens"
