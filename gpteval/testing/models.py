"""The rules of a model: `check_model`. Shape letters: N tokens, D width, V vocabulary."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

from gpteval.model import ModelFamily
from gpteval.plugins import registry
from gpteval.testing.rules import broken, insist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from gpteval.model import Loaded, SentenceModel

TOLERANCE = 1e-4
"""How far apart states may be that differ by rounding in fp32 alone, as a part of the largest."""
ROOMY, SHORT = 24, 7
"""Tokens of the sequences that a model is tried with; of what they have in common."""
TEXT = "the captain looked at the sea and asked the boy whether he had seen the ship . " * 8
MERGES = 40


class ModelUnderTest:
    """A model that was loaded, and sequences to try it on."""

    def __init__(self, family: ModelFamily, reference: str) -> None:
        """Nothing is loaded before a rule asks for it.

        Args:
            family: The model's.
            reference: What is loaded; "" for the smallest of its presets, with fresh weights.
        """
        self.family, self.reference = family, reference

    def load(self) -> str:
        """Load the model, or build one; what is wrong if there is nothing to load."""
        import torch

        from gpteval.weights.load import load_model

        torch.manual_seed(0)
        if self.reference:
            self.loaded = load_model(self.reference)
        elif self.family.build is None or not self.family.presets:
            return "nothing to check with: give a reference, or offer build and presets"
        else:
            self.loaded = self._built()
        self.model = self.loaded.model.eval()
        return ""

    def _built(self) -> Loaded:
        from gpteval.encode.tokenizer import BpeTokenizer
        from gpteval.model import Loaded

        assert self.family.build is not None
        tokenizer = BpeTokenizer.train([TEXT], merges=MERGES)
        shapes = ({"vocab_size": tokenizer.vocab_size, **p} for p in self.family.presets.values())
        models = [self.family.build(shape) for shape in shapes]
        smallest = min(models, key=lambda model: sum(p.numel() for p in model.parameters()))
        return Loaded(smallest, tokenizer, self.family.name, "", family=self.family.name)

    @cached_property
    def sequences(self) -> list[list[int]]:
        """Token ids that begin alike and go on unlike, at different lengths."""
        import torch

        draw = torch.Generator().manual_seed(0)
        length = min(ROOMY, self.model.context)
        rows = torch.randint(self.model.vocab_size, (4, length), generator=draw).tolist()
        shared = rows[0][:SHORT]
        return [shared + row[SHORT : length - 2 * n] for n, row in enumerate(rows)]

    def states(self, groups: Sequence[Sequence[Sequence[int]]], shared: int) -> list[Tensor]:
        """The state behind each sequence's last token, (D,), the groups computed in one pass."""
        import torch

        from gpteval.encode.batch import pack_trees
        from gpteval.tree import fold

        trees = [fold(group, shared) for group in groups]
        with torch.no_grad():
            hidden = self.model.hidden(pack_trees(trees))  # (N, D)
        ends, offset = [], 0
        for tree in trees:
            ends += [end + offset for end in tree.ends]
            offset += len(tree.tokens)
        return [hidden[end].float() for end in ends]

    def loss(self) -> Tensor:
        """What the model learns to make small, on some of the sequences, by its own functions."""
        import torch

        from gpteval.encode.batch import pack_trees
        from gpteval.tree import fold

        device = next(self.model.parameters()).device
        first, second, third, _ = (torch.tensor(row, device=device) for row in self.sequences)
        if self.family.objective == "sentences":
            model = cast("SentenceModel", self.model)
            scores = model.logits(model.decoded([first], [second], [third]))  # (P, V)
            targets = torch.cat([second[1:], third[1:]])  # (P,)
        else:
            tree = pack_trees([fold([self.sequences[0]])])
            scores = self.model.logits(self.model.hidden(tree))[:-1]  # (N - 1, V)
            targets = first[1:]
        return torch.nn.functional.cross_entropy(scores.float(), targets)

    def alone(self) -> list[Tensor]:
        """The state behind each sequence, computed by itself."""
        return [self.states([[sequence]], ROOMY)[0] for sequence in self.sequences]


def check_model(model: ModelFamily | str, reference: str = "") -> None:
    """Check that a model's numbers do not depend on how they are computed, and that it can learn.

    Args:
        model: The family, or its name.
        reference: A model of it, as `--model` names it; "" builds its smallest preset.

    Raises:
        ConformanceError: A line for every rule that is broken.
        UnknownNameError: No family of that name.
    """
    from gpteval.errors import UnknownNameError

    family = model
    if isinstance(family, str):
        families = registry().models()
        if family not in families:
            raise UnknownNameError("model family", family, families)
        family = families[family]
    insist(f"model family {family.name!r}", model_faults(family, reference))


def model_faults(family: ModelFamily, reference: str = "") -> list[str]:
    """A line for every rule that a family's model breaks; arguments as `check_model` has them."""
    return broken(ModelUnderTest(family, reference), RULES)


def is_sound(test: ModelUnderTest) -> str:
    """The family's fields are of their types, and a model can be had."""
    wrong = registry().fault("gpteval_register_models", test.family.name, test.family)
    return wrong or test.load()


def reads_from_left_to_right(test: ModelUnderTest) -> str:
    """It is causal, gives numbers, and has an embedding for every id of its tokenizer."""
    from gpteval.weights.probe import probe

    probe(test.loaded)
    return ""


def does_not_mind_shared_prefixes(test: ModelUnderTest) -> str:
    """A beginning that is computed once gives the states of sequences computed one by one."""
    return _apart(test.alone(), test.states([test.sequences], 1), "share a computed beginning")


def does_not_mind_the_batch(test: ModelUnderTest) -> str:
    """What else is in a batch changes nothing."""
    together = test.states([[sequence] for sequence in test.sequences], ROOMY)
    return _apart(test.alone(), together, "are computed in one batch")


def is_still_when_evaluated(test: ModelUnderTest) -> str:
    """In evaluation mode nothing is drawn at random, whatever dropout a recipe sets."""
    before = test.alone()
    test.model.dropout = 0.5
    return _apart(
        before, test.alone(), "are computed twice, with dropout set and evaluation mode on"
    )


def gives_every_weight_a_gradient(test: ModelUnderTest) -> str:
    """The loss of what it learns reaches every weight matrix, and is a number there."""
    model = test.model.train()
    model.dropout = 0.0
    test.loss().backward()
    model.eval()
    for name, weight in model.named_parameters():
        if weight.requires_grad and weight.ndim > 1:
            if weight.grad is None or not weight.grad.any():
                return f"no gradient reaches {name!r}: it can't be fine-tuned"
            if not weight.grad.isfinite().all():
                return f"the gradient of {name!r} is no number"
    model.zero_grad()
    return ""


def comes_back_as_it_was_saved(test: ModelUnderTest) -> str:
    """A checkpoint of it loads as the same model with the same tokenizer."""
    from gpteval.weights.load import load_as, save_model

    family = test.family
    if family.save is None and not family.presets:
        return ""  # no model of it is ever saved
    tokenizer, before = test.loaded.tokenizer, test.alone()
    with TemporaryDirectory() as place:
        directory = Path(place) / "model"
        save_model(directory, family.name, test.model, tokenizer)
        again = load_as(family.name, str(directory))
        test.model = again.model.eval()
        if again.tokenizer.encode([TEXT]) != tokenizer.encode([TEXT]):
            return "its tokenizer gives other ids after it was saved and loaded"
        return _apart(before, test.alone(), "come from what was saved and loaded")


def takes_new_tokens(test: ModelUnderTest) -> str:
    """Added tokens have the next ids, and everything else stays as it is."""
    before, size = test.alone(), test.model.vocab_size
    first = test.model.add_tokens(3)
    if (first, test.model.vocab_size) != (size, size + 3):
        return (
            f"add_tokens(3) of {size} gives {first} and a vocabulary of {test.model.vocab_size}: "
            f"{size} and {size + 3} are due"
        )
    return _apart(before, test.alone(), "are computed after tokens were added")


RULES = (
    is_sound,
    reads_from_left_to_right,
    does_not_mind_shared_prefixes,
    does_not_mind_the_batch,
    is_still_when_evaluated,
    gives_every_weight_a_gradient,
    comes_back_as_it_was_saved,
    takes_new_tokens,
)


def _apart(expected: list[Tensor], states: list[Tensor], when: str) -> str:
    """How far states are apart, where it is more than rounding."""
    import torch

    reference, other = torch.stack(expected), torch.stack(states)
    largest = reference.abs().max().clamp(min=1e-6)
    apart = float((reference - other).abs().max() / largest)
    if apart <= TOLERANCE:
        return ""
    return f"states change by {apart:.1e} of the largest when they {when}"
