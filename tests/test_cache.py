"""Token ids kept on disk: the same as encoded anew, whatever happens to the file."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gpteval import BpeTokenizer
from gpteval.encode import cache

WORDS = (
    "the captain of the old ship looked at the sea and said nothing for a long while . a boy who "
    "sold apples at the gate asked him whether he was happy or sad ."
).split()
TEXTS = [" ".join(WORDS[i % 20 : i % 20 + i % 9]) + f" {i}" for i in range(1500)]


class Counting:
    """A tokenizer that counts how many texts it is asked for."""

    def __init__(self, tokenizer: BpeTokenizer) -> None:
        self.tokenizer, self.asked = tokenizer, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.tokenizer, name)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        self.asked += len(texts)
        return self.tokenizer.encode(texts)


@pytest.fixture(scope="module")
def trained() -> BpeTokenizer:
    return BpeTokenizer.train([" ".join(WORDS)], merges=60)


@pytest.fixture
def tokenizer(trained: BpeTokenizer) -> Counting:
    return Counting(trained)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GPTEVAL_CACHE", str(tmp_path / "cache"))
    cache.tell.cache_clear()
    return tmp_path / "cache"


def the_file(directory: Path) -> Path:
    (path,) = directory.iterdir()
    return path


def test_texts_asked_for_again_are_not_encoded_again(tokenizer: Counting) -> None:
    expected = tokenizer.tokenizer.encode(TEXTS)
    assert cache.encode(tokenizer, TEXTS) == cache.encode(tokenizer, TEXTS) == expected
    assert tokenizer.asked == len(TEXTS)


def test_any_text_is_kept(tokenizer: Counting) -> None:
    odd = ["", "\x00", "a\nb", "😀", "é" * 400, *TEXTS]
    assert cache.encode(tokenizer, odd) == cache.encode(tokenizer, odd)
    assert cache.encode(tokenizer, odd) == tokenizer.tokenizer.encode(odd)


def test_few_texts_leave_no_file(tokenizer: Counting, directory: Path) -> None:
    cache.encode(tokenizer, TEXTS[: cache.FEWEST - 1])
    assert not directory.exists()


def test_another_tokenizer_has_a_file_of_its_own(trained: BpeTokenizer, directory: Path) -> None:
    other = trained.with_splitting("bert")
    assert cache.encode(trained, TEXTS) == trained.encode(TEXTS)
    assert cache.encode(other, TEXTS) == other.encode(TEXTS)
    assert len(list(directory.iterdir())) == 2


def test_other_texts_have_a_file_of_their_own(tokenizer: Counting, directory: Path) -> None:
    joined = [*TEXTS[:-2], TEXTS[-2] + TEXTS[-1][:1], TEXTS[-1][1:]]  # the same characters
    for texts in (TEXTS, joined, TEXTS[::-1], TEXTS[:-1]):
        assert cache.encode(tokenizer, texts) == tokenizer.tokenizer.encode(texts)
    assert len(list(directory.iterdir())) == 4


@pytest.mark.parametrize("kept", [0, 10, 32, 36, -1, -4])
def test_a_cut_file_is_written_again(tokenizer: Counting, directory: Path, kept: int) -> None:
    expected = cache.encode(tokenizer, TEXTS)
    whole = the_file(directory).read_bytes()
    the_file(directory).write_bytes(whole[:kept])
    assert cache.encode(tokenizer, TEXTS) == expected
    assert tokenizer.asked == 2 * len(TEXTS)
    assert the_file(directory).read_bytes() == whole


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_changed_byte_is_found(tokenizer: Counting, directory: Path, place: int) -> None:
    expected = cache.encode(tokenizer, TEXTS)
    content = bytearray(the_file(directory).read_bytes())
    content[place] ^= 1
    the_file(directory).write_bytes(content)
    assert cache.encode(tokenizer, TEXTS) == expected
    assert tokenizer.asked == 2 * len(TEXTS)


def encode_often(tokenizer_directory: Path) -> bool:
    tokenizer = BpeTokenizer.load(tokenizer_directory)
    expected = tokenizer.encode(TEXTS)
    found = []
    for _ in range(10):
        found.append(cache.encode(tokenizer, TEXTS) == expected)
        for path in cache.cache_directory().glob("*.ids"):
            path.unlink(missing_ok=True)  # so that both write again and again
    return all(found)


def test_two_processes_at_once_read_whole_files(
    trained: BpeTokenizer, directory: Path, tmp_path: Path
) -> None:
    trained.save(tmp_path)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(encode_often, [tmp_path, tmp_path], chunksize=1) == [True, True]
    assert not list(directory.glob("*.partial"))


def test_a_place_that_is_no_directory_is_told_once(
    tokenizer: Counting, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory.write_text("a file")
    expected = tokenizer.tokenizer.encode(TEXTS)
    assert cache.encode(tokenizer, TEXTS) == cache.encode(tokenizer, TEXTS) == expected
    (record,) = caplog.records
    assert "texts are encoded again each time" in record.message
    assert "GPTEVAL_CACHE" in record.message
    assert "\n" not in record.message


def test_a_file_that_can_not_be_written_is_told_and_leaves_nothing(
    tokenizer: Counting, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = cache.encode(tokenizer, TEXTS)
    path = the_file(directory)
    path.unlink()
    path.mkdir()
    assert cache.encode(tokenizer, TEXTS) == expected
    assert len(caplog.records) == 1
    assert the_file(directory) == path


def test_files_of_last_month_are_removed(tokenizer: Counting, directory: Path) -> None:
    cache.encode(tokenizer, TEXTS)
    used, unused, partial = the_file(directory), directory / "b.ids", directory / "c.partial"
    old = time.time() - cache.KEPT - 60
    for path in (used, unused, partial):
        path.touch()
        os.utime(path, (old, old))
    cache.encode(tokenizer, TEXTS)  # read: used today
    cache.encode(tokenizer, TEXTS[1:])  # written
    assert used.exists()
    assert not unused.exists()
    assert not partial.exists()


def test_files_lie_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.cache_directory() == tmp_path / "cache"
    monkeypatch.delenv("GPTEVAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_directory() == tmp_path / "xdg" / "gpteval"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_directory() == tmp_path / "home" / ".cache" / "gpteval"
