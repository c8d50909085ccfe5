"""Any causal language model of transformers, read as one of ours: `hf:<id, directory or GGUF>`.

Trees are read whole where the model shows at loading that it takes them: by our attention over
spans (`attention.py`), else by its own under a mask, else unfolded into rows (`rows.py`). Only
safetensors and GGUF are read, and no remote code is run.

Shape letters: N tokens of all trees, D width, V vocabulary, R rows of T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from gpteval import CheckpointError, ConfigError, Loaded, weights_digest
from gpteval_models.dropout import Dropout
from gpteval_models.gguf import LOCAL, converted
from gpteval_models.hub import snapshot
from gpteval_models.huggingface_tokenizer import HuggingFaceTokenizer
from gpteval_models.output import find_output, first_line, own_logits
from gpteval_models.packed import arrange
from gpteval_models.rows import (
    TREE_TOKENS,
    beyond,
    groups,
    leaf_paths,
    reading,
    switching_length,
    tree_mask,
    whole_trees,
)
from gpteval_models.windows import layer_masks, window

if TYPE_CHECKING:
    from gpteval import Model, Span, Trees

HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
TOLERANCE = 1e-4


class HuggingFaceModel(nn.Module):
    """A causal language model of transformers over packed token trees.

    Attributes:
        lm: The model, fp32.
        width, context: D, and the longest path in tokens.
        reading: How trees are read: one of `READINGS`, unfolded until another was found to do.
        limit: Tokens of the longest tree that is read whole, where windows set one; 0: any.
        plain: Whether its scores are those of its output layer, not scaled or capped after it.
        every_layer: Whether states of every layer are read, (N, layers + 1, D), not final ones.
    """

    def __init__(self, lm: Any, source: str) -> None:
        super().__init__()
        self.lm, self._source = lm, source
        self.reading, self.plain, self.every_layer = "unfolded", True, False
        shape = lm.config.get_text_config()
        self.width: int = lm.get_input_embeddings().weight.shape[1]
        self.context = _context(shape)
        self._switch, self.limit = switching_length(shape), window(shape)

    @property
    def vocab_size(self) -> int:
        """Number of embeddings, V; at least the tokenizer's ids."""
        return len(self.lm.get_input_embeddings().weight)

    @property
    def dropout(self) -> float:
        """Largest dropout rate of any layer; setting it sets all."""
        return max((m.p for m in self.modules() if isinstance(m, nn.Dropout)), default=0.0)

    @dropout.setter
    def dropout(self, rate: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = rate
            elif isinstance(getattr(module, "attention_dropout", None), float):
                setattr(module, "attention_dropout", rate)  # noqa: B010 (of no declared type)

    def hidden(self, trees: Trees) -> Tensor:
        """Final hidden states of every token, (N, D)."""
        return self.read(trees.tokens, trees.positions, trees.spans)

    def states(self, trees: Trees) -> list[Tensor]:
        """What transformers calls hidden states, of every token: its embedding, then by layer."""
        self.every_layer = True
        try:
            return list(self.read(trees.tokens, trees.positions, trees.spans).unbind(1))
        finally:
            self.every_layer = False

    def _call(self, **inputs: Any) -> Tensor:
        """Final hidden states of rows, (R, T, D); of every layer, (R, T, layers + 1, D)."""
        every = self.every_layer
        output = self.lm.base_model(use_cache=False, output_hidden_states=every, **inputs)
        states: Tensor = output.last_hidden_state
        return torch.stack(output.hidden_states, dim=2) if every else states

    def read(self, tokens: Tensor, positions: Tensor, spans: Sequence[Span]) -> Tensor:
        """Final hidden states of some trees' (N,) tokens, in the way `reading` names, (N, D)."""
        if self.reading == "unfolded" or beyond(spans, self.limit):
            return self.unfolded(tokens, spans)
        whole = self.spans if self.reading == "spans" else self.masked
        return whole(tokens, positions, spans)

    def spans(self, tokens: Tensor, positions: Tensor, spans: Sequence[Span]) -> Tensor:
        """Final hidden states of some trees' (N,) tokens, by our attention over spans, (N, D)."""
        arranged = arrange(spans, tokens.device)
        states = self._call(
            input_ids=arranged.sort(tokens)[None],
            position_ids=arranged.sort(positions)[None],
            # Of the shape of a mask that is ready, so that the model makes none; it is not read.
            attention_mask=torch.zeros(1, 1, 1, 1, device=tokens.device),
            spans=arranged,
            masks=Dropout(self.dropout if self.training else 0.0),
        )
        return arranged.unsort(states[0])

    def one_call_layers(self) -> Iterator[nn.Module]:
        """Layers that compute the same operations whatever the batch: all under our attention."""
        blocks = getattr(self.lm, "_no_split_modules", None) or ()
        if self.reading == "spans":
            yield from (m for m in self.lm.base_model.modules() if type(m).__name__ in blocks)

    def masked(self, tokens: Tensor, positions: Tensor, spans: Sequence[Span]) -> Tensor:
        """Final hidden states of some trees' (N,) tokens, trees read under a mask, (N, D)."""
        shape = self.lm.config.get_text_config()
        most = TREE_TOKENS[tokens.device.type]
        states = []
        for trees in whole_trees(spans, min(most, self.limit or most)):
            here = slice(trees[0].start, trees[-1].stop)
            mask = tree_mask(trees).to(tokens.device, self.lm.dtype)  # (T, T)
            whole = self.limit or not window(shape)
            masks = mask[None, None] if whole else layer_masks(mask, positions[here], shape)
            read = self._call(
                input_ids=tokens[None, here],
                position_ids=positions[None, here],
                attention_mask=masks,
            )
            states.append(read[0])
        return torch.cat(states)

    def unfolded(self, tokens: Tensor, spans: Sequence[Span]) -> Tensor:
        """Final hidden states of some trees' (N,) tokens, each path read as a row, (N, D)."""
        paths = sorted(leaf_paths(spans), key=len)
        on_device = (path.to(tokens.device) for path in paths)
        rows = [tokens[path] for path in on_device]
        states = [self.rows(group) for group in groups(rows, self._switch)]
        # A shared token is computed in several rows, alike in each: its first copy is read.
        order = torch.cat(paths)
        place = torch.zeros(len(tokens), dtype=torch.long)
        copies = torch.arange(len(order))
        place.scatter_reduce_(0, order, copies, "amin", include_self=False)
        return torch.cat(states).index_select(0, place.to(tokens.device))

    def rows(self, rows: Sequence[Tensor]) -> Tensor:
        """Final hidden states of token sequences, one after another, (sum of their lengths, D)."""
        tokens = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)  # (R, T)
        lengths = torch.tensor([len(row) for row in rows], device=tokens.device)
        mask = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        return self._call(input_ids=tokens, attention_mask=mask.long())[mask]

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every next token, (..., D) → (..., V)."""
        if not self.plain:
            return own_logits(self.lm, hidden)
        scores: Tensor = self.lm.get_output_embeddings()(hidden)
        return scores

    def add_tokens(self, count: int) -> int:
        """Append `count` embeddings spread as the model's own; return the id of the first.

        At GPT-1's scale, 0.02, one draw in seven made SmolLM2 take the token that is read at the
        end for the first of a text, with activations thirty times as large, and learn little of any
        task (benchmarks/fresh_tokens.py).
        """
        first = self.vocab_size
        self.lm.resize_token_embeddings(first + count, mean_resizing=False)
        for layer in (self.lm.get_input_embeddings(), self.lm.get_output_embeddings()):
            own, fresh = layer.weight.data[:first], layer.weight.data[first:]
            fresh.normal_().mul_(own.std(0)).add_(own.mean(0))
        return first

    def config(self) -> Mapping[str, Any]:
        """Where the model came from: its shape is read there again."""
        return {"source": self._source}


def load_huggingface(reference: str, source: str) -> Loaded:
    """Load a model and its tokenizer through transformers.

    Args:
        reference: What the user asked for.
        source: A directory, a GGUF file, or an id of the hub.

    Raises:
        ConfigError: transformers, or what it needs for this model, is not installed.
        CheckpointError: Nothing there, weights only as pickle, or a model that is not causal.
    """
    directory, gguf = _locate(source)
    try:
        with _quiet():
            if gguf:
                directory = converted(directory / gguf)
            lm, report, tokenizer = _read(directory)
    except ImportError as error:
        raise ConfigError(
            f"{reference} needs {error.name or 'a package'} ({first_line(error)}): "
            "pip install 'gpteval[hf]'"
        ) from error
    except Exception as error:  # transformers raises whatever its parsers raise
        raise CheckpointError(f"transformers can't load {source}: {first_line(error)}") from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise CheckpointError(
            f"{source} lacks {len(missing)} tensors of its model ({', '.join(missing[:3])})"
        )
    unused = len(report["unexpected_keys"])
    return _identify(reference, HuggingFaceModel(lm.eval(), source), tokenizer, unused)


def _read(directory: Path) -> tuple[Any, dict[str, Any], Any]:
    """Model, loading report and tokenizer of a local directory."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    lm, report = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **LOCAL
    )
    return lm, report, AutoTokenizer.from_pretrained(directory, **LOCAL)


def build(config: Mapping[str, Any]) -> HuggingFaceModel:
    """The shape of a model that was loaded, with fresh weights as transformers draws them.

    Args:
        config: What `HuggingFaceModel.config` says.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    directory, gguf = _locate(config["source"])
    with _quiet():
        if gguf:
            directory = converted(directory / gguf)
        shape = AutoConfig.from_pretrained(directory, **LOCAL)
        lm = AutoModelForCausalLM.from_config(shape, dtype=torch.float32, trust_remote_code=False)
    model = HuggingFaceModel(lm.eval(), config["source"])
    model.reading = reading(model, TOLERANCE)
    return model


def save(model: Any, tokenizer: Any, directory: Path) -> None:
    """Write a model and its tokenizer as transformers does.

    Args:
        model: A `HuggingFaceModel`.
        tokenizer: Its `HuggingFaceTokenizer`.
        directory: Where they go.
    """
    with _quiet():
        model.lm.save_pretrained(directory)
    tokenizer.save(directory)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and loading reports: errors here are one line."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


def _identify(reference: str, model: HuggingFaceModel, tokenizer: Any, unused: int) -> Loaded:
    find_output(model, TOLERANCE)
    model.reading = reading(model, TOLERANCE)
    adapted = HuggingFaceTokenizer(tokenizer, model.vocab_size)
    return Loaded(
        model=cast("Model", model),
        tokenizer=adapted,
        reference=reference,
        digest=weights_digest(cast("Model", model), adapted, _decisive(model.lm.config)),
        details={
            "parameters": sum(p.numel() for p in model.parameters()),
            "architecture": type(model.lm).__name__,
            "unused_tensors": unused,
            "trees": model.reading,
        },
    )


def _decisive(config: Any) -> dict[str, Any]:
    """What a configuration of transformers says of the computation, not of where it came from.

    Of a model with windows also that they are kept along paths: GPT-Neo's were not always.
    """
    whence = ("transformers_version", "architectures", "dtype", "torch_dtype")
    said = {k: v for k, v in config.to_dict().items() if k not in whence and k[0] != "_"}
    return said | ({"_windows": "paths"} if window(config.get_text_config()) else {})


def _locate(source: str) -> tuple[Path, str]:
    """The directory to read, and the name of the GGUF file in it or ""."""
    path = Path(source)
    if path.suffix.lower() == ".gguf" and path.is_file():
        return path.parent, path.name
    if not path.is_dir():
        if path.is_absolute() or source.startswith(".") or source.count("/") > 1:
            raise CheckpointError(f"no such directory: {source}")
        path = snapshot(source, HUB_FILES)
    names = sorted(p.name for p in path.glob("*.gguf"))
    if any(path.glob("*.safetensors")):
        return path, ""
    if len(names) == 1:
        return path, names[0]
    if names:
        raise CheckpointError(f"{source} has {len(names)} GGUF files: name one ({names[0]}, …)")
    raise CheckpointError(f"{source} has no safetensors and no GGUF file; pickles are never read")


def _context(shape: Any) -> int:
    """The longest path in tokens.

    Raises:
        CheckpointError: The configuration does not say (Bloom, MPT, Mamba).
    """
    for name in ("max_position_embeddings", "n_positions"):
        if getattr(shape, name, None):
            return int(getattr(shape, name))
    raise CheckpointError(
        f"the configuration of this {shape.model_type} model does not say how many tokens it "
        'reads: add "max_position_embeddings" to its config.json'
    )
