import json
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
from processes import until

from gpteval import BpeTokenizer, DataError
from gpteval.corpus import tokens as module
from gpteval.corpus.chunks import CHUNK
from gpteval.corpus.documents import find_documents, hold_out
from gpteval.corpus.tokens import encode_documents, open_tokens
from gpteval.errors import ResultError
from gpteval.progress import Silent

TEXTS = ["The sea was calm.", "Nobody said “good morning”.", "The boy went home to the sea."]


@pytest.fixture
def folder(tmp_path):
    directory = tmp_path / "texts"
    directory.mkdir()
    for number, text in enumerate(TEXTS):
        (directory / f"{number}.txt").write_text(text, encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def tokenizer():
    return BpeTokenizer.train(TEXTS, merges=20)


def build(folder, tokenizer):
    return encode_documents(find_documents([folder]), tokenizer, folder.parent / "all.tokens")


@pytest.fixture
def often(monkeypatch):
    """Encode and save after every few characters."""
    monkeypatch.setattr(module, "READ_AT_ONCE", 20)


def test_the_token_file_holds_every_document_after_a_start_token(folder, tokenizer):
    file = build(folder, tokenizer)
    expected = [[tokenizer.start, *ids] for ids in tokenizer.encode(TEXTS)]
    assert file.tokens.dtype == np.uint16
    assert [file.tokens[d.start : d.stop].tolist() for d in file.documents] == expected
    assert [d.name for d in file.documents] == ["0.txt", "1.txt", "2.txt"]
    assert [d.size for d in file.documents] == [len(t.encode()) for t in TEXTS]
    assert len(file.tokens) == file.documents[-1].stop
    assert file.documents[1:] == (file.documents[1], file.documents[2])


def test_lines_of_jsonl_are_documents_named_by_their_line(folder, tokenizer):
    rows = "\n".join(json.dumps({"text": text}) for text in [TEXTS[0], "", TEXTS[2]])
    (folder / "more.jsonl").write_text(rows)
    file = build(folder, tokenizer)
    assert [d.name for d in file.documents][3:] == ["more.jsonl:1", "more.jsonl:3"]
    assert file.documents.size == sum(len(TEXTS[i].encode()) for i in (0, 1, 2, 0, 2))


def test_a_long_document_in_pieces_has_the_tokens_of_the_whole(tmp_path, tokenizer, often):
    draw = random.Random(0)
    words = "the sea was calm. don’t nobody, went-home Åse \n\n\t the".split(" ")
    text = " ".join(draw.choices(words, k=4 * CHUNK // 6))
    (tmp_path / "long.txt").write_text(text, encoding="utf-8")
    file = encode_documents(find_documents([tmp_path]), tokenizer, tmp_path / "all.tokens")
    assert len(text) > 2 * CHUNK
    assert file.tokens[1:].tolist() == tokenizer.encode([text])[0]


def test_a_second_build_of_untouched_texts_reads_nothing(folder, tokenizer):
    first = build(folder, tokenizer)
    for path in folder.iterdir():
        path.chmod(0)
        content, times = path.read_bytes(), path.stat()
        path.write_bytes(b"\xff" * len(content))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = build(folder, tokenizer)
    assert second.digest == first.digest
    assert second.tokens.tolist() == first.tokens.tolist()


def test_texts_of_another_date_are_compared_not_encoded_again(folder, tokenizer, monkeypatch):
    first = build(folder, tokenizer).tokens.tolist()
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    monkeypatch.setattr(module._Build, "_read", None)  # nothing is left to encode
    assert build(folder, tokenizer).tokens.tolist() == first


def test_a_changed_text_another_name_or_tokenizer_is_encoded_again(folder, tokenizer):
    digests = {build(folder, tokenizer).digest}
    (folder / "0.txt").write_text("The sea was rough.")
    digests.add(build(folder, tokenizer).digest)
    (folder / "0.txt").rename(folder / "00.txt")
    digests.add(build(folder, tokenizer).digest)
    file = build(folder, BpeTokenizer.train(TEXTS, merges=5))
    assert len(digests | {file.digest}) == 4
    fresh = encode_documents(
        find_documents([folder]), BpeTokenizer.train(TEXTS, merges=5), folder / "fresh.tokens"
    )
    assert (fresh.digest, fresh.tokens.tolist()) == (file.digest, file.tokens.tolist())


def test_a_document_that_is_gone_is_no_longer_in_the_file(folder, tokenizer):
    build(folder, tokenizer)
    (folder / "2.txt").unlink()
    assert [d.name for d in build(folder, tokenizer).documents] == ["0.txt", "1.txt"]


class Spoiler(Silent):
    """Spoils a file as soon as a first document is read."""

    def __init__(self, path, content):
        self.path, self.content = path, content

    def advance(self, steps, note=""):
        if self.content is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.write_bytes(self.content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "2.txt:1: byte 0xff is not UTF-8"),
        (b"", "2.txt is empty"),
        (None, "2.txt can't be read .No such file"),
    ],
)
def test_a_damaged_or_vanished_document_loses_nothing(folder, tokenizer, often, content, message):
    whole = build(folder, tokenizer).tokens.tolist()
    path, target = folder / "2.txt", folder.parent / "more.tokens"
    corpus, sound = find_documents([folder]), path.read_bytes()
    kept = "documents are encoded, the same command resumes"
    with pytest.raises(DataError, match=f"{message}.*{kept}") as error:
        encode_documents(corpus, tokenizer, target, Spoiler(path, content))
    assert "\n" not in str(error.value)
    path.write_bytes(sound)
    assert encode_documents(find_documents([folder]), tokenizer, target).tokens.tolist() == whole


KILLED = """
import sys
from pathlib import Path
from gpteval import BpeTokenizer
from gpteval.corpus import tokens
from gpteval.corpus.documents import find_documents
tokens.READ_AT_ONCE = 1000
corpus, tokenizer = find_documents([Path(sys.argv[1])]), BpeTokenizer.load(Path(sys.argv[2]))
tokens.encode_documents(corpus, tokenizer, Path(sys.argv[2]) / "all.tokens")
"""


def test_a_killed_build_goes_on_and_ends_with_the_same_file(tmp_path, tokenizer, monkeypatch):
    texts = [f"{' '.join(random.Random(n).choices(TEXTS, k=50))} {n}" for n in range(400)]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    tokenizer.save(tmp_path)
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "a.jsonl"), str(tmp_path)]
    page = tmp_path / "all.json"
    with subprocess.Popen(arguments) as process:
        assert until(lambda: page.exists() and documents(page) > 20, process)
        process.send_signal(signal.SIGKILL)
    kept = json.loads(page.read_text())
    assert "inputs" not in kept and 20 < kept["documents"] < 400
    corpus = find_documents([tmp_path / "a.jsonl"])
    encoded = []
    monkeypatch.setattr(BpeTokenizer, "encode", counted(BpeTokenizer.encode, encoded))
    file = encode_documents(corpus, tokenizer, tmp_path / "all.tokens")
    assert len(encoded) == 400 - kept["documents"]
    fresh = encode_documents(corpus, tokenizer, tmp_path / "fresh.tokens")
    assert (file.digest, file.tokens.tolist()) == (fresh.digest, fresh.tokens.tolist())
    assert list(file.documents) == list(fresh.documents)


def documents(page):
    """How many documents a file of tokens has, by its page."""
    return json.loads(page.read_text())["documents"]


def counted(encode, texts):
    """The method, noting what it was called with."""

    def method(self, some):
        texts.extend(some)
        return encode(self, some)

    return method


FULL = """
import resource, sys
from pathlib import Path
from gpteval import BpeTokenizer
from gpteval.errors import ResultError
from gpteval.corpus import tokens
from gpteval.corpus.documents import find_documents
tokens.READ_AT_ONCE = 1000
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
corpus, tokenizer = find_documents([Path(sys.argv[1])]), BpeTokenizer.load(Path(sys.argv[2]))
try:
    tokens.encode_documents(corpus, tokenizer, Path(sys.argv[2]) / "all.tokens")
except ResultError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_is_one_line_and_the_build_goes_on_afterwards(tmp_path, tokenizer):
    texts = [f"{' '.join(random.Random(n).choices(TEXTS, k=50))} {n}" for n in range(50)]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    tokenizer.save(tmp_path)
    command = [sys.executable, "-c", FULL, str(tmp_path / "a.jsonl"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "all.tokens can't be written (File too large): make room" in done.stderr
    assert "documents are encoded, the same command resumes there" in done.stderr
    assert done.stderr.count("\n") == 1
    corpus = find_documents([tmp_path / "a.jsonl"])
    file = encode_documents(corpus, tokenizer, tmp_path / "all.tokens")
    fresh = encode_documents(corpus, tokenizer, tmp_path / "fresh.tokens")
    assert file.tokens.tolist() == fresh.tokens.tolist()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"documents": 3}', '{"digest": "x"}'])
def test_a_damaged_page_means_to_begin_again(folder, tokenizer, content):
    file = build(folder, tokenizer)
    (folder.parent / "all.json").write_text(content)
    assert build(folder, tokenizer).digest == file.digest


def test_tokens_that_are_gone_are_encoded_again(folder, tokenizer):
    expected = build(folder, tokenizer).tokens.tolist()
    (folder.parent / "all.tokens").write_bytes(b"")
    assert build(folder, tokenizer).tokens.tolist() == expected


def test_a_directory_that_cant_be_written_is_one_line(folder, tokenizer):
    with pytest.raises(ResultError, match="can't be written"):
        encode_documents(find_documents([folder]), tokenizer, folder / "0.txt" / "all.tokens")


def test_a_corpus_of_blank_rows_is_an_error(tmp_path, tokenizer):
    (tmp_path / "a.jsonl").write_text('{"text": ""}\n' * 3)
    with pytest.raises(DataError, match=r"no text in a.jsonl"):
        encode_documents(find_documents([tmp_path]), tokenizer, tmp_path / "all.tokens")


def test_held_out_documents_and_the_others_make_up_the_corpus(tmp_path, tokenizer):
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": f"{n}"}) for n in range(30)))
    train, kept = hold_out(find_documents([tmp_path]), 7, seed=0)
    files = [encode_documents(c, tokenizer, tmp_path / f"{len(c)}.tokens") for c in (train, kept)]
    names = [[d.name for d in file.documents] for file in files]
    assert list(map(len, names)) == [23, 7]
    assert sorted(names[0] + names[1]) == sorted(f"a.jsonl:{n}" for n in range(1, 31))
    assert open_tokens(tmp_path / "7.tokens").digest == files[1].digest
