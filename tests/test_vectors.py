"""Word vectors: what files say, and what becomes of texts, beside gensim and plain NumPy."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fabricated import task
from sklearn.preprocessing import StandardScaler
from test_tfidf import sample

import gpteval
from gpteval import ConfigError, DataError, Example
from gpteval.features.bags import SMOOTHING, BagFeatures, wanted_words
from gpteval.features.vector_files import WIDEST, WordVectors, read_vectors
from gpteval.features.words import words_of
from gpteval.methods.baseline import with_vectors
from gpteval.methods.linear_model import LinearModel
from gpteval.score.metrics import score

WORDS = ("the", "dog", "cat", "naïve", "don't", "Paris")
WANTED = frozenset(WORDS)


def drawn(words: tuple[str, ...] = WORDS, width: int = 5) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {word: draw.normal(size=width).astype(np.float32) for word in words}


def vectors(words: tuple[str, ...] = WORDS, width: int = 5) -> WordVectors:
    made = drawn(words, width)
    return WordVectors({word: row for row, word in enumerate(made)}, np.stack(list(made.values())))


def told(read: WordVectors) -> dict[str, list[float]]:
    return {word: read.matrix[row].tolist() for word, row in read.rows.items()}


@pytest.mark.parametrize("binary", [False, True])
def test_a_file_is_read_as_gensim_reads_it(binary: bool, tmp_path: Path) -> None:
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    written = keyed(5)
    written.add_vectors(list(WORDS), np.stack(list(drawn().values())))
    written.save_word2vec_format(str(tmp_path / "v"), binary=binary)
    theirs = keyed.load_word2vec_format(str(tmp_path / "v"), binary=binary)
    assert told(read_vectors(tmp_path / "v", WANTED)) == {w: theirs[w].tolist() for w in WORDS}
    assert told(read_vectors(tmp_path / "v", frozenset({"dog", "x"}))) == {
        "dog": theirs["dog"].tolist()
    }


def test_gloves_text_has_no_header_and_may_have_blanks_in_a_word(tmp_path: Path) -> None:
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    lines = [f"{word} {' '.join(map(str, v.tolist()))}" for word, v in drawn().items()]
    path = tmp_path / "glove.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    theirs = keyed.load_word2vec_format(str(path), no_header=True)
    assert told(read_vectors(path, WANTED)) == {w: theirs[w].tolist() for w in WORDS}
    path.write_text("\n".join([lines[0], f". . . {lines[1][4:]}", *lines[2:]]), encoding="utf-8")
    assert set(read_vectors(path, WANTED | {". . ."}).rows) == {*WORDS, ". . ."} - {"dog"}


def test_fasttexts_lines_end_in_a_blank_and_a_file_may_be_packed(tmp_path: Path) -> None:
    lines = [f"{word} {' '.join(map(str, v.tolist()))} \n" for word, v in drawn().items()]
    content = f"{len(lines)} 5\n{''.join(lines)}".encode()
    (tmp_path / "v.vec.gz").write_bytes(gzip.compress(content))
    assert told(read_vectors(tmp_path / "v.vec.gz", WANTED)) == told(vectors())


def number(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


GOOD = b"the 1 2 3\ndog 4 5 6\n"
BAD = {
    "empty": (b"", r":1: no word vectors, an empty line: get the file again"),
    "one blank line": (b"\n", r":1: no word vectors"),
    "a line too narrow": (GOOD + b"cat 7 8\n", r":3: 2 numbers where 3 are due: get"),
    "a line too wide": (GOOD + b"cat 7 8 9 10\n", r":3: 4 numbers where 3 are due"),
    "an empty line": (GOOD + b"\ncat 7 8 9\n", r":3: 0 numbers where 3 are due"),
    "a line without its word": (b"2 3\nthe 1 2 3\n4 5 6\n", r":3: 2 numbers where 3 are due"),
    "a header of another width": (b"2 4\n" + GOOD, r":2: 3 numbers where 4 are due"),
    "a header of more words": (b"3 3\n" + GOOD, r":1: says that there are 3 words.* are 2: get"),
    "a header of fewer words": (b"1 3\n" + GOOD, r":1: says that there are 1 words.* are 2"),
    "10 GB declared": (b"9000000 300\n" + GOOD, r":2: 3 numbers where 300 are due"),
    "10 GB declared, binary": (
        b"9000000 300\nthe " + number(*range(300)),
        r":1: says that there are 9,000,000 words, and there are 1: get the file again",
    ),
    "a width beyond all": (b"2 99999999999\n" + GOOD, rf":1: says 99999999999 .* 1 to {WIDEST}"),
    "not UTF-8": (GOOD + "naïve 7 8 9\n".encode("latin-1"), r":3: byte 0xef is not UTF-8: conv"),
    "no number": (GOOD + b"cat 7 x 9\n", r":3: 'x' where a number is due"),
    "NaN": (GOOD + b"cat 7 nan 9\n", r":3: number 2 is nan, not finite: remove that word"),
    "a word twice": (GOOD + b"the 7 8 9\n", r":3: 'the' has a vector before, at .*:1: remove one"),
    "prose": (b"It was a day.\nIt was a night.\n", r":1: neither a number of words and a width"),
    "another binary": (bytes(range(256)) * 9, r":1: neither a number of words and a width"),
    "binary, cut within numbers": (
        b"2 3\nthe " + number(1, 2, 3) + b"\ndog " + number(4),
        r": vector 2 of 2: the file ends within it: get the file again",
    ),
    "binary, cut within a word": (
        b"2 3\nthe " + number(1, 2, 3) + b"\ndo",
        r": vector 2 of 2: the file ends within it",
    ),
    "binary, not UTF-8": (
        b"1 3\n\xff\xfe " + number(1, 2, 3),
        r": vector 1 of 1: byte 0xff of its word is not UTF-8",
    ),
    "binary, infinite": (
        b"1 3\nthe " + number(1, 2, np.inf),
        r": vector 1 of 1: number 3 is inf, not finite",
    ),
    "binary, a word twice": (
        b"2 3\nthe " + number(1, 2, 3) + b"the " + number(1, 2, 3),
        r": vector 2 of 2: 'the' has a vector before, at .* vector 1 of 2: remove one",
    ),
    "no gzip": (b"the 1 2 3\n", r" is not a whole gzip file .*: fetch it again"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_ends_in_one_line_that_names_the_place(fault: str, tmp_path: Path) -> None:
    content, expected = BAD[fault]
    path = tmp_path / ("bad.gz" if fault == "no gzip" else "bad")
    path.write_bytes(content)
    with pytest.raises(DataError, match=expected) as raised:
        read_vectors(path, frozenset({"the", "dog", "cat", "naïve"}))
    assert str(raised.value).startswith(str(path)) and "\n" not in str(raised.value)
    with pytest.raises(ConfigError, match=f"^--vectors .*{expected}"):
        gpteval.score_baselines("copa", sample=True, results=tmp_path / "r", vectors=path)


def test_what_is_not_there_is_told_before_anything_is_fitted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--vectors .*none.vec can't be read"):
        gpteval.score_baselines(
            "copa", sample=True, results=tmp_path, vectors=[tmp_path / "none.vec"]
        )
    assert not (tmp_path / "records.jsonl").exists()


def mean_by_hand(text: str, given: dict[str, np.ndarray], weight: dict[str, float]) -> np.ndarray:
    """A word as it is written, else in small letters, else not at all."""
    known = [w if w in given else w.lower() for w in words_of(text)]
    rows = [weight[w] * given[w].astype(float) for w in known if w in given]
    return sum(rows, np.zeros(5)) / max(1, len(rows))


def by_hand(train: list[str], texts: list[str], sif: bool) -> np.ndarray:
    """Arora et al.'s algorithm 1, with loops; frequencies and direction of the training texts."""
    given = drawn()
    distinct = list(dict.fromkeys(train))
    every = [w for text in distinct for w in words_of(text)]
    counts = Counter(w if w in given else w.lower() for w in every)
    weight = {w: SMOOTHING / (SMOOTHING + counts[w] / len(every)) if sif else 1.0 for w in given}
    rows = np.array([mean_by_hand(text, given, weight) for text in texts])
    if sif:
        _, _, right = np.linalg.svd(np.array([mean_by_hand(t, given, weight) for t in distinct]))
        rows -= np.outer(rows @ right[0], right[0])
    return rows


TEXTS = ["The dog", "the cat the DOG", "Paris, the naïve", "paris", "?", "dog dog cat", "the dog"]


@pytest.mark.parametrize("smoothing", [None, SMOOTHING])
def test_a_text_is_the_mean_of_its_words_and_sif_as_by_hand(smoothing: float | None) -> None:
    made = task("accuracy")
    examples = [Example.single({"id": str(i), "label": "no"}, t) for i, t in enumerate(TEXTS)]
    features = BagFeatures(made, vectors(), smoothing=smoothing)
    fitted = features.fit(examples[:5])
    expected = by_hand(TEXTS[:5], TEXTS, smoothing is not None)
    scaler = StandardScaler().fit(expected[:5])
    assert np.allclose(features.columns(examples), scaler.transform(expected) / 5**0.5)
    assert np.allclose(fitted, features.columns(examples[:5]))


def test_a_pair_is_its_four_blocks_and_two_orders_are_their_mean() -> None:
    made = task("accuracy")
    rows = [{"id": str(i), "label": "no"} for i in range(3)]
    first, second = TEXTS[:3], TEXTS[3:6]
    pairs = [Example.pair(row, a, b) for row, a, b in zip(rows, first, second, strict=True)]
    both = [Example.unordered(row, a, b) for row, a, b in zip(rows, first, second, strict=True)]
    u, v = (by_hand([], texts, sif=False) for texts in (first, second))
    ordered = np.hstack([u, v, abs(u - v), u * v])
    mean = np.hstack([(u + v) / 2, (u + v) / 2, abs(u - v), u * v])
    for examples, expected in ((pairs, ordered), (both, mean)):
        columns = BagFeatures(made, vectors()).fit(examples)
        assert np.allclose(columns, StandardScaler().fit_transform(expected) / 20**0.5)


def test_what_all_answers_share_has_no_block_of_its_own() -> None:
    rows = [{"id": str(i), "label": 0} for i in range(2)]
    examples = [Example.choice(row, "the dog", ("Paris", "cat")) for row in rows]
    columns = BagFeatures(task("accuracy", kind="choose"), vectors()).fit(examples)
    assert columns.shape == (4, 20)
    assert (columns[:, :5] == 0).all() and (columns[:, 5:] != 0).any()


def test_a_scored_text_changes_no_other() -> None:
    made, examples = sample("sst2", "train", 40)
    words = tuple(sorted(wanted_words(made, examples)))
    features = BagFeatures(made, vectors(words), smoothing=SMOOTHING)
    features.fit(examples[:20])
    assert np.allclose(features.columns(examples[20:])[3:], features.columns(examples[23:]))


def test_meaning_tells_where_words_were_never_met() -> None:
    """Two hundred words that mean good or bad; training meets one half, the test the other."""
    draw = np.random.default_rng(0)
    words = [f"word{number}" for number in range(200)]
    means = WordVectors(
        {word: row for row, word in enumerate(words)},
        np.array([[i % 2, *draw.normal(size=3)] for i in range(200)], np.float32),
    )

    def sentences(start: int) -> list[Example]:
        made = []
        for number in range(150):
            label = number % 2
            own = draw.choice(np.arange(start + label, start + 100, 2), 6)
            row = {"id": str(number), "label": ("no", "yes")[label]}
            made.append(Example.single(row, " ".join(words[i] for i in own)))
        return made

    made, train, test = task("accuracy"), sentences(0), sentences(100)
    model = LinearModel(made, BagFeatures(made, means))
    model.fit(train)
    assert score(made, model.predict(made, test))["accuracy"] > 0.95


def written(path: Path, words: frozenset[str]) -> Path:
    lines = [f"{w} {' '.join(map(str, v.tolist()))}\n" for w, v in drawn(tuple(words)).items()]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_vectors_stand_beside_tfidf_with_predictions_and_are_known_again(tmp_path: Path) -> None:
    made, examples = sample("mrpc", "train")
    path = written(tmp_path / "own.txt", wanted_words(made, examples))
    options = {"sample": True, "results": tmp_path / "r", "vectors": str(path), "limit": 40}
    first = gpteval.score_baselines("mrpc", **options)
    assert list(dict.fromkeys(r.model for r in first)) == ["tfidf", "vectors:own", "sif:own"]
    assert all((tmp_path / "r" / r.predictions).is_file() for r in first)
    assert str(tmp_path) not in json.dumps([dict(r.config) for r in first])
    assert gpteval.score_baselines("mrpc", **options) == first
    path.write_text(path.read_text(encoding="utf-8").replace("0.", "1."), encoding="utf-8")
    again = gpteval.score_baselines("mrpc", **options)
    shared = {r.key for r in again} & {r.key for r in first}
    assert shared == {r.key for r in first if r.model == "tfidf"}
    fresh = gpteval.score_baselines("mrpc", **options | {"results": tmp_path / "fresh"})
    assert [r.scores for r in fresh] == [r.scores for r in again]


def test_every_setting_of_a_baseline_is_in_its_digest(tmp_path: Path) -> None:
    path = written(tmp_path / "v.txt", WANTED)
    mean, sif = with_vectors([path])
    assert mean.digest != sif.digest
    assert [b.digest for b in with_vectors([path])] == [mean.digest, sif.digest]
    assert [b.name for b in with_vectors([path])] == ["vectors:v", "sif:v"]


def test_vectors_of_another_language_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "v.txt", frozenset({"щи", "каша"}))
    with pytest.raises(ConfigError, match=r"v\.txt has none of the .* words of copa: name"):
        gpteval.score_baselines("copa", sample=True, results=tmp_path / "r", vectors=path)
