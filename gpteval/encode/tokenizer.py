"""GPT-1's byte-pair encoding, with three ways to split text into words before it.

`fast` is for models trained here: Unicode NFC, OpenAI's standard quotes and dashes, lower case with
accents kept, words and punctuation apart, all inside the `tokenizers` library. `openai` is what
OpenAI's weights were trained on: ftfy, `text_standardize` and spaCy's English rules
(openai/finetune-transformer-lm, `text_utils.py`). `bert` gives the ids of transformers' tokenizer
for the same weights, which strips accents and splits "don't" as `don ' t`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from gpteval.errors import CheckpointError, ConfigError
from gpteval.files import replacing

Splitting = Literal["fast", "bert", "openai"]

FILE = "tokenizer.json"
UNKNOWN = "<unk>"
SEPARATOR = "<eot>"
"""Begins and separates documents in pre-training here. OpenAI's vocabulary has no such token."""
WORD_END = "</w>"
UNSEEN = "\U00010380"
"""A letter of Ugaritic, which no vocabulary has."""
ALPHABET = 238
"""Characters kept in training, each also at a word's end: with the two tokens above 478 symbols, as
many as the paper's vocabulary has beside its merges."""

_SINGLE_QUOTES = "[\u2018\u2019\u201a\u201b\u00b4]"
_DOUBLE_QUOTES = "[\u201c\u201d\u201e\u201f]"
_DASHES = "[\u2013\u2014\u2015]"
_RUNS = re.compile(r"([-~!\";?+,)(/*\[\]}{|_])\1*")


class BpeTokenizer:
    """Byte-pair encoding over lower-cased words, unknown characters → id 0.

    Attributes:
        splitting: How text becomes words; kept in the file as the pipeline it is.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wrap a `tokenizers` pipeline that `of`, `train` or `load` made."""
        self._tokenizer = tokenizer
        self.splitting = _splitting(tokenizer)
        self.start: int | None = tokenizer.token_to_id(SEPARATOR)

    @classmethod
    def of(
        cls,
        vocabulary: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        splitting: Splitting = "fast",
    ) -> BpeTokenizer:
        """A tokenizer of a given vocabulary; `merges` in the order they were learned.

        Raises:
            CheckpointError: A merge makes or takes a symbol that the vocabulary lacks.
        """
        try:
            model = models.BPE(
                vocab=dict(vocabulary),
                merges=list(merges),
                unk_token=UNKNOWN,
                end_of_word_suffix=WORD_END,
            )
        except Exception as error:  # the library raises bare Exception
            raise CheckpointError(f"vocabulary and merges don't fit: {error}") from error
        return cls(_pipeline(model, splitting))

    @classmethod
    def train(cls, texts: Iterable[str], merges: int) -> BpeTokenizer:
        """Learn `merges` merges from texts, split the `fast` way (paper §4.1: 40,000 merges).

        The same texts give the same tokenizer.

        Args:
            texts: Read twice; an iterator is therefore kept in memory.
            merges: How many to learn; fewer if the texts have no more.
        """
        texts = list(texts) if isinstance(texts, Iterator) else texts
        tokenizer = _pipeline(models.BPE(unk_token=UNKNOWN, end_of_word_suffix=WORD_END), "fast")
        alphabet = _alphabet(texts, tokenizer.normalizer)
        trainer = trainers.BpeTrainer(
            vocab_size=1 + 2 * len(alphabet) + merges,
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
            # The library numbers word-end symbols, and so breaks ties, at random; not if given.
            special_tokens=[UNKNOWN, *(character + WORD_END for character in alphabet)],
            end_of_word_suffix=WORD_END,
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        learned = json.loads(tokenizer.to_str())["model"]
        symbols = list(learned["vocab"])[: 1 + 2 * len(alphabet)]
        kept = [(left, right) for left, right in learned["merges"][:merges]]
        tokens = dict.fromkeys([*symbols, *(left + right for left, right in kept), SEPARATOR])
        return cls.of({token: index for index, token in enumerate(tokens)}, kept)

    @classmethod
    def load(cls, directory: Path) -> BpeTokenizer:
        """Read `tokenizer.json` of a checkpoint.

        Raises:
            CheckpointError: It is missing or no tokenizer.
        """
        path = directory / FILE
        if not path.is_file():
            raise CheckpointError(f"{directory} has no {FILE}: a checkpoint carries its tokenizer")
        try:
            tokenizer = Tokenizer.from_file(str(path))
            tokenizer.encode(UNSEEN)  # finds out whether it can stand for what it has not seen
        except Exception as error:  # the library raises bare Exception
            raise CheckpointError(f"{path} is no readable tokenizer: {error}") from error
        ids = tokenizer.get_vocab().values()
        if set(ids) != set(range(len(ids))):
            raise CheckpointError(
                f"{path}: its {len(ids)} ids are not 0 to {len(ids) - 1}: get the file again"
            )
        return cls(tokenizer)

    def save(self, directory: Path) -> None:
        """Write `tokenizer.json`, in the format of the `tokenizers` library."""
        with replacing(directory / FILE) as partial:
            self._tokenizer.save(str(partial), pretty=False)

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return self._tokenizer.get_vocab_size()

    @property
    def tokens(self) -> list[str]:
        """The token of every id; the last of a word ends with `WORD_END`."""
        return [str(self._tokenizer.id_to_token(index)) for index in range(self.vocab_size)]

    @property
    def digest(self) -> str:
        """SHA-256 of the pipeline, and of the versions of ftfy and spaCy where they take part."""
        parts = [self._tokenizer.to_str()]
        if self.splitting == "openai":
            _english()
            parts += [version("ftfy"), version("spacy")]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text; whole batches run in parallel.

        Raises:
            ConfigError: The splitting is `openai` and ftfy or spaCy is not installed.
        """
        whole = self.splitting != "openai"
        batch = texts if whole else openai_words(texts)
        encodings = self._tokenizer.encode_batch_fast(
            list(batch), is_pretokenized=not whole, add_special_tokens=False
        )
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a run of ids: lower-cased words with single spaces."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=False).strip()

    def with_splitting(self, splitting: Splitting) -> BpeTokenizer:
        """The same vocabulary and merges behind another way to split."""
        return BpeTokenizer(_pipeline(self._tokenizer.model, splitting))


def standardize(text: str) -> str:
    """OpenAI's `text_standardize` ([C] text_utils.py): dashes, ellipses, spaced punctuation.

    As there, a backslash is left alone: its pattern reads as a second plus sign.
    """
    text = re.sub(_DASHES, "-", text).replace("…", "...").replace("´", "'")
    text = _RUNS.sub(r" \g<0> ", text)
    text = re.sub(r"\s*\n\s*", " \n ", text)
    return re.sub(r"[^\S\n]+", " ", text).strip()


def openai_words(texts: Iterable[str]) -> list[list[str]]:
    """Lower-cased words of each text as OpenAI's `TextEncoder.encode` has them before its BPE."""
    fix, split = _english()
    return [
        [word for chunk in standardize(fix(text)).split(" ") if chunk for word in split(chunk)]
        for text in texts
    ]


@cache
def _english() -> tuple[Callable[[str], str], Callable[[str], tuple[str, ...]]]:
    """ftfy, and spaCy's rules for one run of text between spaces.

    spaCy's rules never look across a space, so equal runs are split once: four times as fast.
    """
    try:
        from ftfy import fix_text
        from spacy.lang.en import English
    except ImportError as error:
        raise ConfigError(
            f"OpenAI's way of splitting text needs {error.name}, which is not installed: "
            "pip install 'gpteval[openai]', or use openai-gpt-bert"
        ) from error
    rules = English().tokenizer

    @lru_cache(maxsize=1 << 18)
    def split(chunk: str) -> tuple[str, ...]:
        return tuple(token.text.lower() for token in rules(chunk))

    return fix_text, split


def _pipeline(model: models.Model, splitting: Splitting) -> Tokenizer:
    """Normaliser, word splitting, BPE and decoder of one way to split."""
    tokenizer = Tokenizer(model)
    tokenizer.decoder = decoders.BPEDecoder(suffix=WORD_END)
    if splitting == "openai":
        return tokenizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if splitting == "bert":
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.add_special_tokens([UNKNOWN])
        return tokenizer
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex(_SINGLE_QUOTES), "'"),
            normalizers.Replace(Regex(_DOUBLE_QUOTES), '"'),
            normalizers.Replace(Regex(_DASHES), "-"),
            normalizers.Replace("…", "..."),
            normalizers.BertNormalizer(strip_accents=False, lowercase=True),
        ]
    )
    return tokenizer


def _alphabet(texts: Iterable[str], normalizer: normalizers.Normalizer) -> list[str]:
    """The most frequent characters of normalised texts, in code point order."""
    raw: Counter[str] = Counter()
    for text in texts:
        raw.update(text)
    counts: Counter[str] = Counter()
    for character, count in raw.items():
        counts.update(dict.fromkeys("".join(normalizer.normalize_str(character).split()), count))
    return sorted(sorted(counts, key=lambda c: (-counts[c], c))[:ALPHABET])


def _splitting(tokenizer: Tokenizer) -> Splitting:
    """Which of the three pipelines this is."""
    if tokenizer.pre_tokenizer is None:
        return "openai"
    return "bert" if isinstance(tokenizer.normalizer, normalizers.BertNormalizer) else "fast"
