"""Token ids of whole splits, kept on disk: the next run of a suite need not encode them again.

A file holds the ids of one list of texts by one tokenizer, and its name is the digest of both. Its
first line is the checksum of what follows: 32-bit little-endian numbers, the length of every text's
ids, then all ids. A file that is damaged counts as absent. Files lie in `$GPTEVAL_CACHE`, else
where the system keeps caches; one that was not used for 30 days is removed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate, chain, pairwise
from pathlib import Path

import numpy as np

from gpteval.errors import ConfigError
from gpteval.files import Checksum, remove, write_whole
from gpteval.model import Tokenizer
from gpteval.paths import user_path

logger = logging.getLogger(__name__)

VERSION = 2
"""Raised when a tokenizer here gives other ids for the same digest."""
VARIABLE = "GPTEVAL_CACHE"
FEWEST = 1000
"""Fewer texts are encoded before a file is found."""
KEPT = 30 * 24 * 3600
"""Seconds for which a file is kept that is not used."""
NUMBER = np.dtype("<i4")


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """What `tokenizer.encode(texts)` gives, from the cache where it was asked before.

    Without a directory that can be written it is encoded each time, and that is told once.
    """
    if len(texts) < FEWEST:
        return tokenizer.encode(texts)
    try:
        directory = cache_directory()
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, ConfigError) as error:
        tell(str(error))
        return tokenizer.encode(texts)
    path = directory / f"{_key(tokenizer, texts)}.ids"
    ids = _read(path, len(texts))
    if ids is None:
        ids = tokenizer.encode(texts)
        _write(path, ids)
    return ids


def cache_directory() -> Path:
    """Where the files lie; it need not be there.

    Raises:
        ConfigError: The variable holds no path.
    """
    if named := os.environ.get(VARIABLE):
        return user_path(named)
    from platformdirs import user_cache_path

    return user_cache_path("gpteval", appauthor=False)


def _key(tokenizer: Tokenizer, texts: Sequence[str]) -> str:
    """Digest of everything that decides the ids."""
    versions = [_version(name) for name in ("tokenizers", "transformers")]
    key = hashlib.sha256(repr([VERSION, tokenizer.digest, versions]).encode())
    key.update(np.fromiter(map(len, texts), "<i8", len(texts)).tobytes())
    key.update("".join(texts).encode("utf-8", "surrogatepass"))
    return key.hexdigest()


@cache
def _version(library: str) -> str | None:
    """None where it is not installed."""
    with suppress(PackageNotFoundError):
        return version(library)
    return None


def _read(path: Path, texts: int) -> list[list[int]] | None:
    """Ids of each text; None where the file is not there, or not whole."""
    try:
        checksum, _, content = path.read_bytes().partition(b"\n")
        if checksum != str(Checksum.of(content)).encode():
            return None
        os.utime(path)
    except OSError:
        return None
    numbers = np.frombuffer(content, NUMBER)
    ids = numbers[texts:].tolist()
    return [ids[a:b] for a, b in pairwise(accumulate(numbers[:texts].tolist(), initial=0))]


def _write(path: Path, ids: Sequence[Sequence[int]]) -> None:
    """Put a file in place at once, so that no other process ever reads a part of it."""
    lengths = np.fromiter(map(len, ids), NUMBER, len(ids))
    numbers = np.fromiter(chain.from_iterable(ids), NUMBER, int(lengths.sum()))
    checksum = f"{Checksum.of(lengths, numbers)}\n".encode()
    try:
        remove_unused(path.parent)
        write_whole(path, checksum + lengths.tobytes() + numbers.tobytes())
    except OSError as error:
        tell(str(error))


def remove_unused(directory: Path) -> None:
    """Remove the files of a cache that nobody has used for long."""
    oldest = time.time() - KEPT
    for path in chain.from_iterable(map(directory.glob, ("*.ids", "*.npy", "*.partial"))):
        with suppress(FileNotFoundError):  # another process removes them too
            if path.stat().st_mtime < oldest:
                remove(path)


@cache
def tell(reason: str) -> None:
    """Say it once, not for every split."""
    logger.warning(
        "texts are encoded again each time, what is made of them can't be kept (%s): make room, or "
        "name a directory in %s",
        reason,
        VARIABLE,
    )
