"""Word vectors of a corpus: word2vec's skip-gram (Mikolov et al. 2013), as gensim computes it.

The corpus is split into words once, a line of the corpus a line of a temporary file, which gensim
reads by itself: what can't be read is told before the training begins, and memory holds the
vocabulary alone. One thread makes the same vectors each time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpteval.config import SEEDS, check, option
from gpteval.corpus.documents import Corpus, find_documents
from gpteval.errors import ConfigError, DataError
from gpteval.features.words import words_of
from gpteval.files import replacing, writing
from gpteval.paths import PathLike, user_path
from gpteval.progress import Progress, Silent

if TYPE_CHECKING:
    from gensim.models import KeyedVectors, Word2Vec

NEGATIVE = 5
"""Words drawn at random for every word that is met: 5 to 20 for small corpora (Mikolov et al.)."""
SUBSAMPLED = 1e-4
"""Share of the corpus above which a word is met less often than it stands there; around 1e-5 in
Mikolov et al., for corpora of billions of words."""
BINARY = ".bin"
"""Ending of word2vec's binary files; every other has a word and its numbers a line."""


@dataclass(frozen=True, slots=True)
class VectorsConfig:
    """How word vectors are trained."""

    width: int = option(300, "Numbers of a vector.", least=1, most=10_000)
    window: int = option(5, "Words on either side that a word is met with.", least=1, most=1000)
    least: int = option(5, "How often a word stands in the corpus at least.", least=1, most=10**9)
    epochs: int = option(5, "Passes over the corpus.", least=1, most=10**6)
    seed: int = option(0, "Seed of the first vectors and of what is drawn.", least=0, below=SEEDS)
    text_field: str = option("text", "Field of a JSONL line, or column of a row, with the text.")

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        check(self)


@dataclass(frozen=True, slots=True)
class Vectors:
    """What a training of word vectors left.

    Attributes:
        path: The file.
        words: How many have a vector.
        width: Numbers of each.
        tokens: Words of the corpus, each as often as it stands there.
    """

    path: Path
    words: int
    width: int
    tokens: int


def train_vectors(
    corpus: Sequence[PathLike],
    output: PathLike,
    config: VectorsConfig | None = None,
    *,
    progress: Progress | None = None,
) -> Vectors:
    """Train word vectors on a corpus, for `score_baselines`.

    Args:
        corpus: Files of text, JSONL or parquet, directories of them, hub data sets.
        output: File to write: in word2vec's binary format where it ends in .bin, else as text.
        config: The settings.
        progress: Told where it stands.

    Raises:
        ConfigError: gensim is not installed.
        DataError: The corpus can't be read, or no word stands in it often enough.
        ResultError: The file can't be written.
    """
    config, told, path = config or VectorsConfig(), progress or Silent(), user_path(output)
    _gensim()
    documents = find_documents(corpus, config.text_field, told)
    with writing(path), replacing(path) as partial, tempfile.TemporaryDirectory() as scratch:
        words = Path(scratch, "words")
        tokens = _split(documents, words, told)
        vectors = _trained(words, config, told)
        vectors.save_word2vec_format(str(partial), binary=path.suffix.lower() == BINARY)
    return Vectors(path, len(vectors.index_to_key), config.width, tokens)


def _gensim() -> Any:
    """Gensim's word2vec.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        from gensim.models import word2vec
    except ImportError as error:
        raise ConfigError(
            f"word vectors are trained by gensim, which can't be loaded ({error}): "
            "pip install 'gpteval[vectors]'"
        ) from None
    return word2vec


def _split(documents: Corpus, path: Path, progress: Progress) -> int:
    """Write the words of every line in small letters, and count them."""
    count = 0
    progress.begin("split into words", len(documents))
    with path.open("w", encoding="utf-8") as file:
        for _, _, chunks in documents.documents():
            for line in (line for chunk in chunks for line in chunk.splitlines()):
                words = words_of(line.lower())
                count += len(words)
                file.write(" ".join(words) + "\n")
            progress.advance(1)
    progress.end()
    return count


def _trained(words: Path, config: VectorsConfig, progress: Progress) -> KeyedVectors:
    """The vectors of a file of words.

    Raises:
        DataError: No word stands in it often enough.
    """
    model: Word2Vec = _gensim().Word2Vec(
        vector_size=config.width,
        window=config.window,
        min_count=config.least,
        sg=1,
        negative=NEGATIVE,
        sample=SUBSAMPLED,
        seed=config.seed,
        workers=1,
    )
    model.build_vocab(corpus_file=str(words))
    if not model.wv.index_to_key:
        raise DataError(
            f"no word stands {config.least} times in the corpus: give more text, or a lower --least"
        )
    progress.begin("word vectors", config.epochs)
    model.train(
        corpus_file=str(words),
        total_words=model.corpus_total_words,
        epochs=config.epochs,
        callbacks=[_passes(progress)],
    )
    progress.end()
    return model.wv


def _passes(progress: Progress) -> Any:
    """What gensim tells after every pass over the corpus."""
    from gensim.models.callbacks import CallbackAny2Vec

    class Passes(CallbackAny2Vec):  # type: ignore[misc]
        def on_epoch_end(self, model: Any) -> None:
            progress.advance(1)

    return Passes()
