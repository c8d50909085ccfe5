"""Which runs of a corpus an update reads: windows side by side, in a fresh order every epoch.

The batch of an update follows from the seed and its number alone. Nothing of it is saved, and it is
the same for any number of processes.

Shape letters: S windows of L + 1 tokens.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gpteval.config import PretrainConfig
from gpteval.corpus.tokens import TokenFile
from gpteval.errors import TrainingError

SHOWN = 5
"""Windows named in a message."""


class Windows:
    """The batches of a training on one token file.

    Attributes:
        per_epoch: Windows of one pass over the corpus. An epoch's first window begins at a random
            token, so that the cuts between windows fall elsewhere each time; what lies outside is
            less than two windows.
    """

    def __init__(self, data: TokenFile, config: PretrainConfig) -> None:
        """Nothing is read before it is asked for.

        Raises:
            TrainingError: The corpus is shorter than one sequence.
        """
        if len(data.tokens) <= config.context:
            raise TrainingError(
                f"the corpus has {len(data.tokens)} tokens, fewer than a sequence of "
                f"{config.context} and the token after it: add text, or lower --context"
            )
        self.data, self.config = data, config
        self.per_epoch = max(1, (len(data.tokens) - config.context) // config.context)
        self._epoch = lru_cache(maxsize=2)(self._drawn)

    def starts(self, update: int) -> np.ndarray:
        """Where the windows of an update (from 1) begin in the token file, (S,)."""
        size = self.config.batch_size
        wanted = (update - 1) * size + np.arange(size)
        epochs, places = np.divmod(wanted, self.per_epoch)
        return np.array([self._epoch(int(e))[p] for e, p in zip(epochs, places, strict=True)])

    def read(self, starts: np.ndarray) -> Tensor:
        """Their tokens and the one after each, (S, L + 1)."""
        run = np.arange(self.config.context + 1)
        return torch.from_numpy(self.data.tokens[starts[:, None] + run].astype("int64"))

    def places(self, starts: np.ndarray) -> str:
        """Where windows lie, in words: "token 17 of 0.txt"; the first few."""
        documents = self.data.documents
        names = []
        for start in starts[:SHOWN].tolist():
            document = documents[bisect_right(documents, start, key=lambda d: d.start) - 1]
            names.append(f"token {start - document.start} of {document.name}")
        more = len(starts) - len(names)
        return ", ".join(names) + (f" and {more} more" if more else "")

    def _drawn(self, epoch: int) -> np.ndarray:
        """Starts of all windows of one epoch in the order they are read, (per_epoch,)."""
        draw = np.random.default_rng([self.config.seed, epoch])
        length = self.config.context
        offset = draw.integers(len(self.data.tokens) - self.per_epoch * length)
        starts: np.ndarray = offset + length * draw.permutation(self.per_epoch)
        return starts
