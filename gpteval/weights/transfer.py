"""How much of the pre-trained model a fine-tuning begins with (paper §5, figure 2 left, table 5).

The embeddings and the first layers are kept, the rest is drawn afresh from the run's seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpteval.config import ALL, NOTHING
from gpteval.errors import ConfigError
from gpteval.plugins import registry

if TYPE_CHECKING:
    from gpteval.model import Loaded, Model


@dataclass(frozen=True, slots=True)
class Transfer:
    """What is kept of a pre-trained model.

    Attributes:
        layers: How many of its layers, beside the embeddings; 0: the embeddings alone, -1: nothing,
            None: everything.
    """

    layers: int | None = None

    @property
    def setting(self) -> dict[str, Any]:
        """What a result's key and configuration say of it; nothing where everything is kept."""
        if self.layers is None:
            return {}
        return {"pretraining": False} if self.layers < 0 else {"transfer_layers": self.layers}

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Transfer:
        """The one whose `setting` is in a result's configuration."""
        return cls(-1 if config.get("pretraining") is False else config.get("transfer_layers"))

    @property
    def label(self) -> str:
        """In words, for reports; empty where everything is kept."""
        if self.layers is None:
            return ""
        if self.layers < 1:
            return "no pre-training" if self.layers else "embeddings only"
        return f"{self.layers} layer{'s' if self.layers > 1 else ''}"

    def model(self, loaded: Loaded) -> Model:
        """A copy of the loaded model with what is kept; the rest from torch's random state."""
        if self.layers is None:
            return deepcopy(loaded.model)
        build, layer = _parts(loaded)
        fresh = build(loaded.model.config())
        weights = loaded.model.state_dict()
        kept = {name: w for name, w in weights.items() if layer(name) <= self.layers}
        fresh.load_state_dict(kept, strict=False)
        return fresh


EVERYTHING = Transfer()


def transfers(text: str, loaded: Loaded) -> list[Transfer]:
    """What `--transfer-layers` says of a model: "all", "none", "0..4", "0,2,all".

    Raises:
        ConfigError: More layers than it has, or a family that can't begin afresh.
    """
    if text == ALL:
        return [EVERYTHING]
    total = layer_count(loaded)
    named = {NOTHING: -1, ALL: total}
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("..")
        low, high = (named[end] if end in named else int(end) for end in (first, last or first))
        if not low <= high <= total:
            raise ConfigError(
                f"--transfer-layers {text}: {loaded.reference} has {total} layers, so numbers "
                f"from 0 to {total}, rising"
            )
        numbers += range(low, high + 1)
    return [Transfer(None if n == total else n) for n in dict.fromkeys(numbers)]


def layer_count(loaded: Loaded) -> int:
    """How many layers a model has above its embeddings.

    Raises:
        ConfigError: Its family can't begin afresh, or doesn't tell layers apart.
    """
    _, layer = _parts(loaded)
    return max(layer(name) for name in loaded.model.state_dict())


def layers_of(loaded: Loaded) -> Callable[[str], int] | None:
    """Name of a weight of a model → its layer; None where its family doesn't tell them apart."""
    family = registry().models().get(loaded.family)
    return family.layer if family else None


def _parts(loaded: Loaded) -> tuple[Callable[[Mapping[str, Any]], Model], Callable[[str], int]]:
    """What builds a model's family, and the layer of a weight."""
    family = registry().models().get(loaded.family)
    if family is None or family.build is None or family.layer is None:
        raise ConfigError(
            f"{loaded.reference} can't be built with fresh weights (family {loaded.family!r}), as "
            "--transfer-layers and --no-pretraining need: take mini, openai-gpt or a model that "
            "gpteval pretrain wrote"
        )
    return family.build, family.layer
