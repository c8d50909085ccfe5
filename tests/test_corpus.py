import gzip
from pathlib import Path

import numpy as np
import pytest

from gpteval import BpeTokenizer, ConfigError, DataError
from gpteval.train.corpus import encode_documents, find_documents, hold_out, read_document

TEXTS = ["The sea was calm.", "Nobody said “good morning”.", "The boy went home to the sea."]


@pytest.fixture
def documents(tmp_path):
    for number, text in enumerate(TEXTS):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
    return find_documents([tmp_path])


@pytest.fixture(scope="module")
def tokenizer():
    return BpeTokenizer.train(TEXTS, merges=20)


def test_directories_are_searched_at_any_depth_for_plain_and_gzipped_text(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.txt", "deep/a.txt.gz", "notes.md"):
        (tmp_path / name).write_text("x")
    assert find_documents([tmp_path]) == [tmp_path / "b.txt", tmp_path / "deep/a.txt.gz"]


def test_a_file_may_have_any_name_and_counts_once(tmp_path):
    (tmp_path / "notes.md").write_text("x")
    assert find_documents([tmp_path / "notes.md"] * 2) == [tmp_path / "notes.md"]


def test_a_gzipped_document_reads_like_the_plain_one(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("Åse,\nund so".encode()))
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + "Åse,\nund so".encode())
    assert (
        read_document(tmp_path / "a.txt.gz") == read_document(tmp_path / "a.txt") == "Åse,\nund so"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b" \n", "empty.txt is empty"),
        ("latin.txt", b"one\ntwo\ncaf\xe9 \n", "latin.txt:3: byte 0xe9 is not UTF-8"),
        ("plain.gz", b"not gzipped", "plain.gz is not a whole gzip file"),
        ("cut.gz", gzip.compress(b"a long text" * 99)[:-12], "cut.gz is not a whole gzip file"),
    ],
)
def test_an_unreadable_document_is_named_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_document(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_path_and_a_directory_without_text_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"no-such-place doesn't exist"):
        find_documents([tmp_path / "no-such-place"])
    with pytest.raises(DataError, match=r"expected files ending in .txt or .txt.gz"):
        find_documents([tmp_path])


def test_held_out_documents_depend_on_the_seed_alone():
    documents = [Path(f"{n}.txt") for n in range(30)]
    train, kept = hold_out(documents, 5, seed=1)
    assert (train, kept) == hold_out(documents, 5, seed=1)
    assert kept != hold_out(documents, 5, seed=2)[1]
    assert len(kept) == 5 and sorted(train + kept) == sorted(documents)


def test_holding_out_everything_is_an_error(documents):
    with pytest.raises(ConfigError, match=r"--held-out 3 leaves nothing .* has 3 documents"):
        hold_out(documents, 3, seed=0)


def test_the_token_file_holds_every_document_after_a_start_token(documents, tokenizer, tmp_path):
    file = encode_documents(documents, tokenizer, tmp_path / "all.tokens")
    expected = [[tokenizer.start, *ids] for ids in tokenizer.encode(TEXTS)]
    assert file.tokens.dtype == np.uint16
    assert [file.tokens[d.start : d.stop].tolist() for d in file.documents] == expected
    assert [d.size for d in file.documents] == [len(t.encode()) for t in TEXTS]
    assert len(file.tokens) == file.documents[-1].stop


def test_a_second_run_reuses_the_token_file(documents, tokenizer, tmp_path):
    first = encode_documents(documents, tokenizer, tmp_path / "all.tokens")
    written = (tmp_path / "all.tokens").stat().st_ino
    second = encode_documents(documents, tokenizer, tmp_path / "all.tokens")
    assert (tmp_path / "all.tokens").stat().st_ino == written
    assert second.documents == first.documents and second.digest == first.digest


def test_a_changed_document_or_tokenizer_is_encoded_again(documents, tokenizer, tmp_path):
    target, digests = tmp_path / "all.tokens", set()
    digests.add(encode_documents(documents, tokenizer, target).digest)
    documents[0].write_text("The sea was rough.")
    digests.add(encode_documents(documents, tokenizer, target).digest)
    other = BpeTokenizer.train(TEXTS, merges=5)
    file = encode_documents(documents, other, target)
    assert len(digests | {file.digest}) == 3
    assert (
        file.tokens[1 : file.documents[0].stop].tolist() == other.encode(["The sea was rough."])[0]
    )


def test_a_failed_encoding_leaves_no_file(documents, tokenizer, tmp_path):
    documents[2].write_bytes(b"\xff")
    with pytest.raises(DataError):
        encode_documents(documents, tokenizer, tmp_path / "all.tokens")
    assert not list(tmp_path.glob("*tokens*")) and not list(tmp_path.glob(".*"))
