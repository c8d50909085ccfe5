import gzip
import json
import os
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpteval import DataError
from gpteval.corpus.chunks import CHUNK, cut
from gpteval.corpus.sources import source

TEXTS = ["The sea was calm.", "Nobody said “good morning”.\nÅse did.", "The boy went home."]


def packed(path, content):
    """The content in the form that the file's name says."""
    if path.suffix == ".gz":
        content = gzip.compress(content)
    if path.suffix == ".zst":
        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(content)
        return path
    path.write_bytes(content)
    return path


def read(path, field="text"):
    """Rows and texts of a file's documents."""
    documents = source(path, field).documents()
    return [(row, "".join(pieces)) for row, pieces in documents]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zst", "notes.md"])
def test_a_text_file_is_a_document_plain_gzipped_or_zstd(tmp_path, name):
    content = b"\xef\xbb\xbf" + "Åse,\r\nund so".encode()
    path = packed(tmp_path / name, content)
    assert read(path) == [(0, "Åse,\r\nund so")]
    assert source(path, "text").count() == 1


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_a_line_of_jsonl_is_a_document_and_blank_lines_are_none(tmp_path, name):
    lines = [json.dumps({"n": 1, "text": text}) for text in TEXTS]
    path = packed(tmp_path / name, "\n\n".join(lines).encode())
    assert read(path) == list(zip((1, 3, 5), TEXTS, strict=True))
    assert source(path, "text").count() == 3


def test_a_row_of_parquet_is_a_document(tmp_path):
    texts = TEXTS * 50
    pq.write_table(pa.table({"n": range(150), "body": texts}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", "body") == list(enumerate(texts, 1))
    assert source(tmp_path / "a.parquet", "body").count() == 150


def test_a_row_without_text_has_no_pieces(tmp_path):
    pq.write_table(pa.table({"text": ["a", None, " \n", "b"]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [(1, "a"), (2, ""), (3, ""), (4, "b")]
    rows = [{"text": "a"}, {"text": None}, {"text": " "}]
    path = packed(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)).encode())
    assert [text for _, text in read(path)] == ["a", "", ""]


WHOLE = gzip.compress(b"a long text" * 99, mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"", "empty.txt is empty"),
        ("blank.txt", b" \n" * 300_000, "blank.txt is empty"),
        ("latin.txt", b"one\ntwo\ncaf\xe9 \n", "latin.txt:3: byte 0xe9 is not UTF-8"),
        ("late.txt", b"one\n" * 100_000 + b"\xff", "late.txt:100001: byte 0xff is not UTF-8"),
        ("cut.txt", "one\nü".encode()[:-1], "cut.txt:2: byte 0xc3 is not UTF-8"),
        ("plain.gz", b"not gzipped", "plain.gz is not a whole gzip file"),
        ("cut.gz", WHOLE[:-12], "cut.gz is not a whole gzip file"),
        ("plain.zst", b"not compressed at all", "plain.zst is not a whole zstd file"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"', "a.jsonl:2: not whole JSON"),
        ("a.jsonl", b'["a"]\n', "a.jsonl:1: expected a JSON object, found '\\[\"a\"\\]'"),
        ("a.jsonl", b'{"body": "a", "n": 1}', "a.jsonl:1: no field 'text'; it has body, n"),
        ("a.jsonl", b'{"text": 7}', "a.jsonl:1: 'text' is 7, not text: name another --text-field"),
        ("a.jsonl", b'{"text": "\\ud800"}', "a.jsonl:1: 'text' has half a character"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}', "a.jsonl:2: byte 0xff is not UTF-8"),
        ("a.parquet", b"PAR1 and then nothing", "a.parquet is no whole parquet file"),
        ("gone.txt", None, r"gone.txt can't be read \(No such file or directory\): put it back"),
        ("gone.txt.zst", None, "gone.txt.zst can't be read"),
        ("gone.parquet", None, "gone.parquet can't be read"),
    ],
)
def test_what_cant_be_read_is_one_line_with_its_place(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_zstd_file_that_was_cut_short_is_no_text(tmp_path):
    path = packed(tmp_path / "a.txt.zst", os.urandom(3000).hex().encode())
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"not a whole zstd file .Truncated"):
        read(path)


def test_a_column_that_is_not_there_is_named(tmp_path):
    pq.write_table(pa.table({"body": ["a"], "n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no field 'text'; it has body, n: name one with --text-f"):
        read(tmp_path / "a.parquet")


def test_pieces_are_cut_at_blanks_and_lose_nothing():
    text = " ".join(f"word{n},\n" if n % 9 == 0 else f"w{n}" for n in range(40_000))
    pieces = list(cut([text[:100_000], text[100_000:]]))
    assert "".join(pieces) == text
    assert len(pieces) > 3 and max(map(len, pieces)) <= CHUNK
    for before, after in pairwise(pieces):
        assert after[0] == " " and not before[-1].isspace() and not after[1].isspace()


def test_words_on_lines_of_their_own_are_cut_between_lines():
    pieces = list(cut(["word\n" * 50_000]))
    assert all(piece.startswith("\n") for piece in pieces[1:])
    assert "".join(pieces) == "word\n" * 50_000


def test_a_word_longer_than_a_piece_is_cut_in_two():
    assert list(map(len, cut(["x" * (CHUNK + 7)]))) == [CHUNK, 7]
