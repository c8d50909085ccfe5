"""Paths that users name, and what lies where they lead."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from official import RTE, task, write

from gpteval import BpeTokenizer, load_model
from gpteval.cli.main import cli
from gpteval.corpus.documents import find_documents
from gpteval.corpus.sources import source
from gpteval.data.files import find_files
from gpteval.data.rows import Origin, load_split, origin
from gpteval.encode.cache import cache_directory
from gpteval.errors import ConfigError, DataError, GptevalError, ResultError
from gpteval.files import append, write_whole
from gpteval.methods.settings import Subject
from gpteval.paths import (
    LONGEST,
    file_name,
    files_below,
    matching,
    user_path,
    user_paths,
    user_reference,
)
from gpteval.progress import Silent
from gpteval.results.store import ResultStore
from gpteval.weights.checkpoint import read_config


class Heard(Silent):
    """What was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_tilde_is_the_home_wherever_a_path_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTEVAL_DATA", "~/a:/b")
    monkeypatch.setenv("GPTEVAL_CACHE", "~/cache")
    assert origin("~/data") == Origin("files", home / "data")
    assert origin() == Origin("files", home / "a", (Path("/b"),))
    assert cache_directory() == home / "cache"
    assert Subject(("rte",), results="~/r").results_directory == home / "r"
    assert Subject(("rte",), model="~/m").model_reference == str(home / "m")
    assert ResultStore("~/r").directory == home / "r"
    for read in (load_model, lambda path: read_config(Path(path)), lambda p: find_documents([p])):
        with pytest.raises(GptevalError, match="home/nothing"):
            read("~/nothing")


def test_a_model_reference_keeps_its_prefix(home: Path) -> None:
    assert user_reference("hf:~/gpt2") == f"hf:{home}/gpt2"
    assert [user_reference(r) for r in ("mini", "hf:o/n", "hf:")] == ["mini", "hf:o/n", "hf:"]


def test_a_checkpoint_below_the_home_is_loaded(
    tiny_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tiny_directory.parent))
    assert load_model(f"~/{tiny_directory.name}").family == "gpt"
    assert BpeTokenizer.load(user_path(f"~/{tiny_directory.name}")).vocab_size


@pytest.mark.parametrize("text", ["", " ", "a\0b", "~nobody-of-this-name/x", "x" * 300, "é" * 200,
                                  "a/" * 3000], ids=repr)  # fmt: skip
def test_what_is_no_path_is_one_short_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        user_path(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--tasks", "rte", "--sample", "--results", "LONG"],
        ["run", "--tasks", "rte", "--sample", "--model", "LONG"],
        ["run", "--tasks", "rte", "--sample", "--model", "hf:LONG"],
        ["data", "verify", "--data-dir", "LONG"],
        ["pretrain", "LONG", "--output", "x"],
        ["pretrain", ".", "--output", "LONG"],
        ["pretrain", ".", "--output", "x", "--tokenizer", "LONG"],
        ["leaderboard", "LONG"],
        ["curve", "LONG"],
        ["ablate", "--layers", "--plot", "LONG.png"],
    ],
    ids=" ".join,
)
def test_a_name_that_no_file_can_have_is_one_line_and_exit_code_2(words: list[str]) -> None:
    done = CliRunner().invoke(cli, [word.replace("LONG", "x" * 9999) for word in words])
    assert done.exit_code == 2 or isinstance(done.exception, GptevalError)
    assert "too long" in f"{done.output}{done.exception}"


def test_of_several_data_directories_the_first_that_has_a_split_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    write(first, "glue/RTE/dev.tsv", RTE)
    write(second, "glue/RTE/dev.tsv", RTE.replace("rains", "snows"))
    write(second, "glue/RTE/train.tsv", RTE)
    places = origin([first, str(second)])
    assert load_split(task("rte"), "dev", places).rows[0]["sentence1"] == "It rains."
    assert len(load_split(task("rte"), "train", places).rows) == 1
    with pytest.raises(DataError, match=f"no test split below {first}, {second}: expected"):
        load_split(task("rte"), "test", places)
    with pytest.raises(DataError, match="c does not exist"):
        load_split(task("rte"), "dev", origin([first, tmp_path / "c"]))


def test_the_command_takes_several_data_directories(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        write(tmp_path, f"{name}/glue/RTE/{name}.tsv", RTE)
    options = [f"--data-dir={tmp_path / name}" for name in ("train", "dev")]
    done = CliRunner().invoke(cli, ["data", "verify", "--tasks", "rte", *options, "--json"])
    assert [line.split(",")[2] for line in done.stdout.splitlines()] == [
        ' "state": "cut"', ' "state": "cut"', ' "state": "absent"',
    ]  # fmt: skip
    assert done.exit_code == 0


def test_paths_may_be_one_several_or_none() -> None:
    assert user_paths("a") == user_paths([Path("a")]) == (Path("a"),)
    assert user_paths(None) == user_paths("") == user_paths(()) == ()


def test_a_search_passes_over_hidden_names_and_what_is_no_file(tmp_path: Path) -> None:
    for name in ("b.TXT", "a/C.Txt.GZ", "._b.txt", ".git/d.txt", "e.md"):
        write(tmp_path, name, "x")
    os.mkfifo(tmp_path / "f.txt")
    (tmp_path / "g.txt").symlink_to("/dev/zero")
    (tmp_path / "h.txt").symlink_to(tmp_path / "gone")
    (tmp_path / "i.txt").symlink_to(tmp_path / "e.md")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    listing = files_below(tmp_path, (".txt", ".txt.gz"), "lock")
    names = [path.relative_to(tmp_path).as_posix() for path in listing.files]
    assert names == ["a/C.Txt.GZ", "b.TXT", "i.txt"]
    assert set(listing.passed) == {"._b.txt", ".git", "f.txt", "g.txt", "h.txt", "back"}


def test_hidden_names_match_no_pattern_of_official_files(tmp_path: Path) -> None:
    for name in ("RACE/test/high/1.txt", "RACE/test/high/._1.txt", "RACE/test/middle/.x/2.txt"):
        write(tmp_path, name, "{}")
    assert find_files(task("race"), "test", tmp_path) == [tmp_path / "RACE/test/high/1.txt"]
    assert matching(tmp_path, "RACE/*/*") == [
        tmp_path / "RACE/test/high", tmp_path / "RACE/test/middle",
    ]  # fmt: skip


def test_what_a_corpus_passes_over_is_said(tmp_path: Path) -> None:
    for name in ("a.txt", "._a.txt", "out/tokens/merges.txt", "out/pretrain.lock", ".x/b.txt"):
        write(tmp_path, name, "text")
    heard = Heard()
    corpus = find_documents([tmp_path], progress=heard)
    assert [s.name for s in corpus.sources] == ["a.txt"]
    (line,) = heard.lines
    assert line.startswith(f"{tmp_path}: 3 passed over") and "out" in line and "._a.txt" in line


def test_a_corpus_that_is_the_output_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "text")
    words = ["pretrain", str(tmp_path), "--output", str(tmp_path / "x" / "..")]
    with pytest.raises(ConfigError, match="is the corpus"):
        CliRunner().invoke(cli, words, catch_exceptions=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["a.txt", "a.TXT.GZ", "a.txt.zst", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_corpus_file_that_is_a_device_or_a_fifo_is_never_opened(
    tmp_path: Path, name: str, kind: str
) -> None:
    special(tmp_path / name, kind)
    with pytest.raises(DataError, match="a device, a FIFO or a socket, not a file"):
        [list(chunks) for _, chunks in source(tmp_path / name, "text").documents()]
    with pytest.raises(DataError, match="a device, a FIFO or a socket, not a file"):
        find_documents([tmp_path / name])


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("rte", "glue/RTE/test.tsv"),
        ("snli", "snli_1.0/snli_1.0_test.jsonl"),
        ("rocstories", "rocstories/cloze_test_test__spring2016.csv"),
        ("copa", "copa/copa-test.xml"),
        ("race", "RACE/test/high/1.txt"),
        ("dpr", "winograd/dpr/test.c.txt"),
    ],
)
@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_data_file_that_is_a_device_or_a_fifo_is_never_opened(
    tmp_path: Path, name: str, file: str, kind: str
) -> None:
    special(tmp_path / file, kind)
    with pytest.raises(DataError, match="a device, a FIFO or a socket, not a file") as caught:
        load_split(task(name), "test", Origin("files", tmp_path))
    assert file in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_results_are_neither_read_from_nor_written_to_a_device(tmp_path: Path, kind: str) -> None:
    special(tmp_path / "records.jsonl", kind)
    with pytest.raises(ResultError, match="a device, a FIFO or a socket, not a file"):
        ResultStore(tmp_path).read()
    for write_to in (write_whole, append):
        with pytest.raises(OSError, match="a device, a FIFO or a socket, not a file"):
            write_to(tmp_path / "records.jsonl", b"x")


def special(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path) if kind == "fifo" else path.symlink_to("/dev/zero")


def test_names_become_files_that_any_system_takes_and_that_differ() -> None:
    names = ["rte", "pkg/rte", "pkg_rte", "../../rte", "x" * 999, "x" * 998, ".rte", "é", "a b"]
    made = [file_name(name) for name in names]
    assert made[0] == "rte" and len(set(made)) == len(names)
    for name in made:
        assert len(name.encode()) < LONGEST / 2
        assert "/" not in name and not name.startswith(".")


def test_predictions_of_a_long_task_name_are_written(tmp_path: Path) -> None:
    path = ResultStore(tmp_path).write_predictions("k" * 64, "../" + "t" * 999, "dev", [])
    assert (tmp_path / path).is_file() and (tmp_path / path).parent == tmp_path / "predictions"
