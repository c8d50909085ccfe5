import json
import random
from pathlib import Path

import pytest

from gpteval import BpeTokenizer, ConfigError, DataError
from gpteval.corpus.documents import find_documents, hold_out

TEXTS = ["The sea was calm.", "Nobody said “good morning”.", "The boy went home to the sea."]


@pytest.fixture
def folder(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text(TEXTS[number % 3], encoding="utf-8")
    return tmp_path


def names(corpus):
    return [corpus.named(index, row) for index, row, _ in corpus.documents()]


def test_directories_are_searched_at_any_depth_for_every_form(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.txt", "deep/a.txt.gz", "notes.md", "c.txt.zst"):
        (tmp_path / name).write_text("x")
    (tmp_path / "d.jsonl").write_text('{"text": "x"}\n{"text": "y"}\n')
    found = names(find_documents([tmp_path]))
    assert found == ["b.txt", "c.txt.zst", "d.jsonl:1", "d.jsonl:2", "a.txt.gz"]


def test_a_file_may_have_any_name_and_counts_once(tmp_path):
    (tmp_path / "notes.md").write_text("x")
    assert names(find_documents([tmp_path / "notes.md"] * 2)) == ["notes.md"]


def test_a_missing_path_and_a_directory_without_text_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"no-such-place doesn't exist"):
        find_documents([tmp_path / "no-such-place"])
    with pytest.raises(DataError, match=r"expected files ending in .txt, .txt.gz, .txt.zst"):
        find_documents([tmp_path])


def test_held_out_files_are_a_sample_of_the_sorted_files(folder):
    corpus = find_documents([folder])
    drawn = random.Random(1).sample(sorted(p.name for p in folder.iterdir()), 5)
    train, kept = hold_out(corpus, 5, seed=1)
    assert names(kept) == sorted(drawn)
    assert names(train) == [name for name in names(corpus) if name not in drawn]
    assert (len(train), len(kept)) == (25, 5)


def test_held_out_documents_depend_on_the_seed_alone(tmp_path):
    for part in "ab":
        lines = "\n".join(json.dumps({"text": str(n)}) for n in range(20))
        (tmp_path / f"{part}.jsonl").write_text(lines)
    corpus = find_documents([tmp_path])
    train, kept = hold_out(corpus, 6, seed=1)
    assert names(kept) == names(hold_out(corpus, 6, seed=1)[1]) != names(hold_out(corpus, 6, 2)[1])
    assert sorted(names(train) + names(kept)) == sorted(names(corpus))


def test_a_source_without_held_out_documents_is_not_opened_for_them(folder):
    train, kept = hold_out(find_documents([folder]), 5, seed=1)
    for name in names(train):
        Path(folder / name).unlink()
    assert len(list(kept)) == 5


def test_holding_out_everything_is_an_error(folder):
    with pytest.raises(ConfigError, match=r"--held-out 30 leaves nothing .* has 30 documents"):
        hold_out(find_documents([folder]), 30, seed=0)


def test_a_tokenizer_of_a_stream_is_that_of_the_texts(folder):
    corpus = find_documents([folder])
    streamed = BpeTokenizer.train(corpus, merges=20)
    assert streamed.digest == BpeTokenizer.train(TEXTS * 10, merges=20).digest
