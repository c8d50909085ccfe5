"""A tokenizer of transformers, read as one of ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SEPARATOR = "<|endoftext|>"


class HuggingFaceTokenizer:
    """A tokenizer of transformers that adds no token of its own.

    Attributes:
        start: What it would put before a text, else `<|endoftext|>`, else its bos, else None.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.start: int | None = _start(tokenizer)

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return len(self._tokenizer)

    @property
    def digest(self) -> str:
        """SHA-256 of the pipeline, or of the vocabulary where the pipeline is Python."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        vocabulary = [type(self._tokenizer).__name__, sorted(self._tokenizer.get_vocab().items())]
        text = backend.to_str() if backend is not None else json.dumps(vocabulary)
        return hashlib.sha256(text.encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text; whole batches run in parallel."""
        if not texts:
            return []
        encoded = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a run of ids."""
        return str(self._tokenizer.decode(list(ids)))

    def save(self, directory: Path) -> None:
        """Write transformers' tokenizer files."""
        self._tokenizer.save_pretrained(directory)


def _start(tokenizer: Any) -> int | None:
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    if full[: len(bare)] != bare:
        return int(full[0])
    start: int | None = tokenizer.get_vocab().get(SEPARATOR, tokenizer.bos_token_id)
    return start
