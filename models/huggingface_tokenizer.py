"""A tokenizer of transformers, read as one of ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpteval import CheckpointError

SEPARATOR = "<|endoftext|>"


class HuggingFaceTokenizer:
    """A tokenizer of transformers that adds no token of its own.

    Attributes:
        start: What it would put before a text, else `<|endoftext|>`, else its bos, else None.
    """

    def __init__(self, tokenizer: Any, embeddings: int) -> None:
        """`embeddings` is how many the model has: ids from there on can't be read."""
        self._tokenizer, self._embeddings = tokenizer, embeddings
        self.start: int | None = _start(tokenizer)

    @property
    def vocab_size(self) -> int:
        """Number of ids that a text may have."""
        return min(len(self._tokenizer), self._embeddings)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the pipeline and of all files that transformers would write of it."""
        total = hashlib.sha256(type(self._tokenizer).__name__.encode())
        with TemporaryDirectory() as directory:
            self._tokenizer.save_pretrained(directory)
            for path in sorted(p for p in Path(directory).rglob("*") if p.is_file()):
                content = path.read_bytes()
                if path.name == "tokenizer_config.json":
                    content = _without_origin(content)
                total.update(path.name.encode() + b"\0" + hashlib.sha256(content).digest())
        return total.hexdigest()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text; whole batches run in parallel.

        What looks like a control token in a text ("[PAD]") is text.

        Raises:
            CheckpointError: A token of the tokenizer has no embedding in the model.
        """
        if not texts:
            return []
        encoded = self._tokenizer(
            list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False
        )
        ids: list[list[int]] = encoded["input_ids"]
        if len(self._tokenizer) > self._embeddings:
            self._check(ids)
        return ids

    def _check(self, ids: Sequence[Sequence[int]]) -> None:
        highest = max((max(own) for own in ids if own), default=0)
        if highest >= self._embeddings:
            raise CheckpointError(
                f"the tokenizer has a token {self.decode([highest])!r} of id {highest}, and the "
                f"model {self._embeddings} embeddings: resize the model, or take its own tokenizer"
            )

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a run of ids."""
        return str(self._tokenizer.decode(list(ids)))

    def save(self, directory: Path) -> None:
        """Write transformers' tokenizer files."""
        self._tokenizer.save_pretrained(directory)


def _without_origin(content: bytes) -> bytes:
    """A tokenizer's configuration without where it was read and by which version."""
    config = json.loads(content)
    for name in ("name_or_path", "transformers_version", "is_local", "local_files_only"):
        config.pop(name, None)
    return json.dumps(config, sort_keys=True).encode()


def _start(tokenizer: Any) -> int | None:
    text = _readable(tokenizer)
    bare = tokenizer(text, add_special_tokens=False)["input_ids"]
    full = tokenizer(text)["input_ids"]
    if full[: len(bare)] != bare:
        return int(full[0])
    start: int | None = tokenizer.get_vocab().get(SEPARATOR, tokenizer.bos_token_id)
    return start


def _readable(tokenizer: Any) -> str:
    """A text that it has ids for; one without a token for what it doesn't know may not read "a".

    Raises:
        CheckpointError: It reads none of its own tokens.
    """
    for text in ("a", *tokenizer.get_vocab()):
        with suppress(Exception):  # `tokenizers` raises bare ones
            asked = {"add_special_tokens": False, "split_special_tokens": True}
            if tokenizer(text, **asked)["input_ids"]:
                return str(text)
    raise CheckpointError("its tokenizer gives no ids, not even for its own tokens: take another")
